"""Labeled pictures, of which nothing is decoded yet: what every reader gives and everything else takes."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striate.data.decode import read_image
from striate.data.problem import Problem
from striate.data.stores import Store
from striate.errors import DataError

__all__ = ["ImageSet", "lone_group"]


def lone_group(name: str) -> str:
    """The group of a picture that belongs to none: of its own, and written as nothing."""
    return f"\0{name}"


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Pictures with one label each.

    Attributes:
        classes: The names of the `k` classes; a label is a position in them.
        labels: `n` labels, 0 to k − 1.
        store: Where the pictures lie; its order is that of `labels`.
        source: What was opened.
        kind: `folder`, `csv`, `idx`, `npz` or `tar`.
        problems: What was left out while listing, and what is odd.
        groups: One name a picture, or None: pictures of one group (a patient, a burst, a base emoji) stay together
            when the set is split. `lone_group` is for pictures of none.

    Raises:
        DataError: If the numbers of pictures, labels and groups differ, or a label has no class.
    """

    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    store: Store
    source: Path
    kind: str
    problems: tuple[Problem, ...] = ()
    groups: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        count = len(self.store)
        if len(self.labels) != count or (self.groups is not None and len(self.groups) != count):
            groups = "" if self.groups is None else f", {len(self.groups)} groups"
            raise DataError(f"{self.source}: {count} pictures, {len(self.labels)} labels{groups}; one each is needed.")
        if count and not 0 <= int(self.labels.min()) <= int(self.labels.max()) < len(self.classes):
            raise DataError(
                f"{self.source}: labels reach from {self.labels.min()} to {self.labels.max()}, "
                f"but there are {len(self.classes)} classes, counted from 0."
            )

    def __len__(self) -> int:
        return len(self.labels)

    def name(self, index: int) -> str:
        """The picture's name, the same on every machine."""
        return self.store.name(index)

    def where(self, index: int) -> str:
        """Where a person finds the picture."""
        return self.store.where(index)

    def label(self, index: int) -> str:
        """The name of the picture's class."""
        return self.classes[int(self.labels[index])]

    def read(self, index: int) -> bytes | NDArray[np.uint8]:
        """The bytes of the picture's file, or its pixels as uint8 `h w 3` where it is a row of an array.

        Raises:
            DataError: If it cannot be read.
        """
        return self.store.read(index)

    def pixels(self, index: int, *, max_megapixels: float = 64.0) -> NDArray[np.uint8]:
        """The picture as uint8 `h w 3`, RGB, upright.

        Raises:
            DataError: If it cannot be read or decoded; one line that begins with where it is.
        """
        return self.decode(index, self.read(index), max_megapixels=max_megapixels)

    def decode(self, index: int, data: bytes | NDArray[np.uint8], *, max_megapixels: float = 64.0) -> NDArray[np.uint8]:
        """Like `pixels`, of what `read` gave for this picture.

        Raises:
            DataError: If it cannot be decoded; one line that begins with where it is.
        """
        if not isinstance(data, bytes):
            return data
        try:
            return read_image(data, max_megapixels=max_megapixels)
        except DataError as error:
            reason = str(error).removeprefix(f"image of {len(data)} bytes: ")
            raise DataError(f"{self.where(index)}: {reason}") from error

    def subset(self, indices: ArrayLike) -> "ImageSet":
        """Some of the pictures, in the order given; classes and problems stay."""
        chosen = np.asarray(indices, dtype=np.int64)
        groups = None if self.groups is None else tuple(self.groups[i] for i in chosen.tolist())
        return replace(self, labels=self.labels[chosen], store=self.store.subset(chosen), groups=groups)

    def counts(self) -> NDArray[np.int64]:
        """How many pictures each of the `k` classes has."""
        return np.bincount(self.labels, minlength=len(self.classes)).astype(np.int64)
