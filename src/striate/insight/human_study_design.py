"""Which pictures people see: equally many of every class under every condition, each picture once.

A picture that comes again under another condition is recognized, and what is recognized is not seen. So the pictures of
a class are dealt out to the conditions like cards, in an order that only the seed and the pictures' names decide; those
for practice are others again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.data.files import printable
from striate.data.image_set import ImageSet
from striate.data.problem import Problem
from striate.errors import DataError
from striate.insight.human_study_order import draw_key
from striate.insight.human_study_pictures import Condition, degrade, square
from striate.insight.human_study_records import StudyPicture

__all__ = ["DesignedPicture", "design_pictures"]


@dataclass(frozen=True, eq=False)
class DesignedPicture:
    """A picture of the study with its pixels, or a picture of the data that cannot be read.

    Attributes:
        picture: None where it cannot be read; another one takes its place.
        pixels: uint8 `s s 3`, after the change; the untouched ones are not kept.
        problem: What is wrong with it.
    """

    picture: StudyPicture | None
    pixels: NDArray[np.uint8] | None
    problem: Problem | None = None


def design_pictures(
    images: ImageSet,
    labels: NDArray[np.int64],
    *,
    classes: Sequence[str],
    conditions: Sequence[Condition],
    per_class: int,
    practice: int,
    side: int,
    seed: int,
    max_megapixels: float = 64.0,
) -> Iterator[DesignedPicture]:
    """Choose, cut and change the pictures of a study, one at a time.

    Args:
        images: Where they come from.
        labels: `n`, the study's class of each picture, −1 for those that have none.
        classes: The study's classes.
        conditions: What is done to them.
        per_class: Pictures of each class under each condition.
        practice: Pictures for practice, in all.
        side: Most pixels of a side.
        seed: Another one gives other pictures, another order and other noise.
        max_megapixels: Larger pictures are left out.

    Raises:
        DataError: If a class has too few pictures that can be read.
    """
    waiting = {k: _in_order(images, np.flatnonzero(labels == k), seed) for k in range(len(classes))}
    wanted = per_class * len(conditions)
    spare = -(-practice // len(classes))
    for k, name in enumerate(classes):
        _check(images, name, len(waiting[k]), wanted, spare)

    def take(k: int, condition: Condition, needed: int, *, for_practice: bool) -> Iterator[DesignedPicture]:
        while waiting[k]:
            index = waiting[k].pop(0)
            try:
                pixels = square(images.pixels(index, max_megapixels=max_megapixels), side)
            except DataError as error:
                where = images.where(index)
                problem = Problem("unreadable", where, str(error).removeprefix(f"{where}: "))
                yield DesignedPicture(None, None, problem)
                continue
            key = draw_key(seed, "picture", images.name(index), condition.name)
            picture = StudyPicture(f"{key:016x}", images.name(index), k, condition.name, for_practice)
            yield DesignedPicture(picture, degrade(pixels, condition, seed=key))
            return
        _check(images, classes[k], 0, needed, 0)

    for number in range(wanted):
        for k in range(len(classes)):
            yield from take(k, conditions[number % len(conditions)], wanted - number, for_practice=False)
    for number in range(practice):
        condition = (
            conditions[number // len(classes) % len(conditions)]
            if practice > len(classes)
            else conditions[number % len(conditions)]
        )
        yield from take(number % len(classes), condition, 1, for_practice=True)


def _in_order(images: ImageSet, indices: NDArray[np.int64], seed: int) -> list[int]:
    return sorted(indices.tolist(), key=lambda i: draw_key(seed, "choose", images.name(i)))


def _check(images: ImageSet, name: str, have: int, wanted: int, spare: int) -> None:
    if have < wanted + spare:
        also = f" and {spare} for practice" if spare else ""
        raise DataError(
            f"{printable(images.source)}: the class '{name}' has {have or 'no'} pictures left that can be read, and "
            f"the study needs {wanted} of it{also}. Give more pictures, fewer with --images-per-class, fewer "
            "conditions or less --practice."
        )
