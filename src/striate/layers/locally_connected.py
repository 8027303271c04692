"""A convolution that does not share its weights: every place has filters of its own.

A convolution assumes that what is worth seeing in one place is worth seeing everywhere. Where a map always shows the
same thing in the same place, filters may differ from place to place; the price is `h w` times as many weights, and a
map whose size cannot change.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from striate.errors import ShapeError

__all__ = ["LocallyConnected"]


class LocallyConnected(nn.Module):
    """`f`×`f` filters, one set a place, zeros around the map, stride 1.

    Args:
        in_channels: c.
        out_channels: d.
        kernel_size: f, odd.
        size: `(h, w)` of the map, which must be the same every time.

    Source: darknet, `src/local_layer.c`. Random weights are uniform in ±√(2 / f² c), for every place. Differs: there
        only the first place gets any, and all others begin with zeros.

    >>> LocallyConnected(2, 3, 3, size=(4, 5))(torch.zeros(1, 2, 4, 5)).shape
    torch.Size([1, 3, 4, 5])
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, *, size: tuple[int, int]) -> None:
        super().__init__()
        self.kernel_size, self.size = kernel_size, size
        self.weight = nn.Parameter(torch.empty(size[0] * size[1], out_channels, in_channels * kernel_size**2))
        self.bias = nn.Parameter(torch.zeros(out_channels, *size))
        bound = math.sqrt(2 / (in_channels * kernel_size**2))
        nn.init.uniform_(self.weight, -bound, bound)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d h w"]:
        """Weigh the window around every place with that place's filters.

        Raises:
            ShapeError: If the map has another size.
        """
        if tuple(x.shape[-2:]) != self.size:
            raise ShapeError(f"x: this layer has filters for maps of {self.size} (h, w), got {tuple(x.shape[-2:])}.")
        windows = nn.functional.unfold(x, self.kernel_size, padding=self.kernel_size // 2)  # n c·f·f h·w
        out: Tensor = torch.einsum("pdc,ncp->ndp", self.weight, windows)  # n d h·w
        return out.reshape(len(x), -1, *self.size) + self.bias
