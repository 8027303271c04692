"""Divide pictures into training, validation and test: every class in proportion, no group torn apart.

Each class is dealt out on its own. Its pictures (or its groups: a patient's, a burst's) are put in an order that only
the seed and the pictures' names decide, the large groups first; each goes to the part that still lacks most. What a
class owes a part after rounding is owed by the next class, so that a thousand classes of three pictures give a tenth to
validation, too.

    lacks[part] = fraction[part] · size of the class + owed[part] − given[part]
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from striate.data.files import printable
from striate.data.image_set import ImageSet
from striate.data.problem import Problem
from striate.errors import ConfigError, DataError

__all__ = ["check_shares", "split_set"]


def split_set(images: ImageSet, fractions: Mapping[str, float], *, seed: int = 0) -> dict[str, ImageSet]:
    """Divide a set into disjoint parts that together are the whole.

    The same seed and the same pictures give the same parts, on any machine and in whatever order they were listed.
    Every class keeps a picture (or group) in `train` where there is a part of that name. What could not be done, a
    class too small for each part or groups too large for their shares, is among the `problems` of the part.

    Args:
        images: The set; where it has `groups`, each of them stays whole.
        fractions: The share of each part, above 0, 1 in all: `{"train": 0.8, "val": 0.2}`.
        seed: Another one gives other parts.

    Raises:
        ConfigError: If a fraction is not in (0, 1], or they do not add up to 1.
        DataError: If there are fewer pictures or groups than parts.
    """
    check_shares(fractions)
    units = _units(images)
    if len(units) < len(fractions):
        what = "pictures" if images.groups is None else "groups"
        raise DataError(
            f"{printable(images.source)}: {len(units)} {what} cannot be divided into {len(fractions)} parts "
            f"({', '.join(fractions)}); give more of them, or fewer parts."
        )
    parts = _deal(images, units, fractions, seed)
    before = images.problems
    sets: dict[str, ImageSet] = {}
    for name, indices in parts.items():
        part = images.subset(sorted(indices))
        found = _shortfalls(part, images, name, fractions[name])
        sets[name] = replace(part, problems=before + found if not sets else found)  # each once: with the first part
    return sets


def check_shares(fractions: Mapping[str, float]) -> None:
    """Refuse shares of which one is none, or that are not 1 together.

    Raises:
        ConfigError: If they are.
    """
    for name, share in fractions.items():
        if not 0 < share <= 1:
            raise ConfigError(f"The share of {name} must be above 0 and at most 1, got {share}.")
    if not fractions or not math.isclose(sum(fractions.values()), 1.0, abs_tol=1e-6):
        shown = " + ".join(f"{share:g}" for share in fractions.values()) or "nothing"
        raise ConfigError(f"The shares of all parts must be 1 together, got {shown} = {sum(fractions.values()):g}.")


def _units(images: ImageSet) -> dict[str, list[int]]:
    """What stays together, by name: groups, or single pictures."""
    units: dict[str, list[int]] = {}
    for index in range(len(images)):
        name = images.name(index) if images.groups is None else images.groups[index]
        units.setdefault(name, []).append(index)
    return units


def _deal(
    images: ImageSet, units: Mapping[str, list[int]], fractions: Mapping[str, float], seed: int
) -> dict[str, list[int]]:
    labels, sizes = images.labels.tolist(), images.counts().tolist()
    by_class: list[list[tuple[int, bytes, list[int]]]] = [[] for _ in images.classes]
    for name, indices in units.items():
        counts = np.bincount([labels[i] for i in indices])
        by_class[int(counts.argmax())].append((-len(indices), _draw(seed, name), indices))
    parts: dict[str, list[list[int]]] = {name: [] for name in fractions}
    given = {name: [0] * len(images.classes) for name in fractions}
    owed = dict.fromkeys(fractions, 0.0)
    for label, waiting in enumerate(by_class):
        wanted = {name: share * sizes[label] + owed[name] for name, share in fractions.items()}
        for _, _, indices in sorted(waiting, key=lambda unit: unit[:2]):
            lacks = {name: round(wanted[name] - given[name][label], 9) for name in fractions}
            best = max(fractions, key=lambda name: (lacks[name], fractions[name]))  # ties go to the larger part
            if "train" in given and given["train"][label] == 0:
                best = "train"
            parts[best].append(indices)
            for index in indices:
                given[best][labels[index]] += 1
        owed = {name: wanted[name] - given[name][label] for name in fractions}
    for name in fractions:
        if not parts[name]:  # few and large groups: the smallest one of the largest part
            rich = max(fractions, key=lambda each: len(parts[each]))
            parts[name].append(parts[rich].pop(min(range(len(parts[rich])), key=lambda i: len(parts[rich][i]))))
    return {name: [index for indices in some for index in indices] for name, some in parts.items()}


def _draw(seed: int, name: str) -> bytes:
    """The place of a picture in the order: a hash, so that neither its neighbors nor the file system have a say."""
    return hashlib.blake2b(f"{seed}\0{name}".encode("utf-8", "surrogateescape"), digest_size=16).digest()


def _shortfalls(part: ImageSet, whole: ImageSet, name: str, share: float) -> tuple[Problem, ...]:
    source = printable(whole.source)
    found = [
        Problem("class-not-in-split", source, f"{name} has no picture of '{whole.classes[label]}', which has {count}")
        for label, (have, count) in enumerate(zip(part.counts(), whole.counts(), strict=True))
        if count and not have
    ]
    got = len(part) / len(whole)
    if abs(got - share) > max(0.1 * share, 2 / len(whole)):
        why = "groups stay whole" if whole.groups is not None else "every class keeps a picture in train"
        found.append(Problem("split-size", source, f"{name} has {got:.1%} of the pictures, not {share:.1%}: {why}"))
    return tuple(found)
