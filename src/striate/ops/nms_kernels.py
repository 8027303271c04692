"""Non-maximum suppression for the CPU: a box that stays meets only boxes that could overlap it enough.

From IoU > t follows that the smaller of two widths is more than t times the larger (heights alike), and that the left
edges are less than 1 - t of a width apart. So boxes are put into levels by size, each level into a grid by its upper
left corners, and lie in memory cell by cell: a row of cells is one run, which is walked without a branch.

None of that decides: it leaves out what cannot be removed, with a margin a thousand times as wide as rounding. In a
run, inter > t·union is asked with a margin on both sides; where an answer lies within, the quotient is rounded as
torchvision rounds it, and compared in double precision.
"""

# ruff: noqa: PLR0917 - a bundle of arrays costs more than a short loop over them

from math import floor, log2
from typing import Any

import numpy as np

from striate.ops.compiled import Array, compiled

__all__ = ["keep_sorted", "limits"]

_LEVELS = 40
_FEW = 2048
_MARGIN = 1e-4
_APART = 1 << 40
"""The level of boxes that meet nothing."""


def limits(threshold: float, dtype: np.dtype[Any]) -> tuple[float, Any, Any, float]:
    """The threshold; factors of the union below and above which a product decides; areas too small for products."""
    low, high = (threshold * (1 - 1e-5), threshold * (1 + 1e-5)) if threshold >= 1e-6 else (0.0, 1e-5)
    return threshold, dtype.type(low), dtype.type(high), float(np.finfo(dtype).tiny) * 1e8


@compiled
def keep_sorted(corners: Array, starts: Array, limits: Any) -> Array:
    """Which boxes stay, as `n` booleans.

    Args:
        corners: `4 n`: left, top, right, bottom; the surest first within each class.
        starts: Where each class starts, and n at the end.
        limits: Of `limits`, for the type of the corners.
    """
    area = (corners[2] - corners[0]) * (corners[3] - corners[1])
    keep = np.zeros(corners.shape[1], np.bool_)
    for k in range(len(starts) - 1):
        start, end = starts[k], starts[k + 1]
        one = (
            corners[0, start:end],
            corners[1, start:end],
            corners[2, start:end],
            corners[3, start:end],
            area[start:end],
        )
        products, union_may_be_negative = limits[0] >= 0, False
        for a in one[4]:
            products = products and not 0 < a < limits[3]
            union_may_be_negative |= a < 0
        if not products or end - start <= _FEW:
            _each_with_all(one, keep[start:end], limits, products and not union_may_be_negative)
        else:
            _each_with_near(one, keep[start:end], limits)
    return keep


@compiled
def _each_with_all(boxes: Any, keep: Array, limits: Any, products: bool) -> None:
    n = len(keep)
    dead = np.zeros(n, np.uint8)
    for i in range(n):
        if not dead[i]:
            keep[i] = True
            if products:
                _mark(boxes, dead, i + 1, n, _box(boxes, i), limits)
            else:
                _mark_exactly(boxes, dead, i + 1, n, _box(boxes, i), limits)


@compiled
def _box(boxes: Any, i: int) -> Any:
    return boxes[0][i], boxes[1][i], boxes[2][i], boxes[3][i], boxes[4][i]


@compiled
def _mark(boxes: Any, dead: Array, start: int, end: int, box: Any, limits: Any) -> None:
    """Mark what a box removes of a run."""
    left, top, right, bottom, area = boxes
    x1, y1, x2, y2, a = box
    _, low, high, _ = limits
    zero = low - low  # a plain 0 would make double precision of all that follows
    unsure = False
    # Unsigned: a place that may be negative is counted from the end, and no loop with that choice is vectorized.
    for j in range(np.uintp(start), np.uintp(end)):
        width = min(right[j], x2) - max(left[j], x1)
        height = min(bottom[j], y2) - max(top[j], y1)
        inter = max(width, zero) * max(height, zero)
        union = a + area[j] - inter
        sure = inter > high * union
        unsure |= sure != (inter > low * union)
        dead[j] |= sure
    if unsure:
        _mark_exactly(boxes, dead, start, end, box, limits)


@compiled
def _mark_exactly(boxes: Any, dead: Array, start: int, end: int, box: Any, limits: Any) -> None:
    left, top, right, bottom, area = boxes
    x1, y1, x2, y2, a = box
    threshold, low, _, _ = limits
    zero = low - low
    for j in range(np.uintp(start), np.uintp(end)):
        width = min(right[j], x2) - max(left[j], x1)
        height = min(bottom[j], y2) - max(top[j], y1)
        inter = max(width, zero) * max(height, zero)
        dead[j] |= inter / (a + area[j] - inter) > threshold


@compiled
def _exponents(boxes: Any) -> Array:
    """The e of each box whose longer side lies from 2^e to 2^(e+1); `_APART` where it meets nothing, and stays.

    That is a box without area, and one whose area is no finite number: its quotients are 0, or none.
    """
    left, top, right, bottom, area = boxes
    found = np.full(len(area), _APART, np.int64)
    for i in range(len(area)):
        width, height = float(right[i]) - float(left[i]), float(bottom[i]) - float(top[i])
        if area[i] > 0 and area[i] < np.inf and width > 0 and height > 0:
            found[i] = floor(log2(max(width, height)))
    return found


@compiled
def _grids(boxes: Any, level: Array, size: Array) -> tuple[Array, Array]:
    """For each level: left, top, side of a cell, columns, rows, first cell; and the cell of each box."""
    left, top = boxes[0], boxes[1]
    count = np.zeros(_LEVELS, np.int64)
    grid = np.zeros((_LEVELS, 6))
    ends = np.full((_LEVELS, 2), -np.inf)
    grid[:, :2] = np.inf
    for i in range(len(level)):
        k = level[i]
        if k >= 0:
            count[k] += 1
            grid[k, 0], ends[k, 0] = min(grid[k, 0], left[i]), max(ends[k, 0], left[i])
            grid[k, 1], ends[k, 1] = min(grid[k, 1], top[i]), max(ends[k, 1], top[i])
    cells = 0.0
    for k in range(_LEVELS):
        if count[k] > 0:
            side = size[k] * 0.5
            wide, tall = ends[k, 0] - grid[k, 0], ends[k, 1] - grid[k, 1]
            while (floor(wide / side) + 1) * (floor(tall / side) + 1) > 2 * count[k] + 16:
                side *= 1.5  # a far stray box must not make an empty plane of cells
            grid[k, 2], grid[k, 3], grid[k, 4], grid[k, 5] = side, floor(wide / side) + 1, floor(tall / side) + 1, cells
            cells += grid[k, 3] * grid[k, 4]
    cell = np.empty(len(level), np.int64)
    for i in range(len(level)):
        k = level[i]
        if k >= 0:
            x, y = floor((left[i] - grid[k, 0]) / grid[k, 2]), floor((top[i] - grid[k, 1]) / grid[k, 2])
            cell[i] = int(grid[k, 5] + min(y, grid[k, 4] - 1) * grid[k, 3] + min(x, grid[k, 3] - 1))
    return grid, cell


@compiled
def _each_with_near(boxes: Any, keep: Array, limits: Any) -> None:
    n = len(keep)
    level = _exponents(boxes)
    highest = -_APART
    for e in level:
        if e != _APART:
            highest = max(highest, e)
    for i in range(n):
        keep[i] = level[i] == _APART
        level[i] = -1 if keep[i] else max(level[i] - highest + _LEVELS - 1, 0)
    size = np.empty(_LEVELS)  # no side of a level's boxes is longer
    for k in range(_LEVELS):
        size[k] = 2.0 ** (highest - _LEVELS + 2 + k) * (1 + _MARGIN)
    grid, cell = _grids(boxes, level, size)

    # Boxes lie cell by cell: `begin` says where each cell starts, `cell` becomes the place of each box.
    cells = int((grid[:, 3] * grid[:, 4]).sum())
    begin = np.zeros(cells + 1, np.int64)
    for i in range(n):
        if level[i] >= 0:
            begin[cell[i] + 1] += 1
    for c in range(cells):
        begin[c + 1] += begin[c]
    free = begin.copy()
    sorted_rows = np.empty((5, begin[cells]), boxes[0].dtype)
    for i in range(n):
        if level[i] >= 0:
            place = free[cell[i]]
            free[cell[i]] += 1
            cell[i] = place
            for row in range(5):
                sorted_rows[row, place] = boxes[row][i]
    placed = (sorted_rows[0], sorted_rows[1], sorted_rows[2], sorted_rows[3], sorted_rows[4])
    dead = np.zeros(begin[cells], np.uint8)

    for i in range(n):
        if level[i] < 0 or dead[cell[i]]:
            continue
        keep[i] = True
        box = _box(boxes, i)
        # What is marked among boxes that came before no longer counts; nor does the box's own mark.
        for k in range(_LEVELS):
            if grid[k, 3] > 0:
                _mark_level(placed, dead, begin, box, grid, size, k, limits)


@compiled
def _mark_level(boxes: Any, dead: Array, begin: Array, box: Any, grid: Array, size: Array, k: int, limits: Any) -> None:
    """Mark what a box removes of one level: the runs of cells in which a corner can lie."""
    x1, y1 = float(box[0]), float(box[1])
    width, height = float(box[2]) - x1, float(box[3]) - y1
    t = limits[0] * (1 - _MARGIN)
    shift = max(1 - t, _MARGIN)
    most, least = size[k], 0.5 * size[k] * (1 - 2 * _MARGIN) if k > 0 else 0.0
    longest = max(width, height)
    if most <= t * longest or t * least >= longest:
        return
    widest, tallest = (min(width / t, most), min(height / t, most)) if t > 0 else (most, most)
    left, top, side, columns, rows, first = grid[k, 0], grid[k, 1], grid[k, 2], grid[k, 3], grid[k, 4], grid[k, 5]
    c1, c2 = floor((x1 - widest * shift - left) / side), floor((x1 + width * shift - left) / side)
    r1, r2 = floor((y1 - tallest * shift - top) / side), floor((y1 + height * shift - top) / side)
    if c2 < 0 or r2 < 0 or c1 >= columns or r1 >= rows:
        return
    c1, c2 = max(c1, 0.0), min(c2, columns - 1)
    for r in range(int(max(r1, 0.0)), int(min(r2, rows - 1)) + 1):
        row = first + r * columns
        start, end = begin[int(row + c1)], begin[int(row + c2) + 1]
        if start < end:
            _mark(boxes, dead, start, end, box, limits)
