"""What a page of stages is made of: pictures with captions, a few regions, numbers of what is left; and the easel.

Everything is drawn on what the detector saw: the photo on its canvas, rendered finer than the detector saw it so that
lines and words can be read, without the padding.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from striate.data.augment.cut import render_cut
from striate.data.detections import Detections
from striate.detection.looking import PictureStages
from striate.draw.detection_steps import draw_cell_map, draw_class_cells

__all__ = ["Bar", "Easel", "Remaining", "Stage", "StagePicture", "StageRegion", "of_each", "plural"]

SIDE_PX = 960
CLOSE_PX = 400
Pixels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class StagePicture:
    """One drawing: uint8 `h w 3`, with the end of its file's name and what is said below it."""

    name: str
    caption: str
    pixels: Pixels


@dataclass(frozen=True)
class Bar:
    """The score of one class, 0 to 1; `first` where it is the highest and enough for the answer."""

    name: str
    score: float
    first: bool = False


@dataclass(frozen=True, eq=False)
class StageRegion:
    """A region, what was read of it, and what was thought of it."""

    caption: str
    pixels: Pixels
    bars: tuple[Bar, ...]


@dataclass(frozen=True, eq=False)
class Stage:
    """One stage.

    Attributes:
        key: For file names and addresses.
        title: A few words.
        sentence: What was done, in the field's terms, with the numbers.
        pictures: Drawings.
        regions: A few regions with their scores.
        limits: Ends of the color scale of the pictures, or None where color means something else.
        unit: What the scale measures.
        numbers: The sentence's numbers, for programs.
    """

    key: str
    title: str
    sentence: str
    pictures: tuple[StagePicture, ...] = ()
    regions: tuple[StageRegion, ...] = ()
    limits: tuple[float, float] | None = None
    unit: str = ""
    numbers: dict[str, Any] | None = None


@dataclass(frozen=True)
class Remaining:
    """How many there are after a stage, and why no more."""

    name: str
    count: int
    why: str


@dataclass(frozen=True, eq=False)
class CloseUp:
    """A part of the photo, enlarged.

    Attributes:
        pixels: uint8 `h w 3`.
        corner: Its left and upper edge, in pixels of the canvas.
        scale: Pixels here for each pixel of the canvas.
    """

    pixels: Pixels
    corner: tuple[float, float]
    scale: float

    def points(self, corners: Any) -> NDArray[np.float64]:
        """Boxes `n 4` or points `n 2` of the canvas, in pixels of the close-up."""
        given = np.asarray(corners, dtype=np.float64)
        return np.asarray((given - np.tile(self.corner, given.shape[-1] // 2)) * self.scale)


class Easel:
    """The photo as the detector saw it, enlarged by a whole number, and boxes in its pixels.

    Args:
        looked: The photo and how it got onto the canvas.

    Attributes:
        zoom: Pixels here for each pixel of the canvas.
        photo: uint8 `h w 3`.
    """

    def __init__(self, looked: PictureStages) -> None:
        height, width = looked.size
        self.zoom = max(1, round(SIDE_PX / max(height, width)))
        rows, columns = looked.cut.size
        canvas = render_cut(looked.photo, replace(looked.cut, size=(rows * self.zoom, columns * self.zoom)))
        self.size = (height * self.zoom, width * self.zoom)
        self.photo: Pixels = np.ascontiguousarray(canvas[: self.size[0], : self.size[1]])
        self.truth = None if looked.truth is None else self.boxes(looked.truth.boxes)

    def boxes(self, boxes: Any) -> NDArray[np.float64]:
        """Boxes of the canvas, `n 4`, in pixels of the easel."""
        return np.asarray(boxes, dtype=np.float64).reshape(-1, 4) * self.zoom

    def cell_map(
        self, values: NDArray[Any], *, stride: tuple[float, float], offset: float, limits: tuple[float, float]
    ) -> Pixels:
        """A map `s t` over the photo, every pixel in the color of the nearest cell.

        Args:
            values: Numbers.
            stride: Pixels of the canvas from one cell to the next, down and across.
            offset: Where the first cell begins, in pixels of the canvas; below 0 where it reaches beyond.
            limits: Of the colors.
        """
        height, width = (side / self.zoom for side in self.size)
        before = [max(0, math.ceil(offset / step)) for step in stride]
        after = [
            max(0, math.ceil((end - offset) / step - 1e-6) - count)
            for end, step, count in zip((height, width), stride, values.shape, strict=True)
        ]
        whole = np.pad(values, tuple(zip(before, after, strict=True)), mode="edge")
        window, shape, corner = self._window(whole.shape, stride, offset - before[0] * stride[0])
        return self._back(draw_cell_map(window, whole[: shape[0], : shape[1]], limits=limits), corner)

    def class_cells(
        self,
        class_map: NDArray[np.int64],
        labels: Sequence[str],
        *,
        stride: tuple[float, float],
        strength: NDArray[Any],
        owners: NDArray[np.int64] | None = None,
    ) -> Pixels:
        """YOLO's grid over the photo, each cell in the color of its class."""
        window, (rows, columns), corner = self._window(class_map.shape, stride, 0.0)
        some = None if owners is None else owners[:rows, :columns]
        drawn = draw_class_cells(
            window, class_map[:rows, :columns], labels, strength=strength[:rows, :columns], owners=some
        )
        return self._back(drawn, corner)

    def close_up(self, box: ArrayLike) -> "CloseUp":
        """A square around a box of the canvas, with what lies about it, enlarged."""
        x0, y0, x1, y1 = self.boxes(box)[0]
        side = max(1.7 * max(x1 - x0, y1 - y0), 0.2 * max(self.size))
        spans = []
        for low, high, end in ((x0, x1, self.size[1]), (y0, y1, self.size[0])):
            length = min(side, end)
            first = min(max((low + high - length) / 2, 0), end - length)
            spans.append((round(first), round(first + length)))
        (left, right), (top, bottom) = spans
        scale = CLOSE_PX / max(right - left, bottom - top)
        size = (round(scale * (right - left)), round(scale * (bottom - top)))
        part = Image.fromarray(self.photo[top:bottom, left:right]).resize(size, Image.Resampling.BICUBIC)
        return CloseUp(np.asarray(part), (left / self.zoom, top / self.zoom), scale * self.zoom)

    def _window(
        self, grid: tuple[int, ...], stride: tuple[float, float], offset: float
    ) -> tuple[Pixels, tuple[int, int], int]:
        """The photo continued to hold whole cells, how many of them show some of it, and where the first begins."""
        zoom = self.zoom
        corner = round(offset * zoom)
        counts, sides = [], []
        for number, step, end in zip(grid, stride, self.size, strict=True):
            count = min(number, max(1, math.ceil((end / zoom - offset) / step - 1e-6)))
            counts.append(count)
            sides.append(round(count * step * zoom))
        before = max(0, -corner)
        after = [max(0, corner + side - end) for side, end in zip(sides, self.size, strict=True)]
        large = np.pad(self.photo, ((before, after[0]), (before, after[1]), (0, 0)), mode="edge")
        first = before + corner
        window = np.ascontiguousarray(large[first : first + sides[0], first : first + sides[1]])
        return window, (counts[0], counts[1]), corner

    def _back(self, drawn: Pixels, corner: int) -> Pixels:
        """A window's drawing where it belongs on the photo."""
        result = self.photo.copy()
        skip, first = max(0, -corner), max(0, corner)
        part = drawn[skip:, skip:][: self.size[0] - first, : self.size[1] - first]
        result[first : first + part.shape[0], first : first + part.shape[1]] = part
        return result


def plural(count: int, what: str, many: str = "") -> str:
    """A number and its word.

    >>> plural(1, "box", "boxes"), plural(14400, "anchor")
    ('1 box', '14,400 anchors')
    """
    return f"{count:,} {what if count == 1 else many or what + 's'}"


def of_each(boxes: Detections) -> str:
    """What was found, class by class.

    >>> of_each(Detections.of([[0, 0, 1, 1]] * 3, [1, 0, 1], ["cat", "dog"]))
    '2 × dog, cat'
    """
    counts = np.bincount(boxes.classes, minlength=len(boxes.labels)) if len(boxes) else np.zeros(0, int)
    order = np.argsort(-counts, kind="stable")
    return ", ".join(
        f"{counts[k]} × {boxes.labels[k]}" if counts[k] > 1 else boxes.labels[k] for k in order.tolist() if counts[k]
    )
