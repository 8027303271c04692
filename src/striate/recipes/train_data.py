"""From a path to pictures that can be learned from: which are for learning, which for measuring, what was left out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from striate.data.box_opening import open_boxes
from striate.data.box_set import BoxSet
from striate.data.image_set import ImageSet
from striate.data.opening import open_data
from striate.data.problem import Problem
from striate.data.split_boxes import split_boxes
from striate.data.splitting import split_set
from striate.errors import DataError

__all__ = [
    "LearningData",
    "Look",
    "counts_by_class",
    "find_box_learning_data",
    "find_learning_data",
    "look_at",
    "say_many",
]

_LOOKED_AT = 256  # pictures that sizes, colors and means are read off


Pictures = TypeVar("Pictures", bound=ImageSet | BoxSet)


@dataclass(frozen=True, eq=False)
class LearningData(Generic[Pictures]):
    """Pictures for a run: with labels, or with boxes.

    Attributes:
        train: To learn from.
        validation: To be measured on; None where nobody wants to know.
        test: Pictures of the data that the run does not touch, or None.
        held_out: How the validation pictures were chosen, in words.
        problems: What was left out, and what is odd.
    """

    train: Pictures
    validation: Pictures | None
    test: Pictures | None
    held_out: str
    problems: tuple[Problem, ...]

    def describe(self) -> str:
        """Pictures, boxes and classes in words."""
        counts = self.train.counts()
        boxes = int(counts.sum())
        marked = f" with {boxes:,} box{'' if boxes == 1 else 'es'}" if isinstance(self.train, BoxSet) else ""
        classes = f"{len(counts):,} class{'' if len(counts) == 1 else 'es'}"
        held = "none to validate on"
        if self.validation is not None:
            held = f"{say_many(len(self.validation), 'picture')} to validate on ({self.held_out})"
        return f"{say_many(len(self.train), 'picture')}{marked} of {classes} ({_spread(counts)}); {held}"


@dataclass(frozen=True, eq=False)
class Look:
    """What a few pictures look like.

    Attributes:
        gray: Whether all of them are gray.
        shorter_px: Median of the shorter side.
        longer_px: Median of the longer side.
        mean: Of red, green and blue in [0, 1].
        std: Likewise.
    """

    gray: bool
    shorter_px: int
    longer_px: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def find_learning_data(path: Path, *, val: float, seed: int) -> LearningData[ImageSet]:
    """Open labeled pictures, and set some aside for validation unless the data says which.

    Args:
        path: What `open_data` takes.
        val: Share to set aside, from 0 to below 1.
        seed: Decides which.

    Raises:
        DataError: If there is nothing to learn: no pictures, or fewer than two classes.
    """
    found = open_data(path)
    train = _to_learn_from(path, found)
    present = int((train.counts() > 0).sum())
    if present < 2:
        only = train.classes[int(train.counts().argmax())]
        raise DataError(
            f"{path}: only one class has pictures ('{only}'), and a network that always gives the same answer learns "
            "nothing; add a second class folder."
        )
    return _set_aside(found, split_set, val=val, seed=seed)


def find_box_learning_data(path: Path, *, val: float, seed: int) -> LearningData[BoxSet]:
    """Open pictures with boxes, and set some aside for validation unless the data says which.

    Args:
        path: What `open_boxes` takes.
        val: Share to set aside, from 0 to below 1.
        seed: Decides which.

    Raises:
        DataError: If there is nothing to learn: no pictures, or no box on any of them.
    """
    found = open_boxes(path)
    train = _to_learn_from(path, found)
    if not train.counts().sum():
        raise DataError(f"{path}: there is no box on any of {say_many(len(train), 'training picture')}.")
    return _set_aside(found, split_boxes, val=val, seed=seed)


def _to_learn_from(path: Path, found: Mapping[str, Pictures]) -> Pictures:
    train = found.get("train", found.get("all"))
    if train is None or not len(train):
        there = ", ".join(f"'{name}' with {len(pictures):,}" for name, pictures in found.items())
        raise DataError(f"{path}: no pictures to learn from (found {there or 'none'}); put them into 'train'.")
    return train


def _set_aside(
    found: Mapping[str, Pictures], split: Callable[..., Mapping[str, Pictures]], *, val: float, seed: int
) -> LearningData[Pictures]:
    """Which pictures are for validation: the data's own, or a share of those to learn from."""
    train = found["train"] if "train" in found else found["all"]
    problems = tuple(dict.fromkeys(problem for pictures in found.values() for problem in pictures.problems))
    validation, held_out = found.get("val"), "the data's own"
    if validation is None and val > 0:
        parts = split(train, {"train": 1 - val, "val": val}, seed=seed)
        problems += tuple(p for part in parts.values() for p in part.problems if p not in problems)
        train, validation = parts["train"], parts["val"]
        held_out = f"{100 * val:.3g} % of the training pictures, by split seed {seed}"
    elif validation is None:
        held_out = "none"
    if validation is not None and not len(validation):
        validation, held_out = None, "none: too few pictures"
    return LearningData(train, validation, found.get("test"), held_out, problems)


def look_at(images: ImageSet, *, max_megapixels: float) -> Look:
    """Sizes and colors of some of the pictures, evenly spread over the set.

    Raises:
        DataError: If none of them can be read; with what is wrong with the first.
    """
    chosen = np.unique(np.linspace(0, len(images) - 1, min(len(images), _LOOKED_AT)).astype(np.int64))
    pictures, first = [], ""
    for index in chosen.tolist():
        try:
            pictures.append(images.pixels(index, max_megapixels=max_megapixels))
        except DataError as error:
            first = first or str(error)
    if not pictures:
        raise DataError(f"None of {len(chosen)} pictures looked at can be read. The first: {first}")
    sides = np.array([sorted(picture.shape[:2]) for picture in pictures])
    moments = np.array([_moments(picture) for picture in pictures])  # n 2 3, every picture counts the same
    mean = moments[:, 0].mean(0)
    std = np.sqrt(np.maximum(moments[:, 1].mean(0) - mean**2, 1e-4))
    return Look(
        gray=all(_is_gray(picture) for picture in pictures),
        shorter_px=int(np.median(sides[:, 0])),
        longer_px=int(np.median(sides[:, 1])),
        mean=tuple(round(float(value), 4) for value in mean),  # type: ignore[arg-type]  # three of them
        std=tuple(round(float(value), 4) for value in std),  # type: ignore[arg-type]
    )


def counts_by_class(images: ImageSet | BoxSet) -> Mapping[str, int]:
    """How many pictures, or boxes, each class has."""
    return dict(zip(images.classes, images.counts().tolist(), strict=True))


def say_many(number: int, what: str) -> str:
    """A number of things.

    >>> say_many(1, "epoch"), say_many(2000, "picture")
    ('1 epoch', '2,000 pictures')
    """
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _spread(counts: NDArray[np.int64]) -> str:
    present = counts[counts > 0]
    if present.min() == present.max():
        return f"{present.min():,} a class"
    return f"{present.min():,} to {present.max():,} a class"


def _moments(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    values = pixels.reshape(-1, 3) / 255.0
    return np.stack([values.mean(0), np.square(values).mean(0)])


def _is_gray(pixels: NDArray[np.uint8]) -> bool:
    return bool((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 1] == pixels[..., 2]).all())
