"""What is taken for what: a confusion matrix of boxes, with a row for what is no object and a column for nothing."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.detection.box_predictions import BoxPredictions
from striate.detection.overlap_pairs import TouchingBoxes, touching_boxes
from striate.detection.voc_ap import HIT, IGNORED, BoxMatches

__all__ = ["BoxConfusion", "confuse_boxes"]


@dataclass(frozen=True, eq=False)
class BoxConfusion:
    """Counts at one threshold of the score.

    Attributes:
        counts: int64 `k + 2, k + 1`. Rows 0 … k − 1: objects of each class; row k: background, where nothing is; row
            k + 1: second boxes on objects that another box has found. Columns 0 … k − 1: boxes of each class; column k:
            objects that no box was given to.
        threshold: Boxes with a lower score are left out.
        iou: How much a box and an object must overlap to belong together.
    """

    counts: NDArray[np.int64]
    threshold: float
    iou: float

    @property
    def missed(self) -> NDArray[np.int64]:
        """`k`, objects that no box was given to."""
        return self.counts[:-2, -1]

    @property
    def background(self) -> NDArray[np.int64]:
        """`k`, boxes where nothing is."""
        return self.counts[-2, :-1]

    @property
    def again(self) -> NDArray[np.int64]:
        """`k`, second boxes on objects that were found."""
        return self.counts[-1, :-1]

    def pairs(self) -> list[tuple[int, int, int]]:
        """`(class there, class found, how often)` of objects given a wrong name, the most frequent first."""
        wrong = self.counts[:-2, :-1].copy()
        np.fill_diagonal(wrong, 0)
        rows, columns = np.nonzero(wrong)
        found = [(int(a), int(b), int(wrong[a, b])) for a, b in zip(rows, columns, strict=True)]
        return sorted(found, key=lambda one: (-one[2], one[:2]))


def confuse_boxes(
    predictions: BoxPredictions,
    matches: BoxMatches,
    threshold: float,
    *,
    touching: TouchingBoxes | None = None,
) -> BoxConfusion:
    """Give each object at most one box, and each box at most one object.

    Hits of average precision stand on the diagonal. Of the other boxes, the surest first, each takes the object of
    another class that it overlaps most among those that are still free, if by `matches.iou`. What is left over is a
    second box where it overlaps any object as much, else background. Boxes that count neither way in average precision
    do not here.

    Args:
        predictions: What was found, and what is there.
        matches: Of `match_boxes`.
        threshold: The least score.
        touching: Of `touching_boxes`, if it is at hand.
    """
    classes = len(predictions.labels)
    pairs = touching_boxes(predictions) if touching is None else touching
    counts = np.zeros((classes + 2, classes + 1), dtype=np.int64)
    seen = (predictions.scores >= threshold) & (matches.verdict != IGNORED)
    hits = np.flatnonzero(seen & (matches.verdict == HIT))
    np.add.at(counts, (predictions.truth_classes[matches.truth[hits]], predictions.classes[hits]), 1)
    free = ~predictions.truth_ignored
    free[matches.truth[hits]] = False
    over = seen & (matches.verdict != HIT)

    close = over[pairs.found] & (pairs.iou >= matches.iou)
    found, truth, iou = pairs.found[close], pairs.truth[close], pairs.iou[close]
    on_object = np.zeros(len(over), dtype=np.bool_)
    on_object[found[~predictions.truth_ignored[truth]]] = True
    named = np.zeros(len(over), dtype=np.bool_)
    other = predictions.classes[found] != predictions.truth_classes[truth]
    rank = np.empty(len(over), dtype=np.int64)
    rank[matches.order] = np.arange(len(over))
    order = np.lexsort((truth[other], -iou[other], rank[found[other]]))
    for row, column in zip(found[other][order].tolist(), truth[other][order].tolist(), strict=True):
        if free[column] and not named[row]:
            free[column], named[row] = False, True
            counts[predictions.truth_classes[column], predictions.classes[row]] += 1
    left = over & ~named
    counts[classes, :classes] = np.bincount(predictions.classes[left & ~on_object], minlength=classes)
    counts[classes + 1, :classes] = np.bincount(predictions.classes[left & on_object], minlength=classes)
    counts[:classes, classes] = np.bincount(predictions.truth_classes[free], minlength=classes)
    return BoxConfusion(counts, float(threshold), matches.iou)
