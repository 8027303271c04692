"""How well proposals cover the objects: what no classifier behind them can make good."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.data.detections import Detections
from striate.errors import ConfigError, ShapeError

__all__ = ["ProposalRecall", "best_overlaps", "proposal_recall"]

Boxes = NDArray[np.float32]


@dataclass(frozen=True)
class ProposalRecall:
    """How well proposals cover the objects of a set of pictures.

    Attributes:
        recall: IoU threshold → share of the objects that a proposal overlaps at least so much.
        mabo: Mean over the classes of the mean best overlap of their objects, in [0, 1] (Uijlings et al., equation 10).
        abo: The mean best overlap of each class by its label, for classes with objects.
        boxes: Proposals a picture, in the mean.
        objects: Objects that were counted; difficult ones and crowds are not.
    """

    recall: dict[float, float]
    mabo: float
    abo: dict[str, float]
    boxes: float
    objects: int


def proposal_recall(
    proposals: Sequence[Boxes], truth: Sequence[Detections], *, thresholds: Sequence[float] = (0.5, 0.7, 0.9)
) -> ProposalRecall:
    """Compare the proposals of some pictures, each `r 4` in `xyxy`, with the objects marked on them.

    Raises:
        ShapeError: If there are not as many lists of proposals as pictures.
        ConfigError: If a threshold is outside (0, 1], or there is no object.
    """
    if len(proposals) != len(truth):
        raise ShapeError(f"proposal_recall: {len(proposals)} lists of proposals, but {len(truth)} pictures.")
    if any(not 0 < threshold <= 1 for threshold in thresholds):
        raise ConfigError(f"proposal_recall: thresholds must be in (0, 1], got {tuple(thresholds)}.")
    best, classes = [], []
    for boxes, marked in zip(proposals, truth, strict=True):
        counted = marked.pick(~(marked.difficult | marked.crowd))
        best.append(best_overlaps(counted.boxes, boxes))
        classes.append(counted.classes)
    overlaps = np.concatenate([np.zeros(0), *best])
    of_class = np.concatenate([np.zeros(0, np.int64), *classes])
    if not len(overlaps):
        raise ConfigError("proposal_recall: no picture has an object that counts, so there is nothing to recall.")
    labels = truth[0].labels
    abo = {labels[k]: float(overlaps[of_class == k].mean()) for k in np.unique(of_class).tolist()}
    return ProposalRecall(
        recall={threshold: float((overlaps >= threshold).mean()) for threshold in thresholds},
        mabo=float(np.mean(list(abo.values()))),
        abo=abo,
        boxes=float(np.mean([len(boxes) for boxes in proposals])),
        objects=len(overlaps),
    )


def best_overlaps(objects: Boxes, boxes: Boxes) -> NDArray[np.float64]:
    """The largest IoU of each of `m` objects with any of `r` boxes, all `xyxy`; 0 where there is no box."""
    best = np.zeros(len(objects))
    if len(boxes):
        theirs = boxes.astype(np.float64)
        areas = (theirs[:, 2:] - theirs[:, :2]).prod(1)
        for number, one in enumerate(objects.astype(np.float64)):
            sides = np.minimum(theirs[:, 2:], one[2:]) - np.maximum(theirs[:, :2], one[:2])
            inter = np.maximum(sides, 0.0).prod(1)
            union = areas + (one[2:] - one[:2]).prod() - inter
            best[number] = (inter / np.where(union > 0, union, 1.0)).max()
    return best
