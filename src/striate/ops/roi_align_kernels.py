"""RoI align for the CPU: sampling is separable, so a row of the map is first averaged along x, then rows along y.

    out[p, q] = Σ_y Y[p, y] (Σ_x X[q, x] map[y, x])

Y and X hold each bin's mean of bilinear weights, points that share a pixel added up; the inner sum is made once for a
row, though two bins may want it. Maps lie channels last, and every step is one run over the channels.
"""

# ruff: noqa: PLR0917 - a bundle of arrays costs more than a short loop over them

from math import ceil, floor
from typing import Any

import numpy as np

from striate.ops.compiled import Array, compiled, compiled_fused
from striate.ops.turn_kernels import turn_in, turn_out

__all__ = ["align_regions", "spread_gradients"]


@compiled
def _axis(
    low: Any, high: Any, scale: Any, sampling: int, aligned: bool, size: int, reads: Array, weights: Array
) -> None:
    """What each bin reads along an axis: first place and number of places in `reads`, `bins 2`; their weights.

    Computed in the type of the weights, operation by operation as torchvision does: where a point falls, and how many
    there are, must not depend on a rounding.
    """
    real = weights.dtype.type
    bins = len(reads)
    half = real(0.5) if aligned else real(0)
    start = low * scale - half
    extent = high * scale - half - start
    if not aligned:
        extent = max(extent, real(1))
    step = extent / real(bins)
    points = sampling if sampling > 0 else int(min(max(ceil(float(step)), 0.0), 2.0**40))
    for b in range(bins):
        begin = start + real(b) * step
        reads[b, 0], reads[b, 1] = 0, 0
        skipped = 0
        if step > 0 and begin < -1:  # a region far larger than the map has points without end outside of it
            skipped = int(min(max(floor((-1.0 - float(begin)) * points / float(step) - 1.5), 0.0), float(points)))
        for i in range(skipped, points):
            place = begin + (real(i) + real(0.5)) * step / real(points)
            if place > size and step > 0:
                break
            if place < -1 or place > size:
                continue
            place = min(max(place, real(0)), real(size - 1))
            first = int(place)
            part = place - real(first)
            if reads[b, 1] == 0:
                reads[b, 0] = first
            elif first < reads[b, 0]:  # points run backwards where a region is turned inside out
                shift = reads[b, 0] - first
                for k in range(reads[b, 1] - 1, -1, -1):
                    weights[b, k + shift] = weights[b, k]
                for k in range(min(shift, reads[b, 1])):
                    weights[b, k] = 0
                for k in range(reads[b, 1], shift):
                    weights[b, k] = 0
                reads[b, 0] = first
                reads[b, 1] += shift
            at = first - reads[b, 0]
            last = min(first + 1, size - 1) - reads[b, 0]
            while reads[b, 1] <= last:
                weights[b, reads[b, 1]] = 0
                reads[b, 1] += 1
            weights[b, at] += real(1) - part
            weights[b, last] += part
        for k in range(reads[b, 1]):
            weights[b, k] /= real(points)


@compiled_fused
def align_regions(
    maps: Array, regions: Array, scale: Any, sampling: int, aligned: bool, out: Array, start: int, end: int
) -> None:
    """Write the regions from `start` to before `end`.

    Args:
        maps: `n h w c`.
        regions: `r 5`.
        scale: In the type of the regions.
        sampling: Points a bin and axis; 0 or less: by the bin.
        aligned: Whether a pixel's middle lies at .5.
        out: `r c p q`.
        start: The first region.
        end: The one after the last.
    """
    _, h, w, c = maps.shape
    p, q = out.shape[2], out.shape[3]
    rows, row_weights = np.empty((p, 2), np.int64), np.empty((p, h + 1), maps.dtype)
    columns, column_weights = np.empty((q, 2), np.int64), np.empty((q, w + 1), maps.dtype)
    total = np.empty((p * q, c), maps.dtype)
    ring, held = np.empty((2, q * c), maps.dtype), np.empty(2, np.int64)
    for r in range(start, end):
        n = int(regions[r, 0])
        _axis(regions[r, 2], regions[r, 4], scale, sampling, aligned, h, rows, row_weights)
        _axis(regions[r, 1], regions[r, 3], scale, sampling, aligned, w, columns, column_weights)
        held[:] = -1
        for b in range(p):
            into = total[b * q : (b + 1) * q].reshape(q * c)
            into[:] = 0
            for k in range(rows[b, 1]):
                y = rows[b, 0] + k
                slot = y & 1  # neighboring bins share two neighboring rows at most
                if held[slot] != y:
                    held[slot] = y
                    _average_row(maps[n, y], columns, column_weights, ring[slot])
                _add(into, ring[slot], row_weights[b, k])
        turn_out(total, out[r], 0)


@compiled_fused
def _average_row(row: Array, columns: Array, weights: Array, out: Array) -> None:
    """Σ_x X[q, x] row[x] for every q, into `q c` laid flat; up to four pixels at a time."""
    c = row.shape[1]
    for b in range(len(columns)):
        into = out[b * c : (b + 1) * c]
        x, k, count = columns[b, 0], 0, columns[b, 1]
        if count == 0:
            into[:] = 0
        elif count == 1:
            _set1(into, row[x], weights[b, 0])
            k = 1
        elif count == 2:
            _set2(into, row[x], row[x + 1], weights[b, 0], weights[b, 1])
            k = 2
        else:
            _set3(into, row[x], row[x + 1], row[x + 2], weights[b, 0], weights[b, 1], weights[b, 2])
            k = 3
        while k + 1 < count:
            _add2(into, row[x + k], row[x + k + 1], weights[b, k], weights[b, k + 1])
            k += 2
        if k < count:
            _add(into, row[x + k], weights[b, k])


@compiled_fused
def _set1(into: Array, one: Array, a: Any) -> None:
    for k in range(len(into)):
        into[k] = a * one[k]


@compiled_fused
def _set2(into: Array, one: Array, two: Array, a: Any, b: Any) -> None:
    for k in range(len(into)):
        into[k] = a * one[k] + b * two[k]


@compiled_fused
def _set3(into: Array, one: Array, two: Array, three: Array, a: Any, b: Any, c: Any) -> None:
    for k in range(len(into)):
        into[k] = a * one[k] + b * two[k] + c * three[k]


@compiled_fused
def _add(into: Array, one: Array, a: Any) -> None:
    for k in range(len(into)):
        into[k] += a * one[k]


@compiled_fused
def _add2(into: Array, one: Array, two: Array, a: Any, b: Any) -> None:
    for k in range(len(into)):
        into[k] += a * one[k] + b * two[k]


@compiled_fused
def spread_gradients(
    gradient: Array, regions: Array, scale: Any, sampling: int, aligned: bool, out: Array, start: int, end: int
) -> None:
    """Add each bin's gradient to the pixels that it reads, for the channels from `start` to before `end`.

    Args:
        gradient: `r c p q`.
        regions: `r 5`.
        scale: As `align_regions`.
        sampling: As `align_regions`.
        aligned: As `align_regions`.
        out: `n h w c`, zero.
        start: The first channel.
        end: The one after the last.
    """
    _, h, w, _ = out.shape
    p, q = gradient.shape[2], gradient.shape[3]
    c = end - start
    rows, row_weights = np.empty((p, 2), np.int64), np.empty((p, h + 1), out.dtype)
    columns, column_weights = np.empty((q, 2), np.int64), np.empty((q, w + 1), out.dtype)
    due, row = np.empty((p * q, c), out.dtype), np.empty(q * c, out.dtype)
    for r in range(len(regions)):
        n = int(regions[r, 0])
        _axis(regions[r, 2], regions[r, 4], scale, sampling, aligned, h, rows, row_weights)
        _axis(regions[r, 1], regions[r, 3], scale, sampling, aligned, w, columns, column_weights)
        turn_in(gradient[r], due, start)
        top, bottom = h, 0
        for b in range(p):
            if rows[b, 1] > 0:
                top, bottom = min(top, rows[b, 0]), max(bottom, rows[b, 0] + rows[b, 1])
        for y in range(top, bottom):
            fresh = True
            for b in range(p):
                k = y - rows[b, 0]
                if 0 <= k < rows[b, 1]:
                    bins = due[b * q : (b + 1) * q].reshape(q * c)
                    if fresh:
                        _set1(row, bins, row_weights[b, k])
                    else:
                        _add(row, bins, row_weights[b, k])
                    fresh = False
            if fresh:
                continue
            for b in range(q):
                for k in range(columns[b, 1]):
                    pixel = out[n, y, columns[b, 0] + k, start:end]
                    _add(pixel, row[b * c : (b + 1) * c], column_weights[b, k])
