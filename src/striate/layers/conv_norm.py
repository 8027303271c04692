"""A convolution and the batch normalization behind it: what a projection shortcut is made of.

The convolution has no bias, because the normalization that follows subtracts any constant again. Its random weights
are He et al.'s: a normal distribution with variance 2 / fan-out, which keeps the size of the gradient from layer to
layer when half of the units are silenced by a ReLU.
"""

from typing import Literal

import torch
from torch import nn

__all__ = ["conv_norm", "initialize_convolutions"]


def conv_norm(
    in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """Build a convolution without bias and its batch normalization, as layers `0` and `1`.

    Zeros pad the border by kernel_size // 2: with stride 1 and an odd kernel the map keeps its size.

    >>> conv_norm(64, 128, 1, stride=2)(torch.zeros(1, 64, 56, 56)).shape
    torch.Size([1, 128, 28, 28])
    """
    convolution = nn.Conv2d(
        in_channels, out_channels, kernel_size, stride=stride, padding=kernel_size // 2, groups=groups, bias=False
    )
    return nn.Sequential(convolution, nn.BatchNorm2d(out_channels))


def initialize_convolutions(network: nn.Module, *, mode: Literal["fan_in", "fan_out"] = "fan_out") -> None:
    """Give every convolution in `network` new weights from He et al.'s normal distribution, variance 2 / fan.

    Biases and other layers stay as they are; a fresh batch normalization is already the identity.

    Source: He, Zhang, Ren and Sun 2015, Delving Deep into Rectifiers, arXiv:1502.01852, equations 10 and 14.

    Args:
        network: whose convolutions.
        mode: `fan_out`, the weights that leave a channel, keeps the size of the gradient from layer to layer;
            `fan_in`, those that meet in a number, keeps the size of the activations. Either alone is enough.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight, mode=mode, nonlinearity="relu")
