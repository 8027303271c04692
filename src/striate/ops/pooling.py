"""Pooling: a window slides over each channel by itself, and a function makes one number of all that lies under it.

    O[n, c, y] = func over k of  I[n, c, y s + k d - p]        func: max, min, mean, norm

No weights, no sum over channels: c maps go in and c come out. The stride is the window's size unless another is given.
Padding never wins a maximum or a minimum. In `ceil_mode` a last window that hangs over the end counts too.
"""

from typing import Any, Literal

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor
from torch.nn import functional as F

from striate.arithmetic.checks import finite, yes_or_no
from striate.errors import ConfigError, ShapeError, nearest
from striate.ops.geometry import AxesArgument, PaddingArgument, check_maps
from striate.ops.pooling_window import PoolingWindow

__all__ = [
    "average_pool",
    "global_pool",
    "lp_pool",
    "max_pool",
    "max_pool_with_indices",
    "min_pool",
    "min_pool_with_indices",
]

_MAX: dict[int, Any] = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_AVERAGE: dict[int, Any] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


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


def average_pool(
    input: Float[Tensor, "n c *spatial"],
    kernel_size: AxesArgument,
    *,
    stride: AxesArgument | None = None,
    padding: PaddingArgument = 0,
    dilation: AxesArgument = 1,
    ceil_mode: bool = False,
    count_padding: bool = True,
) -> Float[Tensor, "n c *out"]:
    """The mean under each window.

    Args:
        input: As `max_pool`.
        kernel_size: As `max_pool`.
        stride: As `max_pool`.
        padding: As `max_pool`.
        dilation: As `max_pool`; torch has none here.
        ceil_mode: As `max_pool`. What hangs over the padded map is never counted.
        count_padding: Whether the zeros of the padding count as numbers (torch's `count_include_pad`).

    Raises:
        ShapeError: As `max_pool`.
        ConfigError: As `max_pool`; integer maps.

    Source: LeCun et al. 1998, "Gradient-based learning applied to document recognition", section II.B (with a trained
        factor and offset there).

    >>> average_pool(torch.tensor([[[1.0, 3.0, 2.0, 4.0]]]), 2).tolist()
    [[[2.0, 3.0]]]
    """
    window = _window(
        input, kernel_size, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode, name="average_pool"
    )
    count_padding = yes_or_no("count_padding", count_padding)
    fits = all(d == 1 and f <= i for d, f, i in zip(window.dilation, window.kernel, window.size, strict=True))
    if window.native and fits:  # torch's has no dilation, and in 3-D it wants the bare map to hold the window
        sides = tuple(p.before for p in window.pads)
        mean: Tensor = _AVERAGE[window.axes](input, window.kernel, window.stride, sides, ceil_mode, count_padding)
        return mean
    return window.sums(input) / window.counts(input, count_padding=count_padding)


def lp_pool(
    input: Float[Tensor, "n c *spatial"],
    kernel_size: AxesArgument,
    *,
    p: float = 2.0,
    stride: AxesArgument | None = None,
    padding: PaddingArgument = 0,
    dilation: AxesArgument = 1,
    ceil_mode: bool = False,
) -> Float[Tensor, "n c *out"]:
    """The p-norm of what lies under each window: (Σ|x|^p)^(1/p); the sum for p = 1, towards the maximum for large p.

    Args:
        input: As `max_pool`.
        kernel_size: As `max_pool`.
        p: The power, above 0.
        stride: As `max_pool`.
        padding: As `max_pool`; zeros, which add nothing.
        dilation: As `max_pool`; torch has none here.
        ceil_mode: As `max_pool`.

    Raises:
        ShapeError: As `max_pool`.
        ConfigError: As `max_pool`; integer maps; a power that is not above 0.

    Source: Sermanet, Chintala, LeCun 2012, "Convolutional neural networks applied to house numbers digit
        classification", section 3.1.

    Differs:
        `torch.nn.functional.lp_pool2d` adds up x^p without the absolute value, so that negative numbers cancel positive
        ones for odd p. The gradient of a window of zeros is 0 here and not a number there.

    >>> lp_pool(torch.tensor([[[3.0, -4.0]]]), 2).tolist()
    [[[5.0]]]
    """
    p = finite("p", p, above=0, hint="; for the limit of large p use max_pool(x.abs())")
    window = _window(
        input, kernel_size, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode, name="lp_pool"
    )
    return _root(window.sums(input.abs().pow(p)), p)


def global_pool(
    input: Float[Tensor, "n c *spatial"], kind: Literal["max", "min", "average", "lp"] = "average", *, p: float = 2.0
) -> Float[Tensor, "n c *ones"]:
    """One number a channel of all its places; axes of space stay, each with one place.

    Args:
        input: Maps, `n c` and at least one axis of space.
        kind: What is made of the numbers.
        p: The power of `lp`.

    Raises:
        ShapeError: No axis of space, or one without places.
        ConfigError: An unknown kind, a power that is not above 0, or integer maps.

    Source: Lin, Chen, Yan 2014, "Network in network", section 3.2.

    >>> global_pool(torch.tensor([[[[1.0, 2.0], [3.0, 6.0]]]])).shape
    torch.Size([1, 1, 1, 1])
    """
    if input.dim() < 3 or 0 in input.shape[1:]:
        raise ShapeError(f"global_pool takes an input 'n c …' with places, got the shape {tuple(input.shape)}.")
    if not input.is_floating_point():
        raise ConfigError(f"global_pool takes floating-point numbers, got {input.dtype}; use input.float().")
    space = tuple(range(2, input.dim()))
    match kind:
        case "max":
            return input.amax(space, keepdim=True)
        case "min":
            return input.amin(space, keepdim=True)
        case "average":
            return input.mean(space, keepdim=True)
        case "lp":
            p = finite("p", p, above=0)
            return _root(input.abs().pow(p).sum(space, keepdim=True), p)
    raise ConfigError(f"kind has no choice {kind!r}. {nearest(kind, ('max', 'min', 'average', 'lp'))}")


def _window(
    input: Tensor,
    kernel_size: AxesArgument,
    *,
    stride: AxesArgument | None,
    padding: PaddingArgument,
    dilation: AxesArgument,
    ceil_mode: bool,
    name: str,
) -> PoolingWindow:
    axes = input.dim() - 2
    if axes not in _MAX:
        raise ShapeError(f"{name} takes an input 'n c' with one to three axes of space, got {tuple(input.shape)}.")
    check_maps(input, axes, name=name, floating=name in {"average_pool", "lp_pool"})
    return PoolingWindow(
        input.shape[2:], kernel_size, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode
    )


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
    window = _window(
        input, kernel_size, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode, name=name
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


def _root(sums: Tensor, p: float) -> Tensor:
    """The p-th root, whose infinite slope at zero is taken as 0."""
    zero = sums == 0
    return sums.masked_fill(zero, 1.0).pow(1.0 / p).masked_fill(zero, 0.0)
