"""The evaluation of VOC's development kit, written down loop by loop as its MATLAB code goes.

One class at a time; boxes are whole pixels that belong to the box, so a side is max − min + 1. The kit knows no crowds:
a false alarm of which enough lies in one is left out here.
"""

import numpy as np

from striate.detection.box_predictions import BoxPredictions

__all__ = ["devkit_ap"]


def devkit_ap(predictions: BoxPredictions, number: int, *, iou: float, inclusive: bool) -> tuple[float, float]:
    """AP of one class by all points and by 11 points; NaN without anything to find."""
    extra = 1.0 if inclusive else 0.0
    positives = 0
    truth, crowds = [], []
    for picture in range(len(predictions)):
        there = predictions.truth(picture)
        own = [row for row in range(len(there)) if there.classes[row] == number and not there.crowd[row]]
        crowd = [row for row in range(len(there)) if there.classes[row] == number and there.crowd[row]]
        crowds.append([there.boxes[row].astype(float) for row in crowd])
        skip = [bool(there.difficult[row]) for row in own]
        truth.append(([there.boxes[row].astype(float) for row in own], skip, [False] * len(own)))
        positives += sum(not one for one in skip)
    lines = []
    for picture in range(len(predictions)):
        seen = predictions.found(picture)
        own = [row for row in range(len(seen)) if seen.classes[row] == number]
        lines += [(float(seen.scores[row]), picture, seen.boxes[row].astype(float)) for row in own]
    lines.sort(key=lambda line: -line[0])  # Python's sort keeps the order of equal scores
    tp, fp = [], []
    for _, picture, bb in lines:
        boxes, skip, taken = truth[picture]
        ovmax, jmax = -np.inf, -1
        for j, bbgt in enumerate(boxes):
            bi = [max(bb[0], bbgt[0]), max(bb[1], bbgt[1]), min(bb[2], bbgt[2]), min(bb[3], bbgt[3])]
            iw = bi[2] - bi[0] + extra
            ih = bi[3] - bi[1] + extra
            if iw > 0 and ih > 0:
                ua = (
                    (bb[2] - bb[0] + extra) * (bb[3] - bb[1] + extra)
                    + (bbgt[2] - bbgt[0] + extra) * (bbgt[3] - bbgt[1] + extra)
                    - iw * ih
                )
                ov = iw * ih / ua
                if ov > ovmax:
                    ovmax, jmax = ov, j
        tp.append(0)
        fp.append(0)
        if ovmax >= iou:
            if not skip[jmax]:
                if not taken[jmax]:
                    tp[-1] = 1
                    taken[jmax] = True
                else:
                    fp[-1] = 1
        else:
            fp[-1] = 1
        if fp[-1] and any(_inside(bb, one, extra) >= iou for one in crowds[picture]):
            fp[-1] = 0
    if positives == 0:
        return float("nan"), float("nan")
    recall, precision = [], []
    hits = misses = 0
    for one_tp, one_fp in zip(tp, fp, strict=True):
        hits, misses = hits + one_tp, misses + one_fp
        recall.append(hits / positives)
        precision.append(hits / (hits + misses) if hits + misses else float("nan"))
    return _all_points(recall, precision), _eleven_points(recall, precision)


def _inside(bb: np.ndarray, crowd: np.ndarray, extra: float) -> float:
    width = min(bb[2], crowd[2]) - max(bb[0], crowd[0]) + extra
    height = min(bb[3], crowd[3]) - max(bb[1], crowd[1]) + extra
    area = (bb[2] - bb[0] + extra) * (bb[3] - bb[1] + extra)
    return width * height / area if width > 0 and height > 0 and area > 0 else 0.0


def _all_points(recall: list[float], precision: list[float]) -> float:
    mrec = [0.0, *recall, 1.0]
    mpre = [0.0, *precision, 0.0]
    for i in range(len(mpre) - 2, -1, -1):
        mpre[i] = np.fmax(mpre[i], mpre[i + 1])  # as MATLAB's max, which passes over NaN
    total = 0.0
    for i in range(1, len(mrec)):
        if mrec[i] != mrec[i - 1]:
            total += (mrec[i] - mrec[i - 1]) * mpre[i]
    return total


def _eleven_points(recall: list[float], precision: list[float]) -> float:
    total = 0.0
    for t in np.arange(0.0, 1.1, 0.1):
        above = [p for r, p in zip(recall, precision, strict=True) if r >= t and not np.isnan(p)]
        total += (max(above) if above else 0.0) / 11
    return total
