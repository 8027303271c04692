"""The map under every region, as a small map of one size: what makes one pass over a picture enough for all regions.

A region of any size and shape becomes 7×7 bins: their maxima (RoI pooling, which rounds to whole cells), or the means
of bilinear samples (RoI align, which does not). With a pyramid each region reads the map whose cells fit its size:

    level = ⌊4 + log2(√(w h) / 224)⌋     (level 4 is the map of stride 16)

Source: Girshick 2015, Fast R-CNN, section 2.1; He et al. 2017, Mask R-CNN, section 3; Lin et al. 2017, Feature Pyramid
Networks, equation 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from striate.detection.backbones import MapPlace
from striate.errors import ConfigError
from striate.ops import roi_align, roi_pool

__all__ = ["PoolingSettings", "RegionGrid", "RegionPooling"]


@dataclass(frozen=True)
class PoolingSettings:
    """How the map under a region is read.

    Attributes:
        kind: `pool` (maxima of whole cells) or `align` (means of bilinear samples).
        bins: Rows and columns of the result.
        samples: Points a bin along each axis, of `align`; 0 for as many as the bin is cells long.
        aligned: Of `align`: whether a cell's middle lies at .5.
        in_place: Whether regions are moved to where the cells' receptive fields lie (`MapPlace.center`), instead of
            taking every cell for the pixels [i·stride, (i + 1)·stride).

    Raises:
        ConfigError: If the kind is unknown or a number makes no sense.
    """

    kind: Literal["pool", "align"] = "align"
    bins: int = 7
    samples: int = 2
    aligned: bool = True
    in_place: bool = True

    def __post_init__(self) -> None:
        if self.kind not in {"pool", "align"} or self.bins < 1 or self.samples < 0:
            raise ConfigError(
                f"PoolingSettings: kind must be 'pool' or 'align', bins at least 1, samples at least 0; got "
                f"{self.kind!r}, {self.bins}, {self.samples}."
            )


@dataclass(frozen=True, eq=False)
class RegionGrid:
    """Where the bins of one region lie on the canvas.

    Attributes:
        box: `xyxy` of the region.
        level: Number of the map that it reads, the finest is 0.
        x: `bins 2`: left and right edge of each column of bins, in pixels.
        y: `bins 2`: upper and lower edge of each row.
        cell: Side of a cell of that map, in pixels.
    """

    box: tuple[float, float, float, float]
    level: int
    x: Float[Tensor, "bins 2"]
    y: Float[Tensor, "bins 2"]
    cell: int


class RegionPooling(nn.Module):
    """Regions `r 4` a picture, on maps of one or several strides, to `r c bins bins`. It has no weights.

    Args:
        places: The maps that regions read, the finest first.
        settings: How.
    """

    def __init__(self, places: Sequence[MapPlace], settings: PoolingSettings) -> None:
        super().__init__()
        self.places, self.settings = tuple(places), settings

    @property
    def features(self) -> int:
        """Numbers of each region."""
        return self.places[0].channels * self.settings.bins**2

    def forward(self, maps: Sequence[Tensor], regions: Sequence[Float[Tensor, "r 4"]]) -> Float[Tensor, "r c p q"]:
        """The regions of all pictures one after the other."""
        counts = torch.tensor([len(boxes) for boxes in regions], device=maps[0].device)
        pictures = torch.arange(len(regions), device=maps[0].device).repeat_interleave(counts)
        boxes = torch.cat(list(regions)).float()  # r 4
        if len(self.places) == 1:
            return self._read(maps[0], self.places[0], pictures, boxes)
        levels = self.levels(boxes)
        parts, order = [], []
        for level, place in enumerate(self.places):
            rows = torch.nonzero(levels == level).flatten()
            order.append(rows)
            parts.append(self._read(maps[level], place, pictures[rows], boxes[rows]))
        back = torch.cat(order).argsort()
        return torch.cat(parts)[back]

    def levels(self, boxes: Float[Tensor, "r 4"]) -> Int64[Tensor, " r"]:
        """Which map each region reads."""
        if len(self.places) == 1:
            return torch.zeros(len(boxes), dtype=torch.int64, device=boxes.device)
        area = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).clamp(min=1e-6)
        wanted = torch.floor(4 + torch.log2(area.sqrt() / 224) + 1e-6)
        first = self.places[0].stride.bit_length() - 1  # log2
        return (wanted - first).clamp(0, len(self.places) - 1).to(torch.int64)

    def read_once(self, boxes: Float[Tensor, "r 4"]) -> tuple[Tensor, Tensor]:
        """Regions without those that read the very same cells, and for each region which of them stands for it.

        Neighboring proposals often round to the same cells; RoI pooling then gives the same numbers.

        Source: fast-rcnn, `test.py` (`DEDUP_BOXES`). Differs: rounded as RoI pooling rounds, so that the answer is
            exactly the same; with `align` only equal boxes are merged.
        """
        keys = boxes
        if self.settings.kind == "pool":
            levels = self.levels(boxes)
            scale = torch.tensor([1 / place.stride for place in self.places], device=boxes.device)[levels, None]
            shift = torch.tensor([self._shift(place) for place in self.places], device=boxes.device)[levels, None]
            keys = torch.cat([levels[:, None].float(), torch.floor((boxes + shift) * scale + 0.5)], dim=1)
        _, which = torch.unique(keys, dim=0, return_inverse=True)
        first = torch.full((int(which.max()) + 1 if len(which) else 0,), len(boxes), device=boxes.device)
        first = first.scatter_reduce(0, which, torch.arange(len(boxes), device=boxes.device), "amin")
        return first, which

    def grid(self, box: Float[Tensor, "4"]) -> RegionGrid:
        """Where the bins of a region lie, for people."""
        level = int(self.levels(box[None])[0])
        place, bins = self.places[level], self.settings.bins
        shift, stride = self._shift(place), place.stride
        edges = []
        for low, high in ((box[0], box[2]), (box[1], box[3])):
            begin, end = (float(low) + shift) / stride, (float(high) + shift) / stride
            steps = torch.arange(bins + 1, dtype=torch.float64)
            if self.settings.kind == "pool":
                first, last = int(begin + 0.5), int(end + 0.5)
                lines = first + steps * (max(last - first + 1, 1) / bins)
                pair = torch.stack([lines[:-1].floor(), lines[1:].ceil()], dim=1)
            else:
                lines = begin + steps * ((end - begin) / bins)
                pair = torch.stack([lines[:-1], lines[1:]], dim=1)
            edges.append((pair * stride - shift).float())
        left, top, right, bottom = (float(edge) for edge in box)
        return RegionGrid((left, top, right, bottom), level, edges[0], edges[1], stride)

    def _read(self, maps: Tensor, place: MapPlace, pictures: Tensor, boxes: Tensor) -> Tensor:
        settings = self.settings
        if not len(boxes):  # nothing, but hanging on the maps: gradients of zeros, not none
            return maps[:0, :, :1, :1].float().expand(0, -1, settings.bins, settings.bins)
        rows = torch.cat([pictures[:, None].float(), boxes + self._shift(place)], dim=1)  # r 5
        if settings.kind == "pool":
            return roi_pool(maps, rows, settings.bins, 1 / place.stride)
        return roi_align(maps, rows, settings.bins, 1 / place.stride, settings.samples, settings.aligned)

    def _shift(self, place: MapPlace) -> float:
        """What a cell's middle lies from where the operators think it is."""
        return place.stride / 2 - place.center if self.settings.in_place else 0.0
