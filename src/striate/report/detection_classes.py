"""Every class of a detector with its average precision and what its boxes are worth at the threshold."""

import math
from dataclasses import dataclass

from striate.detection.detection_evaluation import BoxEvaluation
from striate.report.detection_answer import say_ap

__all__ = ["BoxClassLine", "BoxClassSection", "build_box_classes"]

MOST_LINES = 1000


@dataclass(frozen=True)
class BoxClassLine:
    """One row: words, and the numbers that rows are sorted by (below every score where there is none)."""

    name: str
    objects: int
    ap: str
    low: float
    high: float
    width: float
    coco: str
    precision: str
    recall: str
    missed: int
    false: int
    taken_for: str
    order: tuple[float, float, float, float, float, float, float]


@dataclass(frozen=True)
class BoxClassSection:
    """Rows, the lowest AP first, classes without objects last."""

    lines: tuple[BoxClassLine, ...]
    count: int
    empty: int


def build_box_classes(found: BoxEvaluation) -> BoxClassSection:
    """Rows of the table."""
    labels = found.predictions.labels
    most: dict[int, tuple[int, int]] = {}
    for there, said, count in found.confusion.pairs():
        most.setdefault(there, (said, count))

    def key(c: int) -> tuple[float, int]:
        value = found.class_ap[c].value
        return (2.0 if math.isnan(value) else value, c)

    lines = []
    for c in sorted(range(len(labels)), key=key)[:MOST_LINES]:
        ap, point, other = found.class_ap[c], found.class_points[c], most.get(c)
        known = not math.isnan(ap.value)
        false = point.kept - point.hits
        missed = int(found.objects[c]) - point.hits
        lines.append(
            BoxClassLine(
                name=labels[c],
                objects=int(found.objects[c]),
                ap=say_ap(ap.value),
                low=round(100 * ap.low, 1) if known else 0.0,
                high=round(100 * ap.high, 1) if known else 0.0,
                width=round(100 * ap.value, 1) if known else 0.0,
                coco=say_ap(found.coco.class_ap[c]),
                precision=say_ap(point.precision),
                recall=say_ap(point.recall),
                missed=missed,
                false=false,
                taken_for="" if other is None else f"{labels[other[0]]} ({other[1]:,})",
                order=(
                    int(found.objects[c]),
                    _sortable(ap.value),
                    _sortable(found.coco.class_ap[c]),
                    _sortable(point.precision),
                    _sortable(point.recall),
                    missed,
                    false,
                ),
            )
        )
    return BoxClassSection(tuple(lines), len(labels), int((found.objects == 0).sum()))


def _sortable(value: float) -> float:
    return -1.0 if math.isnan(value) else round(value, 6)
