"""Which region of a photo with boxes is shown: all of it, one moved at random, or one in which objects can be seen.

A region is a rectangle in photo pixels that may reach beyond the photo. What is moved or cut off is decided here; how
the region then becomes a canvas is the geometry's part (`striate.data.augment.box_geometry`).
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.data.augment.batches import check_range
from striate.data.augment.draws import Draws
from striate.data.detections import Detections
from striate.errors import ConfigError

__all__ = ["MovedRegion", "ObjectPatch", "Region", "WholePhoto"]

Rectangle = tuple[float, float, float, float]

_TRIES = 12
_LEAST_OVERLAPS = (0.1, 0.3, 0.5, 0.7, 0.9)


class Region(ABC):
    """From the size of a photo and its random numbers to a rectangle: the interface of every region."""

    @abstractmethod
    def rectangle(self, size: tuple[int, int], draws: Draws, row: int) -> Rectangle:
        """`xyxy` in pixels of a photo of `size` `(h, w)`, which is number `row` of `draws`; of positive area."""

    @abstractmethod
    def describe(self) -> str:
        """One phrase, for people."""


@dataclass(frozen=True)
class WholePhoto(Region):
    """All of the photo, and nothing else."""

    def rectangle(self, size: tuple[int, int], draws: Draws, row: int) -> Rectangle:
        """The photo's own edges."""
        del draws, row
        return 0.0, 0.0, float(size[1]), float(size[0])

    def describe(self) -> str:
        """One phrase, for people."""
        return "the whole photo"


@dataclass(frozen=True)
class MovedRegion(Region):
    """The photo's rectangle with each of its four edges moved on its own: scaled, shifted, and a little out of shape.

    Attributes:
        by: Each edge is moved by an even draw from [−by, by] of the photo's side.

    Raises:
        ConfigError: If `by` is outside [0, 0.45]: the edges could meet.

    Source: Redmon et al. 2015, You Only Look Once, section 2.2 (scaling and translation up to 20 %); the four
        independent edges are those of the authors' released code (`jitter=.2`).
    """

    by: float = 0.2

    def __post_init__(self) -> None:
        check_range("MovedRegion: by", self.by, 0, 0.45)

    def rectangle(self, size: tuple[int, int], draws: Draws, row: int) -> Rectangle:
        """The moved edges."""
        left, top, right, bottom = ((2 * draws.uniform("moved-region", 4)[row] - 1) * self.by).tolist()
        h, w = size
        return left * w, top * h, w * (1 + right), h * (1 + bottom)

    def describe(self) -> str:
        """One phrase, for people."""
        return f"the photo's edges moved by up to {100 * self.by:g} %"


@dataclass(frozen=True, eq=False)
class ObjectPatch(Region):
    """A random patch that shows an object, a larger surface with the photo somewhere on it, or the photo as it is.

    Attributes:
        truth: The boxes of every picture of the set, in its order: a picture is found by its index in `draws`.
        scale: Least and largest share of the photo's sides.
        ratio: Least and largest width ÷ height of the patch in shares of the photo's sides; (1, 1) keeps its shape.
        zoom_out: With probability ½ the photo is laid on a surface of up to so many times its sides; 1 for never.
        min_visible: A patch counts only if at least one object shows this share of its area in it.

    Raises:
        ConfigError: If a setting is outside its range.

    Source: Liu et al. 2015, SSD: Single Shot MultiBox Detector, section 2.2 (data augmentation: sampled patches with a
        least overlap of .1, .3, .5, .7 or .9, of [.1, 1] of the size and a shape of ½ to 2) and section 3.6 (zoom out).
    Differs: The released code's [.3, 1] of the sides; the overlap is the IoU of patch and object, as in the code.
        Where none of twelve tries overlaps enough, as with small objects, the first that shows an object is taken, and
        where none does, the whole photo. A photo without objects gets patches all the same.
    """

    truth: Sequence[Detections]
    scale: tuple[float, float] = (0.3, 1.0)
    ratio: tuple[float, float] = (0.5, 2.0)
    zoom_out: float = 1.0
    min_visible: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.scale[0] <= self.scale[1] <= 1:
            raise ConfigError(f"ObjectPatch: scale must be two shares, 0 < low ≤ high ≤ 1, got {self.scale}.")
        if not 0 < self.ratio[0] <= self.ratio[1] < math.inf:
            raise ConfigError(f"ObjectPatch: ratio must be two numbers, 0 < low ≤ high, got {self.ratio}.")
        check_range("ObjectPatch: zoom_out", self.zoom_out, 1, 16)
        check_range("ObjectPatch: min_visible", self.min_visible, 0, 1)

    def rectangle(self, size: tuple[int, int], draws: Draws, row: int) -> Rectangle:
        """The patch; the whole photo where no try shows an object."""
        h, w = size
        whole = (0.0, 0.0, float(w), float(h))
        choice, out, x_at, y_at = draws.uniform("object-patch", 4)[row].tolist()
        if out < 0.5 and self.zoom_out > 1:
            times = 1 + (self.zoom_out - 1) * 2 * out  # the lower half of the draw, spread out again
            left, top = -x_at * w * (times - 1), -y_at * h * (times - 1)
            return left, top, left + w * times, top + h * times
        kind = int(choice * (len(_LEAST_OVERLAPS) + 2))
        if kind == 0:
            return whole
        least = (0.0, *_LEAST_OVERLAPS)[kind - 1]
        boxes = self.truth[int(draws.indices[row])].boxes.astype(np.float64)
        numbers = draws.uniform("object-patch-tries", 4 * _TRIES)[row].tolist()
        patches = [self._patch(size, numbers[start : start + 4]) for start in range(0, len(numbers), 4)]
        if not len(boxes):
            return patches[0]
        for enough in dict.fromkeys((least, 0.0)):
            for patch in patches:
                if _shows(boxes, patch, enough, self.min_visible):
                    return patch
        return whole

    def _patch(self, size: tuple[int, int], numbers: list[float]) -> Rectangle:
        scale_at, ratio_at, x_at, y_at = numbers
        scale = self.scale[0] + (self.scale[1] - self.scale[0]) * scale_at
        low, high = math.log(self.ratio[0]), math.log(self.ratio[1])
        root = math.exp((low + (high - low) * ratio_at) / 2)
        w, h = size[1] * min(scale * root, 1.0), size[0] * min(scale / root, 1.0)
        left, top = x_at * (size[1] - w), y_at * (size[0] - h)
        return left, top, left + w, top + h

    def describe(self) -> str:
        """One phrase, for people."""
        low, high = (f"{100 * share:g}" for share in self.scale)
        words = f"a patch of {low}–{high} % of the sides that shows an object"
        return words + (f", or the photo on up to {self.zoom_out:g} times its sides" if self.zoom_out > 1 else "")


def _shows(boxes: NDArray[np.float64], patch: Rectangle, least: float, min_visible: float) -> bool:
    """Whether one of the boxes overlaps with the patch by an IoU of `least`, and one shows enough of itself in it."""
    corners = np.array(patch)
    sides = np.minimum(boxes[:, 2:], corners[2:]) - np.maximum(boxes[:, :2], corners[:2])
    inside = sides.clip(0).prod(1)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    union = area + (corners[2:] - corners[:2]).prod() - inside
    return bool((inside >= least * union).any() and (inside > 0).any() and (inside >= min_visible * area).any())
