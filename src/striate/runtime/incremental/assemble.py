"""Rectangles put together: surroundings from the map of the clean picture, the middle from what was computed anew.

All places at once, without a loop. A map lies in memory as rows of pixels, each with its channels (channels-last), so
that a run of w pixels is one block of w c numbers. Seen as overlapping blocks, "row r of the rectangle at (y, x)" is
one index, and torch's indexing copies the blocks of all rectangles side by side.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Canvas", "paste", "rows_of"]


def rows_of(tensor: Tensor) -> Tensor:
    """`n c h w` as a contiguous `n h w c`, without a copy where it lies so already."""
    return tensor.permute(0, 2, 3, 1).contiguous()


@dataclass(frozen=True)
class Canvas:
    """The map of the clean picture with a border, from which rectangles are cut.

    Attributes:
        cells: `h w c`, contiguous, with the border.
        before: Rows above and columns to the left that the border has.
    """

    cells: Tensor
    before: tuple[int, int]

    @classmethod
    def of(cls, clean: Tensor, border: tuple[int, int, int, int], fill: float) -> "Canvas":
        """From a map `1 c h w` and the border's (left, right, top, bottom)."""
        left, right, top, bottom = border
        cells = rows_of(clean)[0]
        if any(border):
            height, width, channels = cells.shape
            padded = cells.new_full((height + top + bottom, width + left + right, channels), fill)
            padded[top : top + height, left : left + width] = cells
            cells = padded
        return cls(cells, (top, left))

    def cut(self, tops: Tensor, lefts: Tensor, size: tuple[int, int]) -> Tensor:
        """Rectangles `n c h w` (channels-last) whose corners are counted without the border."""
        height, width = size
        _, across, channels = self.cells.shape
        first = (tops + self.before[0]) * across + (lefts + self.before[1])
        rows = first[:, None] + torch.arange(height, device=first.device) * across
        blocks = self.cells.as_strided(
            (self.cells.shape[0] * across - width + 1, width * channels), (channels, 1), self.cells.storage_offset()
        )
        return blocks[rows.view(-1)].view(len(tops), height, width, channels).permute(0, 3, 1, 2)


def paste(into: Tensor, tile: Tensor, down: Tensor, right: Tensor, *, inside: bool) -> None:
    """Write each of the tiles `n c h w` into its rectangle, `down` and `right` from its corner.

    What of a tile lies outside is left away; `inside` says that nothing does.
    """
    n, channels, height, width = tile.shape
    tall, wide = into.shape[-2:]
    rows = torch.arange(height, device=tile.device)
    columns = torch.arange(width, device=tile.device)
    base = torch.arange(n, device=tile.device) * (tall * wide) + down * wide + right
    cells = rows_of(tile)
    flat = into.permute(0, 2, 3, 1)  # n h w c, contiguous
    if inside:
        blocks = flat.as_strided((n * tall * wide - width + 1, width * channels), (channels, 1), into.storage_offset())
        index = base[:, None] + rows * wide
        blocks[index.view(-1)] = cells.view(n * height, width * channels)
        return
    y, x = down[:, None] + rows, right[:, None] + columns
    seen = ((y >= 0) & (y < tall))[:, :, None] & ((x >= 0) & (x < wide))[:, None, :]
    index = base[:, None, None] + rows[:, None] * wide + columns
    flat.view(n * tall * wide, channels)[index[seen]] = cells[seen]
