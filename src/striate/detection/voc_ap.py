"""Average precision as the PASCAL VOC development kit computes it.

Of one class, over all pictures, the found boxes are taken one by one, the surest first. Each belongs to the true box of
its class and picture that it overlaps most, and to no other: if IoU ≥ ½ and nothing took that box before, it is a hit;
if the box is marked difficult, it counts neither way; else it is a false alarm, also where it found an object for the
second time. After each box

    precision = hits / (hits + false alarms)        recall = hits / true boxes that are not difficult

and average precision is the area under precision against recall, where precision is first replaced by the best that
still comes (all points, VOC 2010 to 2012), or the mean of that at recall 0, .1, …, 1 (11 points, VOC 2007).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from striate.detection.box_predictions import BoxPredictions
from striate.detection.overlap_pairs import box_overlaps, overlap_pairs
from striate.errors import ConfigError

__all__ = [
    "BoxMatches",
    "average_precision",
    "class_average_precision",
    "match_boxes",
    "mean_average_precision",
]

Rule = Literal["all-point", "11-point"]
HIT, MISS, IGNORED = 1, 0, -1
ELEVEN = np.arange(11) * 0.1
"""0:0.1:1 as the kit's Python versions have it: 3 · 0.1 is above 3 / 10, so a recall of .3 does not reach it."""


@dataclass(frozen=True, eq=False)
class BoxMatches:
    """What became of each of `d` found boxes.

    Attributes:
        verdict: int8 `d`: 1 for a hit, 0 for a false alarm, −1 where it counts neither way.
        truth: int64 `d`, the true box of its class and picture that it overlaps most, of equal ones the first; −1
            where it overlaps none.
        overlap: float64 `d`, their IoU.
        order: int64 `d`, rows of the found boxes, the surest first; equal scores keep their order.
        positives: int64 `k`, true boxes of each class that are to be found.
        iou: The threshold.
    """

    verdict: NDArray[np.int8]
    truth: NDArray[np.int64]
    overlap: NDArray[np.float64]
    order: NDArray[np.int64]
    positives: NDArray[np.int64]
    iou: float


def match_boxes(predictions: BoxPredictions, *, iou: float = 0.5, inclusive: bool = False) -> BoxMatches:
    """Which found boxes are hits, by the kit's rule.

    Args:
        predictions: What was found, and what is there.
        iou: The least IoU of a hit, above 0, at most 1; equal is enough.
        inclusive: Corners name pixels that belong to the box (the kit's own files). Boxes of this house are edges: the
            readers of VOC have made xmin … xmax into xmin − 1 … xmax, whose difference is the kit's width. So the
            default gives the kit's numbers for them.

    Raises:
        ConfigError: If `iou` is out of range.

    Source: Everingham et al. 2010, IJCV 88, section 4.2; VOCevaldet.m.
    Differs: boxes of equal score keep their order, where other versions leave it to the sorting algorithm. The kit
        knows no crowds; as in COCO, a false alarm of which the share `iou` lies in a crowd of its class counts neither
        way.
    """
    if not 0 < iou <= 1:
        raise ConfigError(f"iou must lie above 0 and be at most 1, got {iou}.")
    classes = len(predictions.labels)
    keys = predictions.found_pictures * classes + predictions.classes
    truth_keys = predictions.truth_pictures * classes + predictions.truth_classes
    single = np.flatnonzero(~predictions.truth_crowd)
    best = np.zeros(len(keys))
    owner = np.full(len(keys), -1, dtype=np.int64)
    for rows, columns in overlap_pairs(keys, truth_keys[single]):
        values = box_overlaps(predictions.boxes[rows], predictions.truth_boxes[single[columns]], inclusive=inclusive)
        touching = np.flatnonzero(values > 0)
        # Of each box the largest overlap comes first, of equal ones the earlier.
        ranked = touching[np.lexsort((columns[touching], -values[touching], rows[touching]))]
        who, first = np.unique(rows[ranked], return_index=True)
        owner[who], best[who] = single[columns[ranked[first]]], values[ranked[first]]
    order = np.argsort(-predictions.scores, kind="stable")
    verdict = np.full(len(best), MISS, dtype=np.int8)
    close = (owner >= 0) & (best >= iou)
    ignored = predictions.truth_ignored
    verdict[close] = np.where(ignored[owner[close]], IGNORED, MISS)
    claims = order[(close & (verdict != IGNORED))[order]]
    verdict[claims[np.unique(owner[claims], return_index=True)[1]]] = HIT
    crowds = np.flatnonzero(predictions.truth_crowd)
    for rows, columns in overlap_pairs(keys, truth_keys[crowds]):
        share = box_overlaps(
            predictions.boxes[rows], predictions.truth_boxes[crowds[columns]], inclusive=inclusive, crowd=True
        )
        inside = rows[share >= iou]
        verdict[inside[verdict[inside] == MISS]] = IGNORED
    positives = np.bincount(predictions.truth_classes[~ignored], minlength=classes).astype(np.int64)
    return BoxMatches(verdict, owner, best, order, positives, iou)


def average_precision(hits: NDArray[np.bool_], positives: int, *, rule: Rule = "all-point") -> float:
    """Average precision of one class, from 0 to 1; NaN where there is nothing to find.

    Args:
        hits: bool `d`, whether each found box is a hit, the surest first; boxes that count neither way left out.
        positives: How many objects there are to find.
        rule: `all-point` (VOC 2010 and later) or `11-point` (VOC 2007).

    Raises:
        ConfigError: For another rule.

    >>> average_precision(np.array([True, False, True]), 2)
    0.8333333333333333
    """
    if rule not in ("all-point", "11-point"):
        raise ConfigError(f"rule must be 'all-point' or '11-point', got {rule!r}.")
    if not positives:
        return float("nan")
    found = np.cumsum(hits)
    precision = found / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    recall = found / positives
    if rule == "11-point":
        places = np.searchsorted(recall, ELEVEN, side="left")
        return float(np.append(envelope, 0.0)[places].sum() / 11)
    return float(envelope[hits].sum() / positives)


def class_average_precision(
    predictions: BoxPredictions, *, iou: float = 0.5, rule: Rule = "all-point", inclusive: bool = False
) -> dict[str, float]:
    """Average precision of every class, by its name; NaN for classes of which no object is to be found.

    Raises:
        ConfigError: As `match_boxes` and `average_precision`.
    """
    matches = match_boxes(predictions, iou=iou, inclusive=inclusive)
    counted = matches.order[matches.verdict[matches.order] != IGNORED]
    classes, hits = predictions.classes[counted], matches.verdict[counted] == HIT
    return {
        label: average_precision(hits[classes == number], int(matches.positives[number]), rule=rule)
        for number, label in enumerate(predictions.labels)
    }


def mean_average_precision(
    predictions: BoxPredictions, *, iou: float = 0.5, rule: Rule = "all-point", inclusive: bool = False
) -> float:
    """The mean of the classes' average precisions, from 0 to 1; classes of which nothing is to be found are left out.

    Args:
        predictions: What was found, and what is there.
        iou: The least IoU of a hit.
        rule: `all-point` (VOC 2010 and later) or `11-point` (VOC 2007).
        inclusive: As in `match_boxes`.

    Returns:
        NaN if nothing is to be found at all.

    Raises:
        ConfigError: As `match_boxes` and `average_precision`.

    >>> from striate.data.detections import Detections
    >>> there = Detections.of([[10, 10, 50, 50]], [0], ["cat", "dog"])
    >>> found = Detections.of([[12, 10, 50, 52], [0, 0, 9, 9]], [0, 1], ["cat", "dog"], scores=[0.9, 0.2])
    >>> mean_average_precision(BoxPredictions.of([found], [there], ["a.jpg"]))
    1.0
    """
    values = np.array([*class_average_precision(predictions, iou=iou, rule=rule, inclusive=inclusive).values()])
    return float(values[~np.isnan(values)].mean()) if (~np.isnan(values)).any() else float("nan")
