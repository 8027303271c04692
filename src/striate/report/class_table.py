"""Every class with its scores; a class without pictures has none."""

import math
from dataclasses import dataclass

from striate.report.numbers import format_percent
from striate.training.evaluation import Evaluation
from striate.training.metrics import Rate

__all__ = ["ClassLine", "ClassSection", "build_class_table"]

MOST_LINES = 1000
ALL_LISTED = 100
"""Up to here classes without pictures are listed, too."""


@dataclass(frozen=True)
class ClassLine:
    """One row: words, and the numbers that rows are sorted by (below every score where there is none)."""

    name: str
    pictures: int
    recall: str
    precision: str
    f1: str
    low: float
    high: float
    width: float
    taken_for: str
    order: tuple[int, float, float, float]


@dataclass(frozen=True)
class ClassSection:
    """Rows, the most difficult first, and how many there are in all."""

    lines: tuple[ClassLine, ...]
    count: int
    empty: int


def build_class_table(found: Evaluation) -> ClassSection:
    """Rows of the third section."""
    scores, classes = found.classes, found.predictions.classes
    most: dict[int, tuple[int, int]] = {}
    for given, answered, count in found.pairs:
        most.setdefault(given, (answered, count))
    hard = found.hardest_classes
    empty = [c for c in range(len(classes)) if scores.support[c] == 0]
    lines = []
    listed = [*hard, *empty] if len(classes) <= ALL_LISTED else hard
    for c in listed[:MOST_LINES]:
        rate = Rate.of(int(scores.hits[c]), int(scores.support[c]))
        other = most.get(c)
        recall, precision, f1 = (float(v[c]) for v in (scores.recall, scores.precision, scores.f1))
        lines.append(
            ClassLine(
                name=classes[c],
                pictures=int(scores.support[c]),
                recall=_say(recall),
                precision=_say(precision),
                f1=_say(f1),
                low=round(100 * rate.low, 1) if rate.count else 0.0,
                high=round(100 * rate.high, 1) if rate.count else 0.0,
                width=round(100 * rate.value, 1) if rate.count else 0.0,
                taken_for="" if other is None else f"{classes[other[0]]} ({other[1]:,})",
                order=(int(scores.support[c]), _sortable(recall), _sortable(precision), _sortable(f1)),
            )
        )
    return ClassSection(tuple(lines), len(classes), len(empty))


def _say(value: float) -> str:
    return "–" if math.isnan(value) else format_percent(value)


def _sortable(value: float) -> float:
    return -1.0 if math.isnan(value) else round(value, 6)
