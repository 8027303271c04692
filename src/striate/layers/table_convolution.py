"""Convolution in which a table says which input maps each output map sees.

Leaving links out of a layer saves weights, and makes the output maps different because they are given different
inputs. A link that the table leaves out has no weight: nothing is stored, trained or decayed for it.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from striate.errors import ConfigError

__all__ = ["TableConv2d"]


class TableConv2d(nn.Module):
    """A convolution whose output map i sees the input maps `table[i]`; stride 1, no padding.

    Source: LeCun et al. 1998, section II-B, layer C3 and table I.

    Differs: the links are laid into a full kernel with zeros where there is none, and convolved at once. That computes
    more products than there are links (for C3 240,000 instead of 150,000) and is 8 to 16 times faster on a CPU than
    convolving the links alone, as grouped or depthwise convolutions.

    Args:
        in_channels: number of input maps.
        table: the input maps of each output map, one row an output map.
        kernel_size: side of the square kernel.

    Attributes:
        weight: one kernel a link, `links kernel_size kernel_size`, row by row of the table.
        bias: one number an output map.
        links: number of inputs of each output map.

    Raises:
        ConfigError: a row is empty, repeats a map, or names one that does not exist.

    >>> layer = TableConv2d(3, [(0, 1), (1, 2), (0, 1, 2)], 5)
    >>> layer(torch.zeros(1, 3, 14, 14)).shape, layer.weight.shape
    (torch.Size([1, 3, 10, 10]), torch.Size([7, 5, 5]))
    """

    places: Tensor

    def __init__(self, in_channels: int, table: Sequence[Sequence[int]], kernel_size: int) -> None:
        super().__init__()
        for i, row in enumerate(table):
            if not row or len(set(row)) != len(row) or not all(0 <= source < in_channels for source in row):
                raise ConfigError(
                    f"table[{i}] must name different input maps from 0 to {in_channels - 1}, but is {list(row)}."
                )
        self.in_channels = in_channels
        self.out_channels = len(table)
        self.kernel_size = kernel_size
        self.links = tuple(len(row) for row in table)
        self.weight = nn.Parameter(torch.empty(sum(self.links), kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.empty(len(table)))
        # Where each link lies among the out × in kernels. Not saved: the table belongs to the architecture.
        places = [i * in_channels + source for i, row in enumerate(table) for source in row]
        self.register_buffer("places", torch.tensor(places), persistent=False)
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self, bound: Callable[[int], float] = lambda fan_in: fan_in**-0.5) -> None:
        """Draw the weights and the bias of each output map evenly from ±bound(fan-in).

        The fan-in is the row's own: maps with few links draw from a wider range. The default is that of `nn.Conv2d`.
        """
        start = 0
        for i, links in enumerate(self.links):
            limit = bound(links * self.kernel_size**2)
            self.weight[start : start + links].uniform_(-limit, limit)
            self.bias[i : i + 1].uniform_(-limit, limit)
            start += links

    def kernel(self) -> Float[Tensor, "k c s s"]:
        """The full kernel, zero where there is no link."""
        side = self.kernel_size
        full = self.weight.new_zeros(self.out_channels * self.in_channels, side, side)
        return full.index_copy(0, self.places, self.weight).view(self.out_channels, self.in_channels, side, side)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k h2 w2"]:
        """Convolve each output map's inputs with its kernels."""
        return F.conv2d(x, self.kernel(), self.bias)

    def extra_repr(self) -> str:
        """What `print(module)` shows between the brackets."""
        return f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, links={len(self.weight)}"
