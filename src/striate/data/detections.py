"""Boxes on one picture: what a person marked, or what a detector found. The currency of everything about detection."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striate.errors import ShapeError

__all__ = ["Detections"]


@dataclass(frozen=True, eq=False)
class Detections:
    """`n` boxes on one picture, each of one of `k` classes.

    Attributes:
        boxes: float32 `n 4`, `xyxy` in pixels of the picture: x to the right, y down; the left edge of the left pixel
            is 0, the right edge of the right pixel is the width.
        classes: int64 `n`, positions in `labels`.
        labels: Names of the `k` classes; background is none of them.
        scores: float32 `n` in [0, 1] for most detectors, the higher the surer; None where a person marked the boxes.
        size: `(height, width)` of the picture, or None where nobody knows.
        difficult: bool `n`: VOC's mark for objects that need not be found; in evaluation they count neither way.
        crowd: bool `n`: COCO's mark for a box around many objects of one class.
        areas: float32 `n`, areas of the objects themselves in square pixels (COCO's segments); those of the boxes where
            nobody said.

    Raises:
        ShapeError: If the numbers of boxes, classes, scores and marks differ, or a class has no label.

    >>> found = Detections.of([[10, 20, 50, 80]], [0], ["cat"], scores=[0.9])
    >>> len(found), found.label(0)
    (1, 'cat')
    """

    boxes: NDArray[np.float32]
    classes: NDArray[np.int64]
    labels: tuple[str, ...]
    scores: NDArray[np.float32] | None
    size: tuple[int, int] | None
    difficult: NDArray[np.bool_]
    crowd: NDArray[np.bool_]
    areas: NDArray[np.float32]

    @classmethod
    def of(
        cls,
        boxes: ArrayLike,
        classes: ArrayLike,
        labels: Sequence[str],
        *,
        scores: ArrayLike | None = None,
        size: tuple[int, int] | None = None,
        difficult: ArrayLike | None = None,
        crowd: ArrayLike | None = None,
        areas: ArrayLike | None = None,
    ) -> "Detections":
        """Boxes from anything that NumPy reads; what is not given is not set.

        Raises:
            ShapeError: As the class itself.
        """
        corners = np.asarray(boxes, dtype=np.float32).reshape(-1, 4) if np.size(boxes) else np.zeros((0, 4), np.float32)
        count = len(corners)

        def marks(values: ArrayLike | None) -> NDArray[np.bool_]:
            return np.zeros(count, dtype=np.bool_) if values is None else np.asarray(values, dtype=np.bool_)

        sides = corners[:, 2:] - corners[:, :2]
        return cls(
            boxes=corners,
            classes=np.asarray(classes, dtype=np.int64).reshape(-1),
            labels=tuple(labels),
            scores=None if scores is None else np.asarray(scores, dtype=np.float32).reshape(-1),
            size=size,
            difficult=marks(difficult),
            crowd=marks(crowd),
            areas=sides.prod(1) if areas is None else np.asarray(areas, dtype=np.float32).reshape(-1),
        )

    def __post_init__(self) -> None:
        if self.boxes.ndim != 2 or self.boxes.shape[1] != 4:
            raise ShapeError(f"Detections: boxes must be n 4 (xyxy), got {' '.join(map(str, self.boxes.shape))}.")
        for name in ("classes", "scores", "difficult", "crowd", "areas"):
            values = getattr(self, name)
            if values is not None and values.shape != (len(self.boxes),):
                raise ShapeError(
                    f"Detections: {name} must be one number for each of the {len(self.boxes)} boxes, got shape "
                    f"{tuple(values.shape)}."
                )
        if len(self.classes) and not 0 <= int(self.classes.min()) <= int(self.classes.max()) < len(self.labels):
            raise ShapeError(
                f"Detections: classes reach from {self.classes.min()} to {self.classes.max()}, but there are "
                f"{len(self.labels)} labels, counted from 0."
            )

    def __len__(self) -> int:
        return len(self.boxes)

    def label(self, index: int) -> str:
        """The name of a box's class."""
        return self.labels[int(self.classes[index])]

    def pick(self, rows: ArrayLike) -> "Detections":
        """Some of the boxes: positions in the order given, or a mask of booleans."""
        chosen = np.asarray(rows)
        if chosen.dtype != np.bool_:
            chosen = chosen.astype(np.int64).reshape(-1)
        return replace(
            self,
            boxes=self.boxes[chosen],
            classes=self.classes[chosen],
            scores=None if self.scores is None else self.scores[chosen],
            difficult=self.difficult[chosen],
            crowd=self.crowd[chosen],
            areas=self.areas[chosen],
        )

    def above(self, score: float) -> "Detections":
        """The boxes whose score is at least `score`; all of them where there are no scores."""
        return self if self.scores is None else self.pick(self.scores >= score)

    def by_score(self) -> "Detections":
        """The surest first; equal scores keep their order."""
        return self if self.scores is None else self.pick(np.argsort(-self.scores, kind="stable"))
