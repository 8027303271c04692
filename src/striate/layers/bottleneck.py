"""The bottleneck block: narrow, look around, widen, and add the result to what came in.

A 1×1 convolution reduces the channels, a 3×3 works on the few, a 1×1 restores them, and the input is added before the
last ReLU: y = relu(x + F(x)). F needs to learn only what to change; if nothing, zeros. Where the number of channels or
the size of the map changes, x is first projected by a convolution of its own.

ResNet, ResNeXt (groups in the 3×3), SE-ResNet (channels scaled before the sum) and SENet-154 (wider inside) are this
one block with other numbers. The block that halves the map has stride 2 in one of two places, with the *same*
parameters: the paper's first 1×1 ("v1"), which skips three quarters of its input, or the 3×3 ("v1.5"), which sees all
of it.
"""

from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from striate.errors import ConfigError
from striate.layers.conv_norm import conv_norm
from striate.layers.squeeze_excite import SqueezeExcite

__all__ = ["Bottleneck", "StrideIn"]

StrideIn = Literal["1x1", "3x3"]


class Bottleneck(nn.Module):
    """relu(projection(x) + scale(norm(conv3(relu(norm(conv2(relu(norm(conv1(x)))))))))).

    Each ReLU is a layer of its own (`relu1`, `relu2`, `relu3`, the last one behind the sum) and none works in place, so
    that every value can be captured and every backward rule replaced.

    Source: He et al. 2015, arXiv:1512.03385, figure 5 right; Xie et al. 2016, arXiv:1611.05431, figure 3c, for groups;
    Hu et al. 2018, arXiv:1709.01507, figure 3, for squeeze and excite.

    Args:
        in_channels: channels in.
        widths: channels of conv1, conv2 and conv3; the last are the channels out.
        stride: 2 halves the map.
        stride_in: the convolution that has the stride: the first `1x1`, or the `3x3`.
        groups: groups of conv2.
        projection_kernel: side of the shortcut's kernel; there is a shortcut layer only where the shape changes.
        reduction: of squeeze and excite; None leaves it out.

    Raises:
        ConfigError: `stride_in` is neither.

    >>> import torch
    >>> Bottleneck(256, (128, 128, 512), stride=2)(torch.zeros(1, 256, 56, 56)).shape
    torch.Size([1, 512, 28, 28])
    """

    def __init__(
        self,
        in_channels: int,
        widths: tuple[int, int, int],
        *,
        stride: int = 1,
        stride_in: StrideIn = "3x3",
        groups: int = 1,
        projection_kernel: int = 1,
        reduction: int | None = None,
    ) -> None:
        super().__init__()
        if stride_in not in {"1x1", "3x3"}:
            raise ConfigError(f"stride_in is '1x1' (the paper's v1) or '3x3' (v1.5), but got {stride_in!r}.")
        first, second, out_channels = widths
        early, late = (stride, 1) if stride_in == "1x1" else (1, stride)
        self.conv1 = nn.Conv2d(in_channels, first, 1, stride=early, bias=False)
        self.bn1 = nn.BatchNorm2d(first)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(first, second, 3, stride=late, padding=1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm2d(second)
        self.relu2 = nn.ReLU()
        self.conv3 = nn.Conv2d(second, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        # Registered as None where absent, so that the layer's name exists in every block.
        self.se_module = None if reduction is None else SqueezeExcite(out_channels, reduction=reduction)
        same_shape = stride == 1 and in_channels == out_channels
        self.downsample = None if same_shape else conv_norm(in_channels, out_channels, projection_kernel, stride=stride)
        self.relu3 = nn.ReLU()

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c2 h2 w2"]:
        """Add the residual to `x` or to its projection."""
        residual = self.relu1(self.bn1(self.conv1(x)))  # n w1 h w, v1: n w1 h2 w2
        residual = self.relu2(self.bn2(self.conv2(residual)))  # n w2 h2 w2
        residual = self.bn3(self.conv3(residual))  # n c2 h2 w2
        if self.se_module is not None:
            residual = self.se_module(residual)
        shortcut = x if self.downsample is None else self.downsample(x)
        out: Tensor = self.relu3(residual + shortcut)
        return out
