"""RoI pooling for the CPU: maps lie channels last, so that the maximum of two pixels is one run over the channels.

The bins of a region are made channels last too, in the cache, and turned around as they are written. The backward pass
looks for the winners again instead of keeping them: the first pixel that equals the maximum. Threads share the regions
forward and the channels backward, so that every sum is added up in the order of the regions, whatever their number.
"""

# ruff: noqa: FURB136, PLR0917 - `max` does not say what becomes of NaN; a bundle of arrays costs more than a short loop

from math import ceil, floor, trunc

import numpy as np

from striate.ops.compiled import Array, compiled
from striate.ops.turn_kernels import turn_in, turn_out

__all__ = ["pool_regions", "spread_gradients"]


@compiled
def _rounded(x: float) -> float:
    """Halves away from zero."""
    whole = float(trunc(x))
    if abs(x - whole) >= 0.5:
        whole += 1.0 if x > 0 else -1.0
    return whole


@compiled
def _edges(low: float, high: float, size: int, edges: Array, kind: Array) -> None:
    """First pixel of each bin along an axis, and the one after its last; `kind` has the type that is computed in."""
    bins = len(edges)
    start, end = _rounded(low), _rounded(high)
    step = kind.dtype.type(max(end - start + 1, 1.0)) / kind.dtype.type(bins)
    for b in range(bins):
        first = float(floor(kind.dtype.type(b) * step)) + start
        last = float(ceil(kind.dtype.type(b + 1) * step)) + start
        edges[b, 0] = int(min(max(first, 0.0), float(size)))
        edges[b, 1] = int(min(max(last, 0.0), float(size)))


@compiled
def pool_regions(maps: Array, regions: Array, scale: np.floating, out: Array, start: int, end: int) -> None:
    """Write the regions from `start` to before `end`.

    Args:
        maps: `n h w c`.
        regions: `r 5`.
        scale: In the type of the regions.
        out: `r c p q`.
        start: The first region.
        end: The one after the last.
    """
    _, h, w, c = maps.shape
    p, q = out.shape[2], out.shape[3]
    rows, columns = np.empty((p, 2), np.int64), np.empty((q, 2), np.int64)
    best = np.empty((p * q, c), maps.dtype)
    lowest = np.finfo(maps.dtype).min
    for r in range(start, end):
        n = int(regions[r, 0])
        _edges(regions[r, 2] * scale, regions[r, 4] * scale, h, rows, regions)
        _edges(regions[r, 1] * scale, regions[r, 3] * scale, w, columns, regions)
        for b in range(p * q):
            y1, y2, x1, x2 = rows[b // q, 0], rows[b // q, 1], columns[b % q, 0], columns[b % q, 1]
            if y2 <= y1 or x2 <= x1:
                best[b, :] = 0
                continue
            best[b, :] = lowest
            for y in range(y1, y2):
                _take_larger(best[b], maps[n, y], x1, x2)
        turn_out(best, out[r], 0)


@compiled
def _take_larger(best: Array, row: Array, x1: int, x2: int) -> None:
    """Four pixels at a time, so that what is best so far is read and written less often. NaN is not larger."""
    c = len(best)
    x = x1
    while x + 4 <= x2:
        for k in range(c):
            one, two = row[x, k], row[x + 1, k]
            three, four = row[x + 2, k], row[x + 3, k]
            found = best[k]
            found = one if one > found else found
            found = two if two > found else found
            found = three if three > found else found
            best[k] = four if four > found else found
        x += 4
    while x < x2:
        for k in range(c):
            one, found = row[x, k], best[k]
            best[k] = one if one > found else found
        x += 1


@compiled
def spread_gradients(
    gradient: Array, maps: Array, pooled: Array, regions: Array, scale: np.floating, out: Array, start: int, end: int
) -> None:
    """Add each bin's gradient to the first of its largest pixels, for the channels from `start` to before `end`.

    Args:
        gradient: `r c p q`.
        maps: `n h w c`.
        pooled: `r c p q`, what was found.
        regions: `r 5`.
        scale: In the type of the regions.
        out: `n h w c`, zero.
        start: The first channel.
        end: The one after the last.
    """
    _, h, w, _ = maps.shape
    p, q = gradient.shape[2], gradient.shape[3]
    rows, columns = np.empty((p, 2), np.int64), np.empty((q, 2), np.int64)
    due, best = np.empty((p * q, end - start), maps.dtype), np.empty((p * q, end - start), maps.dtype)
    lowest, zero = np.finfo(maps.dtype).min, maps.dtype.type(0)
    for r in range(len(regions)):
        n = int(regions[r, 0])
        _edges(regions[r, 2] * scale, regions[r, 4] * scale, h, rows, regions)
        _edges(regions[r, 1] * scale, regions[r, 3] * scale, w, columns, regions)
        turn_in(pooled[r], best, start)
        turn_in(gradient[r], due, start)
        for b in range(p * q):
            for k in range(end - start):
                due[b, k] = due[b, k] if best[b, k] > lowest else zero  # nothing had won
            for y in range(rows[b // q, 0], rows[b // q, 1]):
                for x in range(columns[b % q, 0], columns[b % q, 1]):
                    _pay(out[n, y, x, start:end], maps[n, y, x, start:end], best[b], due[b])


@compiled
def _pay(out: Array, pixel: Array, best: Array, due: Array) -> None:
    zero = due.dtype.type(0)
    for k in range(len(out)):
        won = pixel[k] == best[k]
        out[k] += due[k] if won else zero
        due[k] = zero if won else due[k]
