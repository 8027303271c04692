"""Read every picture of a set once, and say what is wrong, how wrong it is, and where.

Three levels. An `error` makes a score wrong or loses pictures: what cannot be read, labels that contradict each other,
pictures that are in two splits. A `warning` deserves a look. A `note` says what will be done anyway: a photo that its
EXIF block turns is turned, transparent parts become white. `LEVELS` has every kind, and `docs/guide/data.md` the rules.
"""

import os
import unicodedata
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.data.data_report import DataReport
from striate.data.duplicates import Fingerprints, coarse_thumbnail, near_pairs, same_digest
from striate.data.image_set import ImageSet
from striate.data.picture_facts import PictureFacts, picture_facts, thumbnail
from striate.data.problem import Problem
from striate.errors import ConfigError, DataError

__all__ = ["GIANT_MEGAPIXELS", "IMBALANCE", "LONGEST_ASPECT", "SMALLEST_SIDE_PX", "check_images", "checking_images"]

SMALLEST_SIDE_PX = 32
GIANT_MEGAPIXELS = 20.0
LONGEST_ASPECT = 4.0
IMBALANCE = 10.0
"""The largest class of the training pictures may have so many times the pictures of the smallest one."""

_KEPT_THUMBNAILS = 50_000  # 150 MB; in larger sets the few that are compared are read again
_TRAITS = {
    "gray": "gray",
    "blank": "one color all over",
    "rotated": "turned by its EXIF block (which is applied)",
    "alpha": "partly transparent (white is put behind)",
    "cmyk": "in CMYK (which is converted without a color profile)",
    "16-bit": "of 16 bits a channel (of which the upper eight are used)",
    "animated": "animated (of which the first frame is used)",
    "tiny": f"tiny, below {SMALLEST_SIDE_PX} pixels on a side",
    "giant": f"above {GIANT_MEGAPIXELS:g} megapixels (slow to decode in every epoch; make a smaller copy)",
    "aspect": f"more than {LONGEST_ASPECT:g} times as long as wide (of which a center crop sees a part)",
}


_Examined = tuple[PictureFacts, NDArray[np.uint8]]


class _Place(NamedTuple):
    split: str
    row: int


@dataclass(frozen=True, slots=True)
class _Seen:
    """The pictures that could be read, in order."""

    places: list[_Place]
    facts: list[PictureFacts]


def check_images(
    sets: Mapping[str, ImageSet], *, workers: int | None = None, max_megapixels: float = 64.0
) -> DataReport:
    """Check the pictures of all splits.

    Args:
        sets: What `open_data` gives.
        workers: Threads that decode; as many as processors by default.
        max_megapixels: Larger pictures are refused by their header, and reported as unreadable.

    Raises:
        ConfigError: If `workers` is not above 0.
    """
    checking = checking_images(sets, workers=workers, max_megapixels=max_megapixels)
    while True:
        try:
            next(checking)
        except StopIteration as stop:
            report: DataReport = stop.value
            return report


def checking_images(
    sets: Mapping[str, ImageSet], *, workers: int | None = None, max_megapixels: float = 64.0
) -> Generator[tuple[int, int], None, DataReport]:
    """Like `check_images`, step by step: yields how many pictures are done, of how many, and returns the report."""
    if workers is not None and workers < 1:
        raise ConfigError(f"workers must be above 0, got {workers}.")
    problems = [problem for images in sets.values() for problem in images.problems]
    places = [_Place(split, index) for split, images in sets.items() for index in range(len(images))]
    seen = _Seen([], [])
    kept: dict[int, NDArray[np.uint8]] = {}
    coarse = np.empty((len(places), 48), dtype=np.float32)
    spread = np.empty(len(places), dtype=np.float32)
    for done, (place, result) in enumerate(_examined(sets, places, workers, max_megapixels), start=1):
        if isinstance(result, DataError):
            where = sets[place.split].where(place.row)
            problems.append(Problem("unreadable", where, str(result).removeprefix(f"{where}: ")))
        else:
            number = len(seen.facts)
            facts, small = result
            coarse[number], spread[number] = coarse_thumbnail(small), small.std()
            if number < _KEPT_THUMBNAILS:
                kept[number] = small
            seen.places.append(place)
            seen.facts.append(facts)
        yield done, len(places)
    problems += _trait_problems(sets, seen)
    copies = list(_copies(sets, seen))
    problems += [problem for _, problem in copies]
    known = {number for number, _ in copies}

    def load(number: int) -> NDArray[np.uint8]:
        if number in kept:
            return kept[number]
        place = seen.places[number]
        return thumbnail(Image.fromarray(sets[place.split].pixels(place.row, max_megapixels=max_megapixels)))

    compared = [i for i, facts in enumerate(seen.facts) if i not in known and "blank" not in facts.traits]
    hashes = np.array([seen.facts[i].near_hash for i in compared], dtype=np.uint64)
    prints = Fingerprints(hashes, coarse[compared], spread[compared], lambda i: load(compared[i]))
    pairs, skipped = near_pairs(prints)
    problems += [_near_problem(sets, seen, compared[i], compared[j]) for i, j in pairs]
    source = str(next(iter(sets.values())).source)
    if skipped:
        text = f"{skipped:,} pictures are too much alike to look for near duplicates among them"
        problems.append(Problem("not-compared", source, text))
    problems += _class_problems(sets, source)
    return _report(sets, seen, problems)


def _examined(
    sets: Mapping[str, ImageSet], places: list[_Place], workers: int | None, max_megapixels: float
) -> Iterator[tuple[_Place, _Examined | DataError]]:
    """The facts of every picture in order, decoded in threads a little ahead."""

    def examine(place: _Place) -> _Examined | DataError:
        images = sets[place.split]
        try:
            data = images.read(place.row)
            pixels = images.decode(place.row, data, max_megapixels=max_megapixels)
        except DataError as error:
            return error
        return picture_facts(data, pixels, images.name(place.row))

    count = workers or os.cpu_count() or 1
    waiting: list[tuple[_Place, Future[_Examined | DataError]]] = []
    coming = iter(places)
    with ThreadPoolExecutor(count, thread_name_prefix="check") as pool:
        try:
            while True:
                waiting += [(place, pool.submit(examine, place)) for place in islice(coming, 4 * count - len(waiting))]
                if not waiting:
                    return
                place, future = waiting.pop(0)
                yield place, future.result()
        finally:  # interrupted: what has not begun shall not
            for _, future in waiting:
                future.cancel()


def _trait_problems(sets: Mapping[str, ImageSet], seen: _Seen) -> Iterator[Problem]:
    """What is special about pictures, one by one; in one line where it holds for most of them."""
    found: dict[str, list[tuple[int, str]]] = {}
    for number, facts in enumerate(seen.facts):
        short, long = sorted((facts.height, facts.width))
        size = f"{facts.width} × {facts.height} pixels"
        for trait in facts.traits:
            found.setdefault(trait, []).append((number, facts.format if trait == "wrong-extension" else ""))
        if short < SMALLEST_SIDE_PX:
            found.setdefault("tiny", []).append((number, size))
        if facts.height * facts.width > GIANT_MEGAPIXELS * 1e6:
            found.setdefault("giant", []).append((number, size))
        if long > LONGEST_ASPECT * short:
            found.setdefault("aspect", []).append((number, size))
    total = len(seen.facts)
    for kind, numbers in found.items():
        if kind != "wrong-extension" and len(numbers) > max(total / 2, 10):
            many = f"all {total:,}" if len(numbers) == total else f"{len(numbers):,} of {total:,}"
            yield Problem(kind, str(next(iter(sets.values())).source), f"{many} pictures are {_TRAITS[kind]}")
            continue
        for number, detail in numbers:
            place = seen.places[number]
            where = sets[place.split].where(place.row)
            if kind == "wrong-extension":
                yield Problem(kind, where, f"a {detail} file by its content (which counts)")
            else:
                yield Problem(kind, where, f"{_TRAITS[kind]}{f': {detail}' if detail else ''}")


def _copies(sets: Mapping[str, ImageSet], seen: _Seen) -> Iterator[tuple[int, Problem]]:
    """Every picture whose bytes another one before it has; worst is another label, then another split."""
    for numbers in same_digest(facts.digest for facts in seen.facts):
        for position, number in enumerate(numbers[1:], start=1):
            earlier = numbers[:position]
            where, label, split = _told(sets, seen, number)
            told = [_told(sets, seen, other) for other in earlier]
            conflict = next((other for other in told if other[1] != label), None)
            leak = next((other for other in told if other[2] != split), None)
            if conflict is not None:
                text = f"'{label}', but the same file is '{conflict[1]}' as {conflict[0]}"
                yield number, Problem("label-conflict", where, text)
            if leak is not None:
                text = f"in {split}, and the same file is in {leak[2]} as {leak[0]}"
                yield number, Problem("leakage", where, text)
            if conflict is None and leak is None:
                yield number, Problem("duplicate", where, f"the same file as {told[0][0]}")


def _near_problem(sets: Mapping[str, ImageSet], seen: _Seen, number: int, other: int) -> Problem:
    where, label, split = _told(sets, seen, number)
    where_other, label_other, split_other = _told(sets, seen, other)
    differs = [f"in {split}, that in {split_other}"] if split != split_other else []
    if label != label_other:
        differs.append(f"'{label}', that is '{label_other}'")
    kind = "near-leakage" if split != split_other else "near-conflict" if label != label_other else "near-duplicate"
    return Problem(kind, where, f"looks like {where_other}" + (f"; this is {', '.join(differs)}" if differs else ""))


def _told(sets: Mapping[str, ImageSet], seen: _Seen, number: int) -> tuple[str, str, str]:
    split, index = seen.places[number]
    images = sets[split]
    return images.where(index), images.label(index), split


def _class_problems(sets: Mapping[str, ImageSet], source: str) -> Iterator[Problem]:
    name, images = next(iter(sets.items()))
    if len(images.classes) == 1:
        nested = next((problem.where for problem in images.problems if problem.kind == "nested"), None)
        way_out = "check the path" if nested is None else f"the classes may be the folders in {nested}: give that one"
        text = f"only one class, '{images.classes[0]}', so that there is nothing to tell apart; {way_out}"
        yield Problem("one-class", source, text)
        return
    counts = {label: int(count) for label, count in zip(images.classes, images.counts(), strict=True)}
    where = source if name == "all" else f"{source}, {name}"
    for label in (label for label, count in counts.items() if count == 0):
        if not any(problem.kind == "empty-class" and label in problem.where for problem in images.problems):
            yield Problem("empty-class", where, f"no picture of the class '{label}'")
    for twins in _twin_names(images.classes):
        yield Problem("twin-classes", where, f"{twins}: they differ in capitals or blanks alone; are they one class?")
    present = {label: count for label, count in counts.items() if count}
    if present:
        most, least = max(present, key=present.__getitem__), min(present, key=present.__getitem__)
        if present[most] > IMBALANCE * present[least]:
            yield Problem(
                "imbalance",
                where,
                f"'{most}' has {present[most]:,} pictures, '{least}' {present[least]:,}: a network that answers "
                "the large classes looks good; judge it by the scores of each class",
            )


def _twin_names(classes: Sequence[str]) -> list[str]:
    """Names that people read as the same, together.

    >>> _twin_names(["Cat", "cat", "dog", "cat "])
    ["'Cat', 'cat', 'cat '"]
    """
    alike: dict[str, list[str]] = {}
    for name in classes:
        alike.setdefault("".join(unicodedata.normalize("NFKC", name).casefold().split()), []).append(f"'{name}'")
    return [", ".join(names) for names in alike.values() if len(names) > 1]


def _report(sets: Mapping[str, ImageSet], seen: _Seen, problems: list[Problem]) -> DataReport:
    first = next(iter(sets.values()))
    split = "train" if "train" in sets else next(iter(sets))
    chosen = [facts for place, facts in zip(seen.places, seen.facts, strict=True) if place.split == split]
    mean = np.mean([facts.mean for facts in chosen], axis=0) if chosen else np.full(3, np.nan)
    square = np.mean([facts.square for facts in chosen], axis=0) if chosen else np.full(3, np.nan)
    deviation = np.sqrt(np.maximum(square - mean**2, 0))
    sides = np.array([(facts.height, facts.width) for facts in seen.facts], dtype=np.int64).reshape(-1, 2)
    return DataReport(
        source=first.source,
        kind=first.kind,
        classes=first.classes,
        counts={name: tuple(images.counts().tolist()) for name, images in sets.items()},
        examined=len(seen.facts),
        formats=dict(Counter(facts.format for facts in seen.facts).most_common()),
        smallest=_size(sides, 0),
        median=_size(sides, len(sides) // 2),
        largest=_size(sides, len(sides) - 1),
        mean=tuple((mean / 255).tolist()),
        std=tuple((deviation / 255).tolist()),
        problems=tuple(problems),
    )


def _size(sides: Any, place: int) -> tuple[int, int]:
    if not len(sides):
        return 0, 0
    h, w = sides[np.argsort(sides.prod(axis=1), kind="stable")[place]].tolist()
    return h, w
