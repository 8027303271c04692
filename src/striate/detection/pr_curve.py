"""Precision against recall: what a detector gives at every threshold of its scores, and where to set the threshold."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.detection.box_predictions import BoxPredictions
from striate.detection.voc_ap import HIT, IGNORED, BoxMatches

__all__ = ["OperatingPoint", "PrecisionRecall", "class_curves", "operating_point", "pooled_curve"]


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """What a threshold gives: boxes whose score is at least `threshold` are kept.

    Attributes:
        threshold: Of the score.
        hits: Boxes kept that are right.
        kept: Boxes kept, without those that count neither way.
        positives: Objects that are to be found.
    """

    threshold: float
    hits: int
    kept: int
    positives: int

    @property
    def precision(self) -> float:
        """`hits / kept`; NaN where nothing is kept."""
        return self.hits / self.kept if self.kept else float("nan")

    @property
    def recall(self) -> float:
        """`hits / positives`; NaN where nothing is to be found."""
        return self.hits / self.positives if self.positives else float("nan")

    @property
    def f1(self) -> float:
        """Harmonic mean of both, `2 hits / (kept + positives)`."""
        both = self.kept + self.positives
        return 2 * self.hits / both if both else float("nan")


@dataclass(frozen=True, eq=False)
class PrecisionRecall:
    """A curve of one class, or of all pooled: one value for each of `m` found boxes that count, the surest first.

    Attributes:
        scores: float32 `m`, falling.
        hits: bool `m`.
        positives: Objects that are to be found.
    """

    scores: NDArray[np.float32]
    hits: NDArray[np.bool_]
    positives: int

    @property
    def precision(self) -> NDArray[np.float64]:
        """`m`, the share of the boxes up to here that are hits."""
        return np.asarray(np.cumsum(self.hits) / np.arange(1, len(self.hits) + 1))

    @property
    def envelope(self) -> NDArray[np.float64]:
        """`m`, the best precision from here on: what average precision is the area of."""
        return np.asarray(np.maximum.accumulate(self.precision[::-1])[::-1])

    @property
    def recall(self) -> NDArray[np.float64]:
        """`m`, the share of the objects found up to here; NaN where there are none."""
        return np.cumsum(self.hits) / self.positives if self.positives else np.full(len(self.hits), np.nan)

    def at(self, threshold: float) -> OperatingPoint:
        """What is kept at a threshold."""
        kept = int(np.searchsorted(-self.scores, -np.float32(threshold), side="right"))
        return OperatingPoint(float(threshold), int(self.hits[:kept].sum()), kept, self.positives)

    def best(self) -> OperatingPoint:
        """The threshold with the highest F1, of equal ones the highest; it keeps nothing where there are no hits."""
        if not self.hits.any():
            return OperatingPoint(float("inf"), 0, 0, self.positives)
        f1 = 2 * np.cumsum(self.hits) / (np.arange(1, len(self.hits) + 1) + self.positives)
        last = np.append(self.scores[1:] != self.scores[:-1], True)  # equal scores are kept or left together
        return self.at(float(self.scores[int(np.where(last, f1, -1.0).argmax())]))


def class_curves(predictions: BoxPredictions, matches: BoxMatches) -> tuple[PrecisionRecall, ...]:
    """The curve of each of the `k` classes."""
    counted = matches.order[matches.verdict[matches.order] != IGNORED]
    kinds = predictions.classes[counted]
    curves = []
    for number, positives in enumerate(matches.positives.tolist()):
        rows = counted[kinds == number]
        curves.append(PrecisionRecall(predictions.scores[rows], matches.verdict[rows] == HIT, positives))
    return tuple(curves)


def pooled_curve(predictions: BoxPredictions, matches: BoxMatches) -> PrecisionRecall:
    """The curve of all boxes of all classes, each counted once."""
    counted = matches.order[matches.verdict[matches.order] != IGNORED]
    positives = int(matches.positives.sum())
    return PrecisionRecall(predictions.scores[counted], matches.verdict[counted] == HIT, positives)


def operating_point(predictions: BoxPredictions, matches: BoxMatches) -> OperatingPoint:
    """The threshold of the score, one for all classes, with the highest F1 of all boxes.

    It is chosen on these pictures, so precision and recall at it are a little too good for others.
    """
    return pooled_curve(predictions, matches).best()
