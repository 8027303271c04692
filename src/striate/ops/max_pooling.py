"""Max and min pooling: the largest or the smallest number under a window that slides over each channel by itself.

    O[n, c, y] = max over k of  I[n, c, y s + k d - p]

The stride is the window's size unless another is given. Padding never wins. In `ceil_mode` a last window that hangs
over the end counts too.
"""

from typing import Any

import torch
from jaxtyping import Int, Shaped
from torch import Tensor
from torch.nn import functional as F

from striate.ops.geometry import AxesArgument, PaddingArgument
from striate.ops.pooling_window import PoolingWindow, window_over

__all__ = ["max_pool", "max_pool_with_indices", "min_pool", "min_pool_with_indices"]

_MAX: dict[int, Any] = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}


def max_pool(
    input: Shaped[Tensor, "n c *spatial"],
    kernel_size: AxesArgument,
    *,
    stride: AxesArgument | None = None,
    padding: PaddingArgument = 0,
    dilation: AxesArgument = 1,
    ceil_mode: bool = False,
) -> Shaped[Tensor, "n c *out"]:
    """The largest number under each window. One that is not a number wins, as in torch.

    Args:
        input: Maps, `n c` and one to three axes of space.
        kernel_size: Places of the window, for all axes or each.
        stride: Step of the window; None: its size.
        padding: Places around the map, as `cross_correlation`; less than the window spans.
        dilation: Distance between the places that the window reads.
        ceil_mode: Whether a last window that hangs over the end counts, if it starts in the map or the padding before.

    Raises:
        ShapeError: Other axes, or a window larger than the padded map.
        ConfigError: A setting that is too small, or a padding as large as the window.

    Source: Zhou, Chellappa 1988, "Computation of optical flow using a neural network" (the operation); Ranzato et al.
        2007 (in convolutional networks).

    Differs:
        With `ceil_mode`, torch takes a window larger than the padded map, which hangs over; it is refused here,
        as it is without.

    >>> max_pool(torch.tensor([[[1.0, 3.0, 2.0, 4.0]]]), 2).tolist()
    [[[3.0, 4.0]]]
    """
    values, _ = _max(
        input, kernel_size, stride, padding, dilation, ceil_mode=ceil_mode, name="max_pool", with_indices=False
    )
    return values


def max_pool_with_indices(
    input: Shaped[Tensor, "n c *spatial"],
    kernel_size: AxesArgument,
    *,
    stride: AxesArgument | None = None,
    padding: PaddingArgument = 0,
    dilation: AxesArgument = 1,
    ceil_mode: bool = False,
) -> tuple[Shaped[Tensor, "n c *out"], Int[Tensor, "n c *out"]]:
    """`max_pool`, and where each maximum lies: the place in the flattened map of its channel, the first on a tie.

    Args:
        input: As `max_pool`.
        kernel_size: As `max_pool`.
        stride: As `max_pool`.
        padding: As `max_pool`.
        dilation: As `max_pool`.
        ceil_mode: As `max_pool`.

    Raises:
        ShapeError: As `max_pool`.
        ConfigError: As `max_pool`.

    >>> max_pool_with_indices(torch.tensor([[[1.0, 3.0, 2.0, 4.0]]]), 2)[1].tolist()
    [[[1, 3]]]
    """
    values, indices = _max(
        input, kernel_size, stride, padding, dilation, ceil_mode=ceil_mode, name="max_pool", with_indices=True
    )
    return values, indices


def min_pool(
    input: Shaped[Tensor, "n c *spatial"],
    kernel_size: AxesArgument,
    *,
    stride: AxesArgument | None = None,
    padding: PaddingArgument = 0,
    dilation: AxesArgument = 1,
    ceil_mode: bool = False,
) -> Shaped[Tensor, "n c *out"]:
    """The smallest number under each window: -max(-x).

    Args:
        input: As `max_pool`.
        kernel_size: As `max_pool`.
        stride: As `max_pool`.
        padding: As `max_pool`.
        dilation: As `max_pool`.
        ceil_mode: As `max_pool`.

    Raises:
        ShapeError: As `max_pool`.
        ConfigError: As `max_pool`.

    >>> min_pool(torch.tensor([[[1.0, 3.0, 2.0, 4.0]]]), 2).tolist()
    [[[1.0, 2.0]]]
    """
    values, _ = _max(
        _reversed(input),
        kernel_size,
        stride,
        padding,
        dilation,
        ceil_mode=ceil_mode,
        name="min_pool",
        with_indices=False,
    )
    return _reversed(values)


def min_pool_with_indices(
    input: Shaped[Tensor, "n c *spatial"],
    kernel_size: AxesArgument,
    *,
    stride: AxesArgument | None = None,
    padding: PaddingArgument = 0,
    dilation: AxesArgument = 1,
    ceil_mode: bool = False,
) -> tuple[Shaped[Tensor, "n c *out"], Int[Tensor, "n c *out"]]:
    """`min_pool`, and where each minimum lies: the place in the flattened map of its channel, the first on a tie.

    Args:
        input: As `max_pool`.
        kernel_size: As `max_pool`.
        stride: As `max_pool`.
        padding: As `max_pool`.
        dilation: As `max_pool`.
        ceil_mode: As `max_pool`.

    Raises:
        ShapeError: As `max_pool`.
        ConfigError: As `max_pool`.
    """
    values, indices = _max(
        _reversed(input),
        kernel_size,
        stride,
        padding,
        dilation,
        ceil_mode=ceil_mode,
        name="min_pool",
        with_indices=True,
    )
    return _reversed(values), indices


def _max(
    input: Tensor,
    kernel_size: AxesArgument,
    stride: AxesArgument | None,
    padding: PaddingArgument,
    dilation: AxesArgument,
    *,
    ceil_mode: bool,
    name: str,
    with_indices: bool,
) -> tuple[Tensor, Tensor]:
    window = window_over(
        input,
        kernel_size,
        stride=stride,
        padding=padding,
        dilation=dilation,
        ceil_mode=ceil_mode,
        name=name,
        floating=False,
    )
    pool = _MAX[window.axes]
    if window.native:
        sides = tuple(p.before for p in window.pads)
        found = pool(input, window.kernel, window.stride, sides, window.dilation, ceil_mode, with_indices)
        return found if with_indices else (found, found)
    lowest = -float("inf") if input.is_floating_point() else torch.iinfo(input.dtype).min
    filled = window.filled(input, lowest)
    found = pool(filled, window.kernel, window.stride, 0, window.dilation, False, with_indices)
    if not with_indices:
        return window.cut(found), window.cut(found)
    values, indices = found
    return window.cut(values), _unpadded(window.cut(indices), tuple(filled.shape[2:]), window)


def _unpadded(indices: Tensor, padded: tuple[int, ...], window: PoolingWindow) -> Tensor:
    """Places in the flattened padded map as places in the flattened map."""
    flat, scale = torch.zeros_like(indices), 1
    for full, size, p in zip(reversed(padded), reversed(window.size), reversed(window.pads), strict=True):
        flat = flat + (indices % full - p.before).clamp(0, size - 1) * scale
        indices, scale = indices // full, scale * size
    return flat


def _reversed(x: Tensor) -> Tensor:
    """Numbers in the opposite order: negated, or where -x would overflow (integers) with every bit turned."""
    return -x if x.is_floating_point() else ~x
