"""Anchors: boxes of a few sizes and shapes about the center of every cell of a map, which the network then corrects.

A map cannot say "there is a box from 37.4 to 181.9". But each of its cells can say, of nine boxes laid about it, how
likely each holds an object and how it would have to be moved and stretched. For side s and ratio r = h / w:

    w = s / √r,   h = s √r      (equal areas s² for all ratios)

Three conventions, which differ by whole pixels, and weights learned with one answer worse with another:

    exact          the center of the cell, as its receptive field lies on the picture; nothing is rounded
    py_faster_rcnn the paper's code: about (stride / 2, stride / 2), shapes rounded to whole pixels at the base size
    torchvision    about the upper left corner of the cell, sides rounded

Source: Ren et al. 2015, Faster R-CNN, arXiv:1506.01497, section 3.1.1; py-faster-rcnn `generate_anchors.py`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from striate.errors import ConfigError

__all__ = ["AnchorConvention", "Anchors", "cell_anchors", "grid_anchors"]

AnchorConvention = Literal["exact", "py_faster_rcnn", "torchvision"]


@dataclass(frozen=True)
class Anchors:
    """Which anchors each map has.

    Attributes:
        sizes: Sides in pixels of the canvas, one row a map, the finest map first.
        ratios: Heights by widths, the same for all maps.
        convention: Where they lie about their cells: `exact`, `py_faster_rcnn` or `torchvision`.

    Raises:
        ConfigError: If there is none, or a number is not above 0, or the convention is unknown.

    >>> Anchors(((128, 256, 512),), (0.5, 1.0, 2.0)).per_cell
    9
    """

    sizes: tuple[tuple[float, ...], ...]
    ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    convention: AnchorConvention = "exact"

    def __post_init__(self) -> None:
        numbers = [*self.ratios, *(side for row in self.sizes for side in row)]
        if not self.ratios or not self.sizes or not all(self.sizes) or not all(n > 0 for n in numbers):
            raise ConfigError(
                f"Anchors: sizes and ratios must be numbers above 0, at least one size a map, got {self.sizes} and "
                f"{self.ratios}."
            )
        if len({len(row) for row in self.sizes}) > 1:
            raise ConfigError(f"Anchors: one head serves all maps, so each needs equally many sizes; got {self.sizes}.")
        if self.convention not in get_args(AnchorConvention):
            raise ConfigError(
                f"Anchors: convention must be one of {', '.join(get_args(AnchorConvention))}, got {self.convention!r}."
            )

    @property
    def per_cell(self) -> int:
        """Anchors about each cell."""
        return len(self.sizes[0]) * len(self.ratios)

    def on_maps(
        self,
        grids: Sequence[tuple[int, int]],
        strides: Sequence[tuple[float, float]],
        centers: Sequence[float],
        *,
        device: torch.device | str | None = None,
    ) -> list[Float[Tensor, "a 4"]]:
        """The anchors of each map, row by row, cell by cell, ratio by ratio, size by size.

        Args:
            grids: `(height, width)` of each map in cells.
            strides: Pixels from one cell to the next, down and across, of each map.
            centers: Where the center of a map's first cell lies, in pixels; only `exact` anchors look at it.
            device: Where to make them.

        Raises:
            ConfigError: If there are more or fewer maps than rows of sizes.
        """
        if not len(grids) == len(strides) == len(centers) == len(self.sizes):
            raise ConfigError(
                f"Anchors: there are sizes for {len(self.sizes)} maps, but the network has {len(grids)}; give one row "
                "of sizes a map."
            )
        return [
            _cached_grid(tuple(row), self.ratios, self.convention, grid, stride, center, str(device or "cpu"))
            for row, grid, stride, center in zip(self.sizes, grids, strides, centers, strict=True)
        ]


def cell_anchors(
    sizes: Sequence[float],
    ratios: Sequence[float],
    *,
    convention: AnchorConvention = "exact",
    stride: float = 16.0,
    center: float | None = None,
) -> Float[Tensor, "a 4"]:
    """The anchors of the first cell of a map, ratio by ratio and in it size by size, `xyxy` in pixels, edges included.

    Args:
        sizes: Sides.
        ratios: Heights by widths.
        convention: See `Anchors`.
        stride: Pixels from one cell to the next; the base size of `py_faster_rcnn`.
        center: Where the first cell's center lies; half a stride by default. Only `exact` looks at it.

    Differs: py-faster-rcnn prints inclusive corners, `[-84, -40, 99, 55]` for the first of its nine anchors (its
        comment, from MATLAB, counts from 1: `[-83, -39, 100, 56]`); the right and lower edges of those pixels are 100
        and 56, so that here it is `[-84, -40, 100, 56]`.

    >>> cell_anchors([128], [0.5], convention="py_faster_rcnn").tolist()
    [[-84.0, -40.0, 100.0, 56.0]]
    """
    rows = []
    for ratio in ratios:
        for side in sizes:
            if convention == "py_faster_rcnn":
                # The shape is rounded at the base size, a stride's square, and then enlarged. NumPy's round: half even.
                w0 = round(math.sqrt(stride * stride / ratio))
                w, h, at = w0 * side / stride, round(w0 * ratio) * side / stride, stride / 2
            else:
                w, h = side / math.sqrt(ratio), side * math.sqrt(ratio)
                at = 0.0 if convention == "torchvision" else stride / 2 if center is None else center
            rows.append((at - w / 2, at - h / 2, at + w / 2, at + h / 2))
    anchors = torch.tensor(rows, dtype=torch.float64)
    if convention == "torchvision":
        return _torchvision_cell(sizes, ratios)
    return anchors.float()


def grid_anchors(
    cell: Float[Tensor, "a 4"], grid: tuple[int, int], stride: tuple[float, float]
) -> Float[Tensor, "all 4"]:
    """The anchors of one cell laid about every cell of a map of `grid` `(height, width)`, `stride` pixels apart."""
    (h, w), (down, across) = grid, stride
    y = torch.arange(h, dtype=torch.float32, device=cell.device) * down
    x = torch.arange(w, dtype=torch.float32, device=cell.device) * across
    at = torch.stack([x.expand(h, w), y[:, None].expand(h, w)], dim=-1).repeat(1, 1, 2)  # h w 4
    return (at[:, :, None] + cell).reshape(-1, 4)  # h w a 4 → h·w·a 4


def _torchvision_cell(sizes: Sequence[float], ratios: Sequence[float]) -> Tensor:
    """In single precision, because a side that ends in .5 is rounded by its last bit."""
    tall = torch.tensor(ratios, dtype=torch.float32).sqrt()  # ratios
    side = torch.tensor(sizes, dtype=torch.float32)  # sizes
    w, h = ((1 / tall)[:, None] * side).reshape(-1), (tall[:, None] * side).reshape(-1)
    return (torch.stack([-w, -h, w, h], dim=1) / 2).round()


@lru_cache(maxsize=64)
def _cached_grid(  # noqa: PLR0917 - a key of the cache
    sizes: tuple[float, ...],
    ratios: tuple[float, ...],
    convention: AnchorConvention,
    grid: tuple[int, int],
    stride: tuple[float, float],
    center: float,
    device: str,
) -> Tensor:
    with torch.inference_mode(False):  # kept: what inference makes could not be used while learning
        cell = cell_anchors(sizes, ratios, convention=convention, stride=stride[0], center=center)
        return grid_anchors(cell.to(device), grid, stride)
