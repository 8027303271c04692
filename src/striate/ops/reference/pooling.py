"""Pooling, by the formula and nothing else."""

from collections.abc import Sequence
from itertools import product
from math import isnan
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["pool"]


def pool(
    input: NDArray[Any],
    kernel_size: Sequence[int],
    *,
    kind: Literal["max", "min", "average", "lp"],
    stride: Sequence[int],
    padding: Sequence[tuple[int, int]],
    dilation: Sequence[int],
    ceil_mode: bool = False,
    count_padding: bool = True,
    p: float = 2.0,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The function `kind` of all I[n, c, y·s + k·d − p] that lie in the map; and where the largest or smallest was.

    Args:
        input: Maps, `n c` and the axes of space.
        kernel_size: f, one number an axis.
        kind: What is made of the numbers.
        stride: s, one number an axis.
        padding: p before and after, for each axis.
        dilation: d, one number an axis.
        ceil_mode: Whether a last window that hangs over the end counts, if it starts in the map or the padding before.
        count_padding: Whether an average divides by the places of the padding too.
        p: The power of `lp`.

    Returns:
        The numbers, and for each the place of its winner in the flattened map (the first of several; -1 without one).
    """
    n, c, *size = input.shape
    out_size = []
    for i, f, s, (before, after), d in zip(size, kernel_size, stride, padding, dilation, strict=True):
        start, starts = -before, 0
        while start + d * (f - 1) < i + after or (ceil_mode and start < i and start - s + d * (f - 1) < i + after - 1):
            starts += 1
            start += s
        out_size.append(starts)
    values = np.zeros((n, c, *out_size))
    winners = np.full((n, c, *out_size), -1, dtype=np.int64)
    for picture, channel, *place in product(range(n), range(c), *map(range, out_size)):
        seen: list[float] = []
        where: list[list[int]] = []
        counted = 0
        for tap in product(*map(range, kernel_size)):
            at = [y * s + k * d - q[0] for y, s, k, d, q in zip(place, stride, tap, dilation, padding, strict=True)]
            counted += all(-q[0] <= a < i + q[1] for a, i, q in zip(at, size, padding, strict=True))
            if all(0 <= a < i for a, i in zip(at, size, strict=True)):
                seen.append(float(input[picture, channel, *at]))
                where.append(at)
        if kind == "average":
            value = sum(seen) / (counted if count_padding else len(seen))
        elif kind == "lp":
            value = sum(abs(x) ** p for x in seen) ** (1 / p)
        else:
            value, winner = _winner(seen, largest=kind == "max")
            if winner is not None:
                winners[picture, channel, *place] = np.ravel_multi_index(where[winner], size)
        values[picture, channel, *place] = value
    return values, winners


def _winner(seen: list[float], *, largest: bool) -> tuple[float, int | None]:
    """The winning number and which it is, the first of several; one that is not a number wins."""
    best, winner = (-float("inf") if largest else float("inf")), None
    for number, value in enumerate(seen):
        better = value > best if largest else value < best
        if better or winner is None or isnan(value):
            best, winner = value, number
        if isnan(value):
            break
    return best, winner
