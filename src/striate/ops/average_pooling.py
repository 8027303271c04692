"""Average, norm and global pooling: the numbers under a window are added up, each channel by itself.

    O[n, c, y] = 1/count * sum over k of  I[n, c, y s + k d - p]        or the root of the sum of |I|^p

The stride is the window's size unless another is given. In `ceil_mode` a last window that hangs over the end counts
too.
"""

from typing import Any, Literal

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from striate.arithmetic.checks import finite, yes_or_no
from striate.errors import ConfigError, ShapeError, nearest
from striate.ops.geometry import AxesArgument, PaddingArgument
from striate.ops.pooling_window import window_over

__all__ = ["average_pool", "global_pool", "lp_pool"]

_AVERAGE: dict[int, Any] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


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

    >>> import torch
    >>> average_pool(torch.tensor([[[1.0, 3.0, 2.0, 4.0]]]), 2).tolist()
    [[[2.0, 3.0]]]
    """
    window = window_over(
        input,
        kernel_size,
        stride=stride,
        padding=padding,
        dilation=dilation,
        ceil_mode=ceil_mode,
        name="average_pool",
        floating=True,
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

    >>> import torch
    >>> lp_pool(torch.tensor([[[3.0, -4.0]]]), 2).tolist()
    [[[5.0]]]
    """
    p = finite("p", p, above=0, hint="; for the limit of large p use max_pool(x.abs())")
    window = window_over(
        input,
        kernel_size,
        stride=stride,
        padding=padding,
        dilation=dilation,
        ceil_mode=ceil_mode,
        name="lp_pool",
        floating=True,
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

    >>> import torch
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


def _root(sums: Tensor, p: float) -> Tensor:
    """The p-th root, whose infinite slope at zero is taken as 0."""
    zero = sums == 0
    return sums.masked_fill(zero, 1.0).pow(1.0 / p).masked_fill(zero, 0.0)
