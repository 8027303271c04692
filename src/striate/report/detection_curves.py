"""Precision against recall, one small drawing a class, all on the same axes; and mAP against the asked overlap."""

import math
from dataclasses import dataclass

import numpy as np

from striate.detection.detection_evaluation import BoxEvaluation
from striate.detection.pr_curve import OperatingPoint, PrecisionRecall
from striate.report.detection_answer import say_ap
from striate.report.line_plot import Curve, LinePlot, build_line_plot

__all__ = ["CurvePanel", "CurveSection", "build_curves"]

SIDE = 120.0
MOST_PANELS = 24
MOST_POINTS = 120


@dataclass(frozen=True)
class CurvePanel:
    """One class: its name and AP stand in the drawing; places in units of it, whose side is 120."""

    name: str
    ap: str
    objects: int
    path: str
    area: str
    x: float | None
    y: float | None
    title: str


@dataclass(frozen=True)
class CurveSection:
    """Panels, the class with the lowest AP first."""

    panels: tuple[CurvePanel, ...]
    count: int
    columns: int
    by_iou: LinePlot | None


def build_curves(found: BoxEvaluation) -> CurveSection:
    """Places and words of the second section."""
    known = [c for c in range(len(found.curves)) if found.curves[c].positives]
    order = sorted(known, key=lambda c: (found.class_ap[c].value, c))
    panels = tuple(
        _panel(found.predictions.labels[c], found.curves[c], found.class_points[c], found.class_ap[c].value)
        for c in order[:MOST_PANELS]
    )
    thresholds = [0.5 + 0.05 * step for step in range(10)]
    plot = build_line_plot("mAP, %", "IoU", [Curve("", 0, thresholds, found.coco.ap_by_iou)], percent=True)
    rows = max(1, -(-len(panels) // 8))
    return CurveSection(panels, len(known), max(4, -(-len(panels) // rows)), plot)


def _panel(name: str, curve: PrecisionRecall, point: OperatingPoint, ap: float) -> CurvePanel:
    recall, precision = curve.recall, curve.envelope
    last = np.flatnonzero(curve.hits)  # the envelope steps down behind a hit
    if len(last) > MOST_POINTS:
        last = last[np.unique(np.linspace(0, len(last) - 1, MOST_POINTS).astype(int))]
    path = ""
    if len(last):
        path = f"M0 {_y(precision[last[0]])}" + "".join(f"V{_y(precision[i])}H{_x(recall[i])}" for i in last.tolist())
    area = f"{path}V{SIDE:g}H0Z" if path else ""
    at = bool(point.kept) and not math.isnan(point.recall)
    words = (
        f"{name}: AP {say_ap(ap)}, {curve.positives:,} objects; at the threshold precision {say_ap(point.precision)}, "
        f"recall {say_ap(point.recall)}"
    )
    return CurvePanel(
        name=name,
        ap=say_ap(ap),
        objects=curve.positives,
        path=path,
        area=area,
        x=_x(point.recall) if at else None,
        y=_y(point.precision) if at else None,
        title=words,
    )


def _x(value: float) -> float:
    return round(SIDE * float(value), 1)


def _y(value: float) -> float:
    return round(SIDE * (1 - float(value)), 1)
