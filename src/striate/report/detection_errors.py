"""What goes wrong and what it costs, and how the size of objects matters."""

import math
from dataclasses import dataclass

import numpy as np

from striate.detection.detection_evaluation import BoxEvaluation
from striate.draw.boxes import score_words
from striate.report.detection_answer import say_ap
from striate.report.numbers import format_share

__all__ = ["ErrorLine", "ErrorSection", "SizeLine", "build_errors", "build_sizes"]

WORDS = {
    "localization": ("Place", "the class is right, the box fits badly: IoU from .10 to {iou}"),
    "classification": ("Name", "the box fits an object of another class"),
    "both": ("Both", "it overlaps an object of another class, and fits it badly"),
    "duplicate": ("Again", "another box has found the object"),
    "background": ("Background", "nothing is marked here"),
    "missed": ("Missed", "objects that no box found, not even with a wrong place or name"),
}
SIZES = (
    ("Small", "below 32² px", 0, 32**2),
    ("Medium", "32² to 96² px", 32**2, 96**2),
    ("Large", "above 96² px", 96**2, math.inf),
)


@dataclass(frozen=True)
class ErrorLine:
    """One kind of mistake."""

    name: str
    what: str
    cost: str
    width: float
    count: int
    share: str


@dataclass(frozen=True)
class ErrorSection:
    """Kinds, the most expensive first, and the sentence about the first."""

    lines: tuple[ErrorLine, ...]
    verdict: str
    threshold: str


@dataclass(frozen=True)
class SizeLine:
    """Objects of one size."""

    name: str
    what: str
    objects: int
    ap50: str
    ap: str
    recall: str
    width: float


def build_errors(found: BoxEvaluation) -> ErrorSection:
    """Words and bars of the third section."""
    kinds = sorted(found.errors.kinds, key=lambda kind: -(0.0 if math.isnan(kind.cost) else kind.cost))
    most = max((kind.cost for kind in kinds if not math.isnan(kind.cost)), default=0.0)
    false = sum(kind.kept for kind in kinds if kind.name != "missed")
    objects = int(found.objects.sum())
    lines = tuple(
        ErrorLine(
            name=WORDS[kind.name][0],
            what=WORDS[kind.name][1].format(iou=score_words(found.iou)),
            cost="–" if math.isnan(kind.cost) else f"{100 * kind.cost:.1f}",
            width=round(100 * kind.cost / most, 1) if most > 0 and not math.isnan(kind.cost) else 0.0,
            count=kind.kept,
            share=format_share(kind.kept, objects if kind.name == "missed" else false),
        )
        for kind in kinds
    )
    worst = kinds[0]
    verdict = (
        f"Most is lost by {_SAID[worst.name]}: without them mAP would be {100 * worst.cost:.1f} points higher."
        if most > 0.0005
        else "No kind of mistake costs anything."
    )
    point = found.point.threshold
    return ErrorSection(lines, verdict, score_words(point) if math.isfinite(point) else "–")


_SAID = {
    "localization": "boxes in the wrong place",
    "classification": "wrong names",
    "both": "boxes with a wrong name in the wrong place",
    "duplicate": "objects that are found twice",
    "background": "false alarms on background",
    "missed": "missed objects",
}


def build_sizes(found: BoxEvaluation) -> tuple[SizeLine, ...]:
    """Small, medium and large objects, as COCO divides them; sizes without objects are left out."""
    answers, coco = found.predictions, found.coco
    areas = answers.truth_areas[~answers.truth_ignored]
    ap = (coco.ap_small, coco.ap_medium, coco.ap_large)
    recall = (coco.ar_small, coco.ar_medium, coco.ar_large)
    lines = []
    for number, (name, what, low, high) in enumerate(SIZES):
        count = int(np.count_nonzero((areas >= low) & (areas <= high)))
        value = coco.ap50_by_size[number]
        if not math.isnan(value):
            width = round(100 * value, 1)
            lines.append(SizeLine(name, what, count, say_ap(value), say_ap(ap[number]), say_ap(recall[number]), width))
    return tuple(lines)
