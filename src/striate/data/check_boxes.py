"""Read every picture with boxes once, and say what is wrong, how wrong it is, and where.

What is wrong with lines and boxes was found while they were read (`striate.data.box_rules`). Here the pictures are
decoded, compared with each other (the same one in two splits makes every score too good), and the classes and the sizes
of boxes are looked at as a whole.
"""

from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace

import numpy as np

from striate.data.box_report import BoxReport, BoxStatistics, box_statistics
from striate.data.box_set import BoxSet
from striate.data.check_images import IMBALANCE, checking_images
from striate.data.files import printable
from striate.data.problem import Problem

__all__ = ["CROWDED", "SMALLEST_BOX_PX", "check_boxes", "checking_boxes"]

SMALLEST_BOX_PX = 4.0
"""A box with a shorter side below this many pixels shows next to nothing."""

CROWDED = 100
"""So many objects on a picture are as many as COCO's evaluation looks at."""

_NOT_OF_BOXES = {"one-class", "empty-class", "imbalance"}  # `check_images` counts pictures, here it is objects


def check_boxes(sets: Mapping[str, BoxSet], *, workers: int | None = None, max_megapixels: float = 64.0) -> BoxReport:
    """Check the pictures and boxes of all splits.

    Args:
        sets: What `open_boxes` gives.
        workers: Threads that decode; as many as processors by default.
        max_megapixels: Larger pictures are refused by their header, and reported as unreadable.

    Raises:
        ConfigError: If `workers` is not above 0.
    """
    checking = checking_boxes(sets, workers=workers, max_megapixels=max_megapixels)
    while True:
        try:
            next(checking)
        except StopIteration as stop:
            report: BoxReport = stop.value
            return report


def checking_boxes(
    sets: Mapping[str, BoxSet], *, workers: int | None = None, max_megapixels: float = 64.0
) -> Generator[tuple[int, int], None, BoxReport]:
    """Like `check_boxes`, step by step: yields how many pictures are done, of how many, and returns the report."""
    pictures = {split: boxes.pictures for split, boxes in sets.items()}
    report = yield from checking_images(pictures, workers=workers, max_megapixels=max_megapixels)
    first = next(iter(sets.values()))
    splits = {split: box_statistics(boxes) for split, boxes in sets.items()}
    problems = [problem for problem in report.problems if problem.kind not in _NOT_OF_BOXES]
    problems += _class_problems(first, splits)
    problems += _box_problems(sets)
    counts = {split: each.objects for split, each in splits.items()}
    return BoxReport(replace(report, classes=first.classes, counts=counts, problems=tuple(problems)), splits)


def _class_problems(first: BoxSet, splits: Mapping[str, BoxStatistics]) -> Iterator[Problem]:
    name = "train" if "train" in splits else next(iter(splits))
    learned, source = splits[name].objects, printable(first.source)
    where = source if name == "all" else f"{source}, {name}"
    present = {label: count for label, count in zip(first.classes, learned, strict=True) if count}
    for label, count in zip(first.classes, learned, strict=True):
        if not count:
            yield Problem("empty-class", where, f"no object of the class '{label}'")
    for split, statistics in splits.items():
        for label, count in zip(first.classes, statistics.objects, strict=True):
            if split != name and label in present and not count:
                text = f"no object of the class '{label}': nothing can be said about it"
                yield Problem("class-not-in-split", f"{source}, {split}", text)
    if present:
        most, least = max(present, key=present.__getitem__), min(present, key=present.__getitem__)
        if present[most] > IMBALANCE * present[least]:
            text = (
                f"'{most}' has {present[most]:,} objects, '{least}' {present[least]:,}: look at the average precision "
                "of every class, not only at the mean"
            )
            yield Problem("imbalance", where, text)


def _box_problems(sets: Mapping[str, BoxSet]) -> Iterator[Problem]:
    for boxes in sets.values():
        for index, truth in enumerate(boxes.truth):
            if len(truth) > CROWDED:
                text = f"{len(truth):,} objects; evaluation looks at the {CROWDED} surest answers unless told otherwise"
                yield Problem("crowded", boxes.where(index), text)
            sides = truth.boxes[:, 2:] - truth.boxes[:, :2]
            thin = np.flatnonzero(sides.min(1) < SMALLEST_BOX_PX) if len(sides) else np.zeros(0, np.int64)
            if len(thin):
                w, h = sides[thin[0]].tolist()
                more = f" and {len(thin) - 1:,} more" if len(thin) > 1 else ""
                text = f"'{truth.label(int(thin[0]))}' is {w:.3g} × {h:.3g} pixels{more}: next to nothing can be seen"
                yield Problem("tiny-box", boxes.where(index), text)
