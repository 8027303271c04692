"""How much boxes overlap that lie on the same picture: every found box with every true one.

    IoU(a, b) = |a ∩ b| / |a ∪ b|,   of a crowd  |a ∩ b| / |a|

Pictures have few boxes each, so a table of all found × all true boxes would be nearly empty. Here the pairs of one
picture (and, where asked, of one class) are listed one after another, in blocks that fit into memory.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.detection.box_predictions import BoxPredictions

__all__ = ["TouchingBoxes", "box_overlaps", "overlap_pairs", "touching_boxes"]

BLOCK = 1_000_000


def box_overlaps(
    first: NDArray[np.floating], second: NDArray[np.floating], *, inclusive: bool = False, crowd: bool = False
) -> NDArray[np.float64]:
    """IoU of the first box of each list, of the second, and so on, `p`, from 0 to 1.

    Args:
        first: `p 4`, `xyxy`.
        second: `p 4`.
        inclusive: Corners are whole pixels that belong to the box, so a side is x2 − x1 + 1 (VOC's devkit); by default
            they are edges, and a side is x2 − x1.
        crowd: The second boxes are crowds: the share of the first that lies inside.

    Returns:
        Computed in float64. Two boxes that both have no area do not overlap.
    """
    a, b, extra = first.astype(np.float64), second.astype(np.float64), float(inclusive)
    sides = np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]) + extra
    shared = np.where((sides > 0).all(1), sides.prod(1), 0.0)
    own, other = ((box[:, 2:] - box[:, :2] + extra).prod(1) for box in (a, b))
    whole = own if crowd else own + other - shared
    return np.asarray(np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0))


def overlap_pairs(
    first_keys: NDArray[np.int64], second_keys: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Rows of all pairs whose keys are equal, in blocks; first by row of `first`, then by row of `second`.

    Args:
        first_keys: `d`, for example the picture of each found box, or picture × k + class.
        second_keys: `t`, the same of each true box.

    Yields:
        Two rows of equal length; all pairs of one row of `first` are in one block.
    """
    order = np.argsort(second_keys, kind="stable")
    keys = second_keys[order]
    begins = np.searchsorted(keys, first_keys, side="left")
    counts = np.searchsorted(keys, first_keys, side="right") - begins
    ends = np.cumsum(counts)
    start = 0
    while start < len(first_keys):
        before = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + BLOCK, side="right")))
        some = counts[start:stop]
        rows = np.repeat(np.arange(start, stop), some)
        inside = np.arange(len(rows)) - np.repeat(np.cumsum(some) - some, some)
        yield rows, order[np.repeat(begins[start:stop], some) + inside]
        start = stop


class TouchingBoxes(NamedTuple):
    """Pairs of a found and a true box on one picture that overlap, of whatever classes; crowds are left out.

    Attributes:
        found: int64 `p`, rows of the found boxes, rising.
        truth: int64 `p`, rows of the true boxes.
        iou: float64 `p`, above 0.
    """

    found: NDArray[np.int64]
    truth: NDArray[np.int64]
    iou: NDArray[np.float64]


def touching_boxes(predictions: BoxPredictions) -> TouchingBoxes:
    """All pairs that overlap."""
    single = np.flatnonzero(~predictions.truth_crowd)
    parts = []
    for rows, columns in overlap_pairs(predictions.found_pictures, predictions.truth_pictures[single]):
        values = box_overlaps(predictions.boxes[rows], predictions.truth_boxes[single[columns]])
        some = values > 0
        parts.append((rows[some], single[columns[some]], values[some]))
    nothing = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    return TouchingBoxes(*(np.concatenate(column) for column in zip(nothing, *parts, strict=True)))
