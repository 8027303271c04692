"""Pictures with boxes on them, of which nothing is decoded yet: what every reader of boxes gives."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striate.data.detections import Detections
from striate.data.image_set import ImageSet
from striate.data.problem import Problem
from striate.data.stores import Store
from striate.errors import DataError

__all__ = ["BoxSet"]


@dataclass(frozen=True, eq=False)
class BoxSet:
    """Pictures with any number of labeled boxes each, none included.

    Attributes:
        classes: The names of the `k` classes.
        truth: One `Detections` a picture, without scores, in the order of `store`; its `labels` are `classes`.
        store: Where the pictures lie.
        source: What was opened.
        kind: `voc`, `coco` or `yolo`.
        problems: What was left out while reading, and what is odd; each names its file and line.
        groups: One name a picture, or None: pictures of one group stay together when the set is split.

    Raises:
        DataError: If the numbers of pictures, truths and groups differ, or a truth has other classes.
    """

    classes: tuple[str, ...]
    truth: tuple[Detections, ...]
    store: Store
    source: Path
    kind: str
    problems: tuple[Problem, ...] = ()
    groups: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        count = len(self.store)
        if len(self.truth) != count or (self.groups is not None and len(self.groups) != count):
            raise DataError(f"{self.source}: {count} pictures, but boxes of {len(self.truth)}; one each is needed.")
        if any(boxes.labels != self.classes for boxes in self.truth):
            raise DataError(f"{self.source}: the boxes of some pictures are of other classes than the set's.")

    def __len__(self) -> int:
        return len(self.truth)

    @cached_property
    def pictures(self) -> ImageSet:
        """The pictures alone, for whatever reads, caches and orders pictures; all of one class."""
        labels = np.zeros(len(self), dtype=np.int64)
        return ImageSet(("picture",), labels, self.store, self.source, self.kind, self.problems, self.groups)

    def name(self, index: int) -> str:
        """The picture's name, the same on every machine."""
        return self.store.name(index)

    def where(self, index: int) -> str:
        """Where a person finds the picture."""
        return self.store.where(index)

    def pixels(self, index: int, *, max_megapixels: float = 64.0) -> NDArray[np.uint8]:
        """The picture as uint8 `h w 3`, RGB, upright.

        Raises:
            DataError: If it cannot be read or decoded; one line that begins with where it is.
        """
        return self.pictures.pixels(index, max_megapixels=max_megapixels)

    def subset(self, indices: ArrayLike) -> "BoxSet":
        """Some of the pictures, in the order given; classes and problems stay."""
        chosen = np.asarray(indices, dtype=np.int64)
        rows = chosen.tolist()
        groups = None if self.groups is None else tuple(self.groups[i] for i in rows)
        truth = tuple(self.truth[i] for i in rows)
        return replace(self, truth=truth, store=self.store.subset(chosen), groups=groups)

    def counts(self) -> NDArray[np.int64]:
        """How many boxes each of the `k` classes has."""
        every = [boxes.classes for boxes in self.truth]
        return np.bincount(np.concatenate([np.zeros(0, np.int64), *every]), minlength=len(self.classes))
