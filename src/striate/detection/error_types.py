"""What goes wrong, and what each kind of mistake costs.

Of a false alarm let u be its largest IoU with an object of its class, v that with an object of another class, t_f = ½
and t_b = .1. It is

    a duplicate               if u ≥ t_f (another box has found that object)
    a mislocalized object     if t_b ≤ u < t_f
    a misnamed object         if v ≥ t_f
    both                      if t_b ≤ v < t_f
    background                otherwise

and an object is missed if no box found it and none was mislocalized or misnamed on it. What a kind costs is how much
mAP would rise if an oracle mended it: names and places are made right (where another box has found the object already,
or a surer one was mended there, the box is taken away), the others are taken away, missed objects are not asked for.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.detection.box_predictions import BoxPredictions
from striate.detection.overlap_pairs import TouchingBoxes, touching_boxes
from striate.detection.voc_ap import HIT, IGNORED, MISS, BoxMatches, average_precision
from striate.errors import ConfigError

__all__ = ["KINDS", "BoxErrors", "ErrorKind", "error_types"]

KINDS = ("localization", "classification", "both", "duplicate", "background", "missed")
NONE = -1


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """One kind of mistake.

    Attributes:
        name: One of `KINDS`.
        count: How many there are among all boxes, also the least sure.
        kept: How many have at least the score of the threshold; of missed objects, all.
        cost: What mAP would gain without them, from 0 to 1; NaN where nothing is to be found.
    """

    name: str
    count: int
    kept: int
    cost: float


@dataclass(frozen=True, eq=False)
class BoxErrors:
    """The kind of each mistake.

    Attributes:
        kinds: The six, in the order of `KINDS`.
        kind: int8 `d`, for each found box its place in `KINDS`; −1 for hits and for boxes that count neither way.
        truth: int64 `d`, the object that a mislocalized, misnamed or second box lies on; −1 for background.
        overlap: float64 `d`, IoU with it.
        missed: bool `t`, true boxes that are missed.
    """

    kinds: tuple[ErrorKind, ...]
    kind: NDArray[np.int8]
    truth: NDArray[np.int64]
    overlap: NDArray[np.float64]
    missed: NDArray[np.bool_]


def error_types(
    predictions: BoxPredictions,
    matches: BoxMatches,
    threshold: float = 0.0,
    *,
    background: float = 0.1,
    touching: TouchingBoxes | None = None,
) -> BoxErrors:
    """Sort mistakes by their kind, and say what each kind costs.

    Args:
        predictions: What was found, and what is there.
        matches: Of `match_boxes`; its threshold is t_f.
        threshold: Least score of the boxes that `ErrorKind.kept` counts.
        background: t_b, at least 0 and below t_f.
        touching: Of `touching_boxes`, if it is at hand.

    Raises:
        ConfigError: If `background` is out of range.

    Source: Bolya et al. 2020 (TIDE), arXiv 2008.08115, section 2; the kinds go back to Hoiem et al. 2012, ECCV.
    Differs: hits are those of VOC (the object that a box overlaps most, of its class), and mAP is the area by all
        points, not 101. So a box that overlaps objects of its own class and of another enough is a duplicate, where
        TIDE asks for the name first.
    """
    if not 0 <= background < matches.iou:
        raise ConfigError(f"background must be at least 0 and below the IoU of a hit, {matches.iou}, got {background}.")
    pairs = touching_boxes(predictions) if touching is None else touching
    other_truth, other = _best_other(predictions, pairs)
    own = matches.overlap
    false = matches.verdict == MISS
    kind = np.full(len(own), NONE, dtype=np.int8)
    kind[false] = np.select(
        [
            (own >= matches.iou)[false],
            (own >= background)[false] & (own > 0)[false],
            (other >= matches.iou)[false],
            (other >= background)[false] & (other > 0)[false],
        ],
        [_number("duplicate"), _number("localization"), _number("classification"), _number("both")],
        _number("background"),
    )
    by_own = np.isin(kind, [_number("duplicate"), _number("localization")])
    by_other = np.isin(kind, [_number("classification"), _number("both")])
    truth = np.where(by_own, matches.truth, np.where(by_other, other_truth, NONE))
    overlap = np.where(by_own, own, np.where(by_other, other, 0.0))
    hit = np.zeros(len(predictions.truth_boxes), dtype=np.bool_)
    hit[matches.truth[matches.verdict == HIT]] = True
    missed = ~hit & ~predictions.truth_ignored
    missed[truth[np.isin(kind, [_number("localization"), _number("classification")])]] = False

    lost = _Oracle(predictions, matches, kind, truth, hit, missed)
    before = lost.mean_ap(None)
    kept = predictions.scores >= threshold
    found = [
        ErrorKind(
            name=name,
            count=int(missed.sum() if name == "missed" else (kind == number).sum()),
            kept=int(missed.sum() if name == "missed" else ((kind == number) & kept).sum()),
            cost=max(0.0, lost.mean_ap(name) - before) if not np.isnan(before) else float("nan"),
        )
        for number, name in enumerate(KINDS)
    ]
    return BoxErrors(tuple(found), kind, truth, overlap, missed)


def _number(name: str) -> int:
    return KINDS.index(name)


def _best_other(predictions: BoxPredictions, pairs: TouchingBoxes) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The object of another class that each found box overlaps most, and by how much."""
    owner = np.full(len(predictions.boxes), NONE, dtype=np.int64)
    best = np.zeros(len(predictions.boxes))
    other = np.flatnonzero(predictions.classes[pairs.found] != predictions.truth_classes[pairs.truth])
    ranked = other[np.lexsort((pairs.truth[other], -pairs.iou[other], pairs.found[other]))]
    who, first = np.unique(pairs.found[ranked], return_index=True)
    owner[who], best[who] = pairs.truth[ranked[first]], pairs.iou[ranked[first]]
    return owner, best


@dataclass(frozen=True, eq=False)
class _Oracle:
    """mAP after one kind of mistake was mended."""

    predictions: BoxPredictions
    matches: BoxMatches
    kind: NDArray[np.int8]
    truth: NDArray[np.int64]
    hit: NDArray[np.bool_]
    missed: NDArray[np.bool_]

    def mean_ap(self, name: str | None) -> float:
        verdict, classes = self.matches.verdict.copy(), self.predictions.classes.copy()
        positives = self.matches.positives.copy()
        if name == "missed":
            positives -= np.bincount(self.predictions.truth_classes[self.missed], minlength=len(positives))
        elif name is not None:
            wrong = self.kind == _number(name)
            verdict[wrong] = IGNORED
            if name in ("localization", "classification"):
                order = self.matches.order
                mended = order[wrong[order]]
                owner = self.truth[mended]
                mended = mended[~self.hit[owner] & ~self.predictions.truth_ignored[owner]]
                mended = mended[np.unique(self.truth[mended], return_index=True)[1]]  # the surest on each object
                verdict[mended] = HIT
                classes[mended] = self.predictions.truth_classes[self.truth[mended]]
        counted = self.matches.order[verdict[self.matches.order] != IGNORED]
        kinds, hits = classes[counted], verdict[counted] == HIT
        values = [
            average_precision(hits[kinds == number], positive)
            for number, positive in enumerate(positives.tolist())
            if positive
        ]
        return float(np.mean(values)) if values else float("nan")
