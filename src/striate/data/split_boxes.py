"""Divide pictures with boxes: the objects of every class in proportion, though a picture has objects of many.

Classes cannot be dealt out one by one, for a picture brings all of its objects with it. So the class that has the
fewest objects left goes first: its pictures (or groups of them) are dealt to the part that lacks most of this class;
ties go to the part that lacks most pictures. Pictures without objects come last, in proportion.

Source: Sechidis, Tsoumakas and Vlahavas 2011, On the Stratification of Multi-label Data, algorithm 1 (iterative
stratification).
Differs: counted in objects, not in pictures that have some; groups stay whole; hashes of names break ties, so that the
same pictures give the same parts on any machine.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from striate.data.box_set import BoxSet
from striate.data.files import printable
from striate.data.problem import Problem
from striate.data.splitting import check_shares
from striate.errors import DataError

__all__ = ["split_boxes"]


def split_boxes(boxes: BoxSet, fractions: Mapping[str, float], *, seed: int = 0) -> dict[str, BoxSet]:
    """Divide a set into disjoint parts that together are the whole.

    Args:
        boxes: The set; where it has `groups`, each of them stays whole.
        fractions: The share of each part, above 0, 1 in all: `{"train": 0.8, "val": 0.2}`.
        seed: Another one gives other parts.

    Returns:
        The parts; a class of which a part has nothing is among the first one's `problems`.

    Raises:
        ConfigError: If a fraction is not in (0, 1], or they do not add up to 1.
        DataError: If there are fewer pictures or groups than parts.
    """
    check_shares(fractions)
    names, members = _units(boxes)
    if len(names) < len(fractions):
        what = "pictures" if boxes.groups is None else "groups"
        raise DataError(
            f"{printable(boxes.source)}: {len(names)} {what} cannot be divided into {len(fractions)} parts "
            f"({', '.join(fractions)}); give more of them, or fewer parts."
        )
    counts = np.zeros((len(names), len(boxes.classes)), dtype=np.int64)
    for row, indices in enumerate(members):
        for index in indices:
            counts[row] += np.bincount(boxes.truth[index].classes, minlength=len(boxes.classes))
    sizes = np.array([len(indices) for indices in members])
    order = sorted(range(len(names)), key=lambda row: _draw(seed, names[row]))
    given = _dealt(counts, sizes, np.array(list(fractions.values())), order)
    parts: dict[str, BoxSet] = {}
    for number, name in enumerate(fractions):
        rows = sorted(index for unit in np.flatnonzero(given == number).tolist() for index in members[unit])
        parts[name] = replace(boxes.subset(rows), problems=())
    first = next(iter(parts))
    problems = (*boxes.problems, *_shortfalls(boxes, parts))
    parts[first] = replace(parts[first], problems=problems)
    return parts


def _units(boxes: BoxSet) -> tuple[list[str], list[list[int]]]:
    """What stays together: groups, or single pictures."""
    units: dict[str, list[int]] = {}
    for index in range(len(boxes)):
        units.setdefault(boxes.name(index) if boxes.groups is None else boxes.groups[index], []).append(index)
    return list(units), list(units.values())


def _draw(seed: int, name: str) -> bytes:
    return hashlib.blake2b(f"{seed}\0{name}".encode("utf-8", "surrogateescape"), digest_size=16).digest()


def _dealt(
    counts: NDArray[np.int64], sizes: NDArray[np.int64], shares: NDArray[np.float64], order: list[int]
) -> NDArray[np.int64]:
    """The part of every unit."""
    given = np.full(len(counts), -1, dtype=np.int64)
    lacks = shares[:, None] * counts.sum(0)  # parts k
    lacks_pictures = shares * sizes.sum()
    left = counts.sum(0)  # objects of each class that are not dealt yet
    by_class = [[row for row in order if counts[row, label]] for label in range(counts.shape[1])]

    def give(row: int, part: int) -> None:
        nonlocal left
        given[row] = part
        lacks[part] -= counts[row]
        lacks_pictures[part] -= sizes[row]
        left = left - counts[row]

    while left.any():
        label = int(np.where(left > 0, left, np.iinfo(np.int64).max).argmin())
        waiting = [row for row in by_class[label] if given[row] < 0]
        waiting.sort(key=lambda row: -counts[row, label])  # the fullest first; the order of names otherwise
        for row in waiting:
            give(row, _neediest(lacks[:, label], lacks_pictures))
    for row in order:
        if given[row] < 0:
            give(row, _neediest(lacks_pictures, lacks_pictures))
    for part in range(len(shares)):
        if not (given == part).any():  # few and large groups: the smallest one of the largest part
            rich = int(np.bincount(given, minlength=len(shares)).argmax())
            rows = np.flatnonzero(given == rich)
            given[rows[sizes[rows].argmin()]] = part
    return given


def _neediest(lacks: NDArray[np.float64], ties: NDArray[np.float64]) -> int:
    rounded = lacks.round(6)
    best = np.flatnonzero(rounded == rounded.max())
    return int(best[ties[best].argmax()])


def _shortfalls(whole: BoxSet, parts: Mapping[str, BoxSet]) -> list[Problem]:
    total, source = whole.counts(), printable(whole.source)
    found = []
    for name, part in parts.items():
        for label in np.flatnonzero((part.counts() == 0) & (total > 0)).tolist():
            text = f"{name} has no object of '{whole.classes[label]}', of which there are {total[label]:,}"
            found.append(Problem("class-not-in-split", source, text))
    return found
