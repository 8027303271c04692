"""Convolution, by the formula and nothing else."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["convolution", "cross_correlation", "transposed_convolution"]


def cross_correlation(
    input: NDArray[Any],
    weight: NDArray[Any],
    bias: NDArray[Any] | None = None,
    *,
    stride: Sequence[int],
    padding: Sequence[tuple[int, int]],
    dilation: Sequence[int],
    groups: int = 1,
) -> NDArray[np.float64]:
    """O[n, m, y] = b[m] + Σ over c, k of W[m, c, k] · I[n, c, y·s + k·d − p], with 0 for I outside the map.

    Args:
        input: Maps, `n c` and the axes of space.
        weight: Filters, `m c/groups` and as many axes.
        bias: One number a filter.
        stride: s, one number an axis.
        padding: p before and after, for each axis.
        dilation: d, one number an axis.
        groups: Filters of group g read the channels of group g.

    Source: Goodfellow, Bengio, Courville 2016, "Deep Learning", equations 9.6 to 9.8.
    """
    n, _, *size = input.shape
    m, channels, *kernel = weight.shape
    out_size = [
        (i + before + after - d * (f - 1) - 1) // s + 1
        for i, f, s, (before, after), d in zip(size, kernel, stride, padding, dilation, strict=True)
    ]
    out = np.zeros((n, m, *out_size))
    for picture, filter, *place in product(range(n), range(m), *map(range, out_size)):
        first_channel = filter // (m // groups) * channels
        total = 0.0 if bias is None else float(bias[filter])
        for channel, *tap in product(range(channels), *map(range, kernel)):
            at = [y * s + k * d - p[0] for y, s, k, d, p in zip(place, stride, tap, dilation, padding, strict=True)]
            if all(0 <= a < i for a, i in zip(at, size, strict=True)):
                total += float(weight[filter, channel, *tap]) * float(input[picture, first_channel + channel, *at])
        out[picture, filter, *place] = total
    return out


def convolution(
    input: NDArray[Any],
    weight: NDArray[Any],
    bias: NDArray[Any] | None = None,
    *,
    stride: Sequence[int],
    padding: Sequence[tuple[int, int]],
    dilation: Sequence[int],
    groups: int = 1,
) -> NDArray[np.float64]:
    """The true convolution: tap k of the filter is read as tap f − 1 − k.

    Args:
        input: As `cross_correlation`.
        weight: As `cross_correlation`.
        bias: As `cross_correlation`.
        stride: As `cross_correlation`.
        padding: As `cross_correlation`.
        dilation: As `cross_correlation`.
        groups: As `cross_correlation`.
    """
    turned = np.empty_like(weight)
    kernel = weight.shape[2:]
    for filter, channel, *tap in product(*map(range, weight.shape)):
        opposite = [f - 1 - k for f, k in zip(kernel, tap, strict=True)]
        turned[filter, channel, *tap] = weight[filter, channel, *opposite]
    return cross_correlation(input, turned, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)


def transposed_convolution(
    input: NDArray[Any],
    weight: NDArray[Any],
    bias: NDArray[Any] | None = None,
    *,
    stride: Sequence[int],
    padding: Sequence[tuple[int, int]],
    output_padding: Sequence[int],
    dilation: Sequence[int],
    groups: int = 1,
) -> NDArray[np.float64]:
    """Every number of the input lays down the filter times itself: I[n, c, y] · W[c, m, k] is added at y·s + k·d − p.

    Args:
        input: Maps, `n c` and the axes of space.
        weight: Filters, `c m/groups` and as many axes.
        bias: One number an output channel.
        stride: s, one number an axis.
        padding: p, what is cut off before and after, for each axis.
        output_padding: Places added at the end, one number an axis.
        dilation: d, one number an axis.
        groups: Channels of group g write to the channels of group g.

    Source: Dumoulin, Visin 2016, "A guide to convolution arithmetic for deep learning", section 4.
    """
    n, c, *size = input.shape
    _, filters, *kernel = weight.shape
    out_size = [
        (i - 1) * s - before - after + d * (f - 1) + 1 + q
        for i, f, s, (before, after), d, q in zip(size, kernel, stride, padding, dilation, output_padding, strict=True)
    ]
    out = np.zeros((n, filters * groups, *out_size))
    for picture, channel, *place in product(range(n), range(c), *map(range, size)):
        first_filter = channel // (c // groups) * filters
        value = float(input[picture, channel, *place])
        for filter, *tap in product(range(filters), *map(range, kernel)):
            at = [y * s + k * d - p[0] for y, s, k, d, p in zip(place, stride, tap, dilation, padding, strict=True)]
            if all(0 <= a < o for a, o in zip(at, out_size, strict=True)):
                out[picture, first_filter + filter, *at] += value * float(weight[channel, filter, *tap])
    for filter in range(filters * groups):
        out[:, filter] += 0.0 if bias is None else float(bias[filter])
    return out
