"""Soft non-maximum suppression for the CPU: a heap of scores, and a grid that finds the boxes that overlap.

Scores only sink, so a score that once was the key of a box is never too low: the highest key is taken off the heap, and
put back where the box has sunk since. A box that does not overlap another is left as it is by both methods, so only
boxes in the cells around are looked at.
"""

from heapq import heappop, heappush
from math import exp, floor
from typing import Any

import numpy as np

from striate.ops.compiled import Array, compiled

__all__ = ["sink_scores"]


@compiled
def sink_scores(boxes: Array, scores: Array, classes: Array, settings: Any) -> tuple[Array, Array]:
    """Which boxes are picked, in their order, and their scores then.

    Args:
        boxes: `n 4`, float64.
        scores: `n`, float64, no NaN.
        classes: `n`.
        settings: Whether Gaussian, the IoU threshold, sigma, the lowest score.
    """
    gaussian, iou_threshold, sigma, score_threshold = settings
    n = len(boxes)
    left, picked, final = scores.copy(), np.empty(n, np.int64), np.empty(n)
    open_ = np.ones(n, np.bool_)
    begin, members, grid, reach = _cells(boxes)
    heap = [(-scores[i], i) for i in range(0)]
    for i in range(n):
        heappush(heap, (-scores[i], i))
    count = 0
    while len(heap) > 0:
        key, best = heappop(heap)
        if left[best] < score_threshold and -key == left[best]:
            break
        if -key != left[best]:
            heappush(heap, (-left[best], best))
            continue
        open_[best] = False
        picked[count], final[count] = best, left[best]
        count += 1
        x1, y1, x2, y2 = boxes[best]
        if not (np.isfinite(x1) and np.isfinite(y1) and np.isfinite(x2) and np.isfinite(y2)):
            continue
        columns, rows = int(grid[3]), int(grid[4])
        c1, c2 = floor((x1 - reach[0] - grid[0]) / grid[2]), floor((x2 - grid[0]) / grid[2])
        r1, r2 = floor((y1 - reach[1] - grid[1]) / grid[2]), floor((y2 - grid[1]) / grid[2])
        low, high = int(max(c1, 0.0)), int(min(c2, columns - 1.0))
        for r in range(int(max(r1, 0.0)), int(min(r2, rows - 1.0)) + 1):
            for place in range(begin[r * columns + low], begin[r * columns + high + 1]) if low <= high else range(0):
                i = members[place]
                if not open_[i] or classes[i] != classes[best]:
                    continue
                iou = _iou(boxes[best], boxes[i])
                if gaussian and iou > 0:
                    left[i] *= exp(-iou * iou / sigma)
                elif not gaussian and iou > iou_threshold:
                    left[i] *= 1 - iou
    return picked[:count], final[:count]


@compiled
def _iou(a: Array, b: Array) -> Any:
    both = max(min(a[2], b[2]) - max(a[0], b[0]), 0.0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0.0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


@compiled
def _cells(boxes: Array) -> tuple[Array, Array, Array, Array]:
    """Boxes by the cell of their upper left corner: where each cell begins, its boxes; the grid; the largest sides."""
    n = len(boxes)
    finite = np.empty(n, np.bool_)
    low, high, reach = np.full(2, np.inf), np.full(2, -np.inf), np.zeros(2)
    total = 0.0
    for i in range(n):
        finite[i] = np.isfinite(boxes[i]).all()
        if finite[i]:
            for axis in range(2):
                low[axis], high[axis] = min(low[axis], boxes[i, axis]), max(high[axis], boxes[i, axis])
                reach[axis] = max(reach[axis], boxes[i, axis + 2] - boxes[i, axis])
                total += max(boxes[i, axis + 2] - boxes[i, axis], 0.0)
    side = max(total / max(2 * n, 1), 1e-300)
    wide, tall = max(high[0] - low[0], 0.0), max(high[1] - low[1], 0.0)
    while (floor(wide / side) + 1) * (floor(tall / side) + 1) > 4 * n + 16:
        side *= 1.5
    columns, rows = floor(wide / side) + 1, floor(tall / side) + 1
    begin = np.zeros(int(columns * rows) + 1, np.int64)
    cell = np.empty(n, np.int64)
    for i in range(n):
        if finite[i]:
            x, y = floor((boxes[i, 0] - low[0]) / side), floor((boxes[i, 1] - low[1]) / side)
            cell[i] = int(min(y, rows - 1) * columns + min(x, columns - 1))
            begin[cell[i] + 1] += 1
    for c in range(len(begin) - 1):
        begin[c + 1] += begin[c]
    free, members = begin.copy(), np.empty(begin[-1], np.int64)
    for i in range(n):
        if finite[i]:
            members[free[cell[i]]] = i
            free[cell[i]] += 1
    return begin, members, np.array([low[0], low[1], side, float(columns), float(rows)]), reach
