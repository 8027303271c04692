"""The result of `check_boxes`: what a set of pictures with boxes is, and what is wrong with it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.data.box_set import BoxSet
from striate.data.data_report import DataReport

__all__ = ["BoxReport", "BoxStatistics", "box_statistics"]

_SMALL, _MEDIUM = 32.0**2, 96.0**2  # COCO's limits, in square pixels


@dataclass(frozen=True, slots=True)
class BoxStatistics:
    """The objects of one split.

    Attributes:
        pictures: How many.
        empty: How many of them have no object.
        objects: How many of each class.
        pictures_with: On how many pictures each class is.
        most: The most objects on one picture.
        difficult: How many are marked as difficult.
        crowd: How many are marked as a crowd.
        sides: √(width · height) in pixels: the least, the quarter, the middle, three quarters, the most.
        shares: The same of the root of the share that a box has of its picture.
        ratios: The same of width ÷ height.
        by_area: Objects below 32², up to 96², and above, in square pixels: COCO's small, medium and large.
    """

    pictures: int
    empty: int
    objects: tuple[int, ...]
    pictures_with: tuple[int, ...]
    most: int
    difficult: int
    crowd: int
    sides: tuple[float, ...]
    shares: tuple[float, ...]
    ratios: tuple[float, ...]
    by_area: tuple[int, int, int]

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON values."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def box_statistics(boxes: BoxSet) -> BoxStatistics:
    """Count and measure the objects of a set; what lengths there are of none is 0."""
    truth = boxes.truth
    corners = np.concatenate([np.zeros((0, 4), np.float32), *(each.boxes for each in truth)]).astype(np.float64)
    areas = np.concatenate([np.zeros(0, np.float32), *(each.areas for each in truth)])
    sizes = [each.size or (0, 0) for each in truth]
    pixels = np.repeat([float(h * w) for h, w in sizes], [len(each) for each in truth]) if truth else np.zeros(0)
    w, h = corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1]
    with_class = np.zeros(len(boxes.classes), dtype=np.int64)
    for each in truth:
        with_class[np.unique(each.classes)] += 1
    small, medium = int((areas < _SMALL).sum()), int(((areas >= _SMALL) & (areas <= _MEDIUM)).sum())
    return BoxStatistics(
        pictures=len(boxes),
        empty=sum(not len(each) for each in truth),
        objects=tuple(boxes.counts().tolist()),
        pictures_with=tuple(with_class.tolist()),
        most=max((len(each) for each in truth), default=0),
        difficult=sum(int(each.difficult.sum()) for each in truth),
        crowd=sum(int(each.crowd.sum()) for each in truth),
        sides=_quarters(np.sqrt(w * h)),
        shares=_quarters(np.sqrt(w * h / np.maximum(pixels, 1))),
        ratios=_quarters(w / np.maximum(h, 1e-9)),
        by_area=(small, medium, len(areas) - small - medium),
    )


def _quarters(values: NDArray[np.float64]) -> tuple[float, ...]:
    if not len(values):
        return (0.0,) * 5
    return tuple(round(float(value), 4) for value in np.quantile(values, (0, 0.25, 0.5, 0.75, 1)))


@dataclass(frozen=True, eq=False)
class BoxReport:
    """What was found in a set of pictures with boxes.

    Attributes:
        pictures: What was found on the pictures themselves, and all problems; its `counts` are objects.
        splits: The objects of every split.
    """

    pictures: DataReport
    splits: Mapping[str, BoxStatistics]

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON values."""
        return {**self.pictures.to_dict(), "splits": {name: each.to_dict() for name, each in self.splits.items()}}

    def save(self, path: Path) -> None:
        """Write `to_dict` as JSON."""
        path.write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")

    def class_rows(self) -> Sequence[tuple[str, tuple[int, ...]]]:
        """Every class with its objects in each split."""
        return [
            (name, tuple(split.objects[number] for split in self.splits.values()))
            for number, name in enumerate(self.pictures.classes)
        ]
