"""The view of evaluation as a geometry: nothing is random, and nothing differs from what the network will be shown."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.data.augment.cut import Cut, Geometry, Shifts
from striate.data.augment.draws import Draws
from striate.data.preprocessing import Preprocessing
from striate.data.resize import crop_start, middle, resized_size

__all__ = ["FixedView", "view_box"]


def view_box(
    size: tuple[int, int], preprocessing: Preprocessing
) -> tuple[tuple[float, float, float, float], tuple[int, int]]:
    """The part of a photo of `size` `(h, w)` that a network sees, `xyxy` in photo pixels, and the size it then has.

    >>> view_box((480, 640), Preprocessing(input_size=(224, 224), resize=256))
    ((108.85630498533725, 30.0, 529.266862170088, 450.0), (224, 224))
    """
    h, w = size
    if preprocessing.resize is None:
        return (0.0, 0.0, float(w), float(h)), (h, w)
    crop_h, crop_w = preprocessing.input_size
    if preprocessing.locate is not None and (h, w) in {(preprocessing.resize,) * 2, preprocessing.input_size}:
        y, x = float(crop_start(h, crop_h)), float(crop_start(w, crop_w))  # a digit that was prepared already
        return (x, y, x + crop_w, y + crop_h), (crop_h, crop_w)
    top, left, part_h, part_w = middle((h, w), preprocessing.input_size, preprocessing.resize)
    new_h, new_w = resized_size((part_h, part_w), preprocessing.resize)
    y, x = crop_start(new_h, crop_h), crop_start(new_w, crop_w)
    down, across = part_h / new_h, part_w / new_w
    box = (left + x * across, top + y * down, left + (x + crop_w) * across, top + (y + crop_h) * down)
    return box, (crop_h, crop_w)


@dataclass(frozen=True)
class FixedView(Geometry):
    """What `Preprocessing.view` shows, exactly: resize the shorter side, cut the center.

    Attributes:
        preprocessing: The network's.
    """

    preprocessing: Preprocessing

    @property
    def exact(self) -> bool:
        """Yes."""
        return True

    @property
    def gray(self) -> bool:
        """Whether the network takes one channel."""
        return self.preprocessing.channels == "L"

    def result_size(self) -> tuple[int, int] | None:
        """`(h, w)` of every result, or None with `resize=None`."""
        return None if self.preprocessing.resize is None else self.preprocessing.input_size

    def cut(self, size: tuple[int, int], draws: Draws, row: int) -> Cut:
        """The center of a picture of `size` `(h, w)`; `draws` and `row` do not matter."""
        del draws, row
        box, out = view_box(size, self.preprocessing)
        return Cut(box, out, interpolation=self.preprocessing.interpolation)

    def __call__(self, pixels: NDArray[np.uint8], draws: Draws, row: int) -> NDArray[np.uint8]:
        """`Preprocessing.view(pixels).pixels`: uint8 `h w 3`, gray for a network that takes one channel."""
        del draws, row
        return self.preprocessing.view(pixels).pixels

    def shifts(self, size: tuple[int, int], draws: Draws) -> Shifts | None:
        """Where the shorter side already has its length: the center, for every row."""
        box, crop = view_box(size, self.preprocessing)
        if (box[3] - box[1], box[2] - box[0]) != crop:
            return None
        top, left = (np.full(len(draws), int(edge), dtype=np.int64) for edge in (box[1], box[0]))
        return Shifts(top, left, np.zeros(len(draws), dtype=np.bool_))

    def takes_as_is(self, pictures: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """All of them; where ink is looked for, those whose rim is black for more than half of its length."""
        if self.preprocessing.locate is None:
            return np.ones(len(pictures), dtype=np.bool_)
        black = (pictures if pictures.ndim == 3 else pictures.max(axis=3)) == 0
        rim = np.concatenate([black[:, 0], black[:, -1], black[:, 1:-1, 0], black[:, 1:-1, -1]], axis=1)
        return np.asarray(2 * np.count_nonzero(rim, axis=1) > rim.shape[1])

    def describe(self) -> str:
        """One phrase, for people."""
        h, w = self.preprocessing.input_size
        if self.preprocessing.locate is not None:
            return f"ink found on the paper, in the middle of {h} × {w}"
        if self.preprocessing.resize is None:
            return "whole picture at its own size"
        return f"shorter side to {self.preprocessing.resize} px, center {h} × {w}"
