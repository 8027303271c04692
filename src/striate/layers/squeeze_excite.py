"""Squeeze and excite: a small network that reads the whole picture and turns each channel up or down.

A convolution sees only its window. Squeezing averages every channel over the picture, s_c = mean_yx x_cyx; exciting
computes from these averages one factor a channel, g = σ(W2 relu(W1 s)), through a bottleneck that saves parameters;
the channels are multiplied by their factors, y_cyx = g_c x_cyx.
"""

from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["SqueezeExcite"]


class SqueezeExcite(nn.Module):
    """Scale each channel by a factor in (0, 1) that is computed from the averages of all channels.

    The layer `sigmoid` holds the factors, n c 1 1.

    Source: Hu, Shen and Sun 2018, Squeeze-and-Excitation Networks, arXiv:1709.01507, equations 2 to 4.

    Differs: the two full layers have biases, as in the authors' released networks; the equations leave them out. They
    are written as 1×1 convolutions on the 1×1 map of averages.

    Args:
        channels: channels in and out.
        reduction: how many times narrower the bottleneck is.

    >>> import torch
    >>> SqueezeExcite(256, reduction=16)(torch.zeros(1, 256, 7, 7)).shape
    torch.Size([1, 256, 7, 7])
    """

    def __init__(self, channels: int, *, reduction: int) -> None:
        super().__init__()
        self.squeeze = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, channels // reduction, 1)
        self.relu = nn.ReLU()
        self.fc2 = nn.Conv2d(channels // reduction, channels, 1)
        self.sigmoid = nn.Sigmoid()

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Compute the factors from `x` and apply them."""
        hidden = self.relu(self.fc1(self.squeeze(x)))  # n c/r 1 1
        factors: Tensor = self.sigmoid(self.fc2(hidden))  # n c 1 1
        return x * factors
