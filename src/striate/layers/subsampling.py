"""Subsampling with two trainable numbers a map: the pooling of 1998.

A unit adds up the inputs of its window, multiplies the sum by its map's coefficient and adds its map's bias. With a
small coefficient the unit that follows works like a soft average, with a large one like a noisy OR or AND.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Subsample2d"]


class Subsample2d(nn.Module):
    """y = coefficient × (sum over the window) + bias, on windows side by side.

    It starts as an average (coefficient 1/window², bias 0). The squashing function is a layer of its own.

    Source: LeCun et al. 1998, section II-B, layers S2 and S4.

    Args:
        channels: number of maps, each with its own coefficient and bias.
        window: side and stride of the square window; rows and columns that fill no window are left out.

    >>> Subsample2d(6)(torch.zeros(1, 6, 28, 28)).shape
    torch.Size([1, 6, 14, 14])
    """

    def __init__(self, channels: int, *, window: int = 2) -> None:
        super().__init__()
        self.channels = channels
        self.window = window
        self.coefficient = nn.Parameter(torch.full((channels,), 1 / window**2))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h2 w2"]:
        """Add up each window of `x`, scale and shift."""
        total = F.avg_pool2d(x, self.window, divisor_override=1)
        return self.coefficient[:, None, None] * total + self.bias[:, None, None]

    def extra_repr(self) -> str:
        """What `print(module)` shows between the brackets."""
        return f"{self.channels}, window={self.window}"
