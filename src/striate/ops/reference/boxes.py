"""Boxes and what is suppressed, by the rules and nothing else. Boxes are `n 4`, `xyxy`."""

from math import exp
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["box_iou", "nms", "soft_nms"]


def box_iou(boxes1: NDArray[Any], boxes2: NDArray[Any]) -> NDArray[Any]:
    """|A ∩ B| / |A ∪ B| of every pair, in the precision of the boxes; 0 / 0 is NaN."""
    found = np.zeros((len(boxes1), len(boxes2)), boxes1.dtype)
    for i, a in enumerate(boxes1):
        for j, b in enumerate(boxes2):
            found[i, j] = _iou(a, b)
    return found


def nms(
    boxes: NDArray[Any], scores: NDArray[Any], iou_threshold: float, classes: NDArray[Any] | None = None
) -> list[int]:
    """Pick the highest score (the first of several), remove what overlaps it more than allowed, and so on.

    Args:
        boxes: `n 4`.
        scores: `n`, no NaN.
        iou_threshold: The largest IoU that two boxes of a class may have.
        classes: `n`; None: all of one.
    """
    remaining, picked = list(range(len(boxes))), []
    while remaining:
        best = max(remaining, key=lambda i: (scores[i], -i))
        picked.append(best)
        remaining = [
            i
            for i in remaining
            if i != best
            and not (
                (classes is None or classes[i] == classes[best]) and float(_iou(boxes[best], boxes[i])) > iou_threshold
            )
        ]
    return picked


def soft_nms(
    boxes: NDArray[Any],
    scores: NDArray[Any],
    *,
    method: Literal["linear", "gaussian"],
    iou_threshold: float = 0.3,
    sigma: float = 0.5,
    score_threshold: float = 0.001,
    classes: NDArray[Any] | None = None,
) -> tuple[list[int], list[float]]:
    """Pick the highest score, lower the scores of what overlaps it, and so on; everything in double precision.

    Args:
        boxes: `n 4`.
        scores: `n`.
        method: `linear`: s (1 - IoU) where the IoU is above `iou_threshold`; `gaussian`: s exp(-IoU² / sigma).
        iou_threshold: Of `linear`.
        sigma: Of `gaussian`.
        score_threshold: Boxes whose score has sunk below it are dropped.
        classes: `n`; None: all of one.

    Returns:
        Which boxes were picked, and their scores then.
    """
    wide, left = boxes.astype(np.float64), [float(s) for s in scores]
    remaining, picked, final = list(range(len(boxes))), [], []
    while remaining:
        best = max(remaining, key=lambda i: (left[i], -i))
        if left[best] < score_threshold:
            break
        picked.append(best)
        final.append(left[best])
        remaining.remove(best)
        for i in remaining:
            iou = float(_iou(wide[best], wide[i]))
            if classes is not None and classes[i] != classes[best]:
                continue
            if method == "linear" and iou > iou_threshold:
                left[i] *= 1 - iou
            elif method == "gaussian" and iou > 0:
                left[i] *= exp(-iou * iou / sigma)
    return picked, final


def _iou(a: NDArray[Any], b: NDArray[Any]) -> Any:
    """Rounded after every operation to the type of the boxes."""
    zero = a.dtype.type(0)
    with np.errstate(all="ignore"):
        width = max(min(a[2], b[2]) - max(a[0], b[0]), zero)
        height = max(min(a[3], b[3]) - max(a[1], b[1]), zero)
        both = width * height
        return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)
