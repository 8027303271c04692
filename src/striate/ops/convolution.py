"""Convolution in every form; one axis of space, two or three, as the weight has them.

What the field calls convolution is a cross-correlation: the filter is laid on the map as it is,

    O[n, m, y] = b[m] + sum over c, k of  W[m, c, k] * I[n, c, y s + k d - p]

A true convolution turns the filter by 180 degrees first. The two agree when that turn leaves the filter unchanged.
"""

from typing import Any

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from striate.errors import ShapeError
from striate.ops.borders import Border, pad
from striate.ops.geometry import (
    AxesArgument,
    PaddingArgument,
    check_channels,
    check_maps,
    per_axis,
    resolve_pads,
    weight_axes,
)

__all__ = [
    "convolution",
    "cross_correlation",
    "depthwise_convolution",
    "flip_kernel",
    "pointwise_convolution",
    "separable_convolution",
]

_FORWARD: dict[int, Any] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


def cross_correlation(
    input: Float[Tensor, "n c *spatial"],
    weight: Float[Tensor, "m cg *kernel"],
    bias: Float[Tensor, " m"] | None = None,
    *,
    stride: AxesArgument = 1,
    padding: PaddingArgument = 0,
    dilation: AxesArgument = 1,
    groups: int = 1,
    border: Border = "zeros",
) -> Float[Tensor, "n m *out"]:
    """What the field calls convolution: at each place, the sum of products of filter and window, plus the bias.

    Args:
        input: Maps, `n c` and one to three axes of space.
        weight: Filters, `m c/groups` and as many axes.
        bias: One number a filter.
        stride: Step of the window.
        padding: Places around the map: a number each side, `valid`, `same` (⌈i/s⌉ outputs, the larger half after),
            `same_lower`, `full`, or one an axis, also (before, after).
        dilation: Distance between taps of the filter.
        groups: Groups of channels; filters of a group read its channels alone.
        border: What the padding holds.

    Raises:
        ShapeError: Axes or channels that do not fit, or a filter larger than the padded map.
        ConfigError: A setting that is too small, groups that do not divide, or integer maps.

    Source: Goodfellow, Bengio, Courville 2016, "Deep Learning", equation 9.6.

    >>> import torch
    >>> edges = torch.tensor([[[[1.0, 0.0, -1.0]]]])
    >>> cross_correlation(torch.tensor([[[[0.0, 0.0, 9.0, 9.0]]]]), edges).tolist()
    [[[[-9.0, -9.0]]]]
    """
    axes = weight_axes(weight, name="cross_correlation")
    check_maps(input, axes, name="cross_correlation", floating=True)
    check_channels(input.shape[1], weight, bias, groups, transposed=False)
    steps, gaps = per_axis("stride", stride, axes), per_axis("dilation", dilation, axes)
    pads = resolve_pads(padding, input_size=input.shape[2:], kernel_size=weight.shape[2:], stride=steps, dilation=gaps)
    sides: tuple[int, ...] = (0,) * axes
    if border == "zeros" and all(p.before == p.after for p in pads):
        sides = tuple(p.before for p in pads)
    else:
        input = pad(input, pads, border=border)
    out: Tensor = _FORWARD[axes](input, weight, bias, steps, sides, gaps, groups)
    return out


def convolution(
    input: Float[Tensor, "n c *spatial"],
    weight: Float[Tensor, "m cg *kernel"],
    bias: Float[Tensor, " m"] | None = None,
    *,
    stride: AxesArgument = 1,
    padding: PaddingArgument = 0,
    dilation: AxesArgument = 1,
    groups: int = 1,
    border: Border = "zeros",
) -> Float[Tensor, "n m *out"]:
    """The true convolution: `cross_correlation` with the filter turned by 180 degrees.

    It is commutative and associative, which cross-correlation is not; for learning it makes no difference.

    Args:
        input: As `cross_correlation`.
        weight: As `cross_correlation`.
        bias: As `cross_correlation`.
        stride: As `cross_correlation`.
        padding: As `cross_correlation`.
        dilation: As `cross_correlation`.
        groups: As `cross_correlation`.
        border: As `cross_correlation`.

    Raises:
        ShapeError: As `cross_correlation`.
        ConfigError: As `cross_correlation`.

    Source: Goodfellow, Bengio, Courville 2016, "Deep Learning", equations 9.4 and 9.5.

    >>> import torch
    >>> one, filter = torch.tensor([[[0.0, 1.0, 0.0]]]), torch.tensor([[[1.0, 2.0, 3.0]]])
    >>> convolution(one, filter, padding=1).tolist(), cross_correlation(one, filter, padding=1).tolist()
    ([[[1.0, 2.0, 3.0]]], [[[3.0, 2.0, 1.0]]])
    """
    return cross_correlation(
        input,
        flip_kernel(weight),
        bias,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        border=border,
    )


def flip_kernel(weight: Float[Tensor, "m cg *kernel"]) -> Float[Tensor, "m cg *kernel"]:
    """Filters turned by 180 degrees: every axis of space reversed.

    >>> import torch
    >>> flip_kernel(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])).tolist()
    [[[[4.0, 3.0], [2.0, 1.0]]]]
    """
    return weight.flip(list(range(2, weight.dim())))


def depthwise_convolution(
    input: Float[Tensor, "n c *spatial"],
    weight: Float[Tensor, "m 1 *kernel"],
    bias: Float[Tensor, " m"] | None = None,
    *,
    stride: AxesArgument = 1,
    padding: PaddingArgument = 0,
    dilation: AxesArgument = 1,
    border: Border = "zeros",
) -> Float[Tensor, "n m *out"]:
    """Each channel with filters of its own: `cross_correlation` with as many groups as channels.

    Args:
        input: Maps, `n c` and one to three axes of space.
        weight: Filters of one channel; a multiple of c of them: the first m/c read channel 0, and so on.
        bias: One number a filter.
        stride: Step of the window.
        padding: As `cross_correlation`.
        dilation: Distance between taps of the filter.
        border: What the padding holds.

    Raises:
        ShapeError: Filters of more than one channel; else as `cross_correlation`.
        ConfigError: As `cross_correlation`.

    Source: Sifre 2014, "Rigid-motion scattering for image classification", section 6.2.
    """
    if weight.dim() > 1 and weight.shape[1] != 1:
        raise ShapeError(f"weight of a depthwise convolution must be 'm 1 …', got the shape {tuple(weight.shape)}.")
    return cross_correlation(
        input,
        weight,
        bias,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=input.shape[1] if input.dim() > 1 else 1,
        border=border,
    )


def pointwise_convolution(
    input: Float[Tensor, "n c *spatial"], weight: Float[Tensor, "m c"], bias: Float[Tensor, " m"] | None = None
) -> Float[Tensor, "n m *spatial"]:
    """A 1×1 convolution: at each place by itself, m sums of the channels. It sees no patterns in space.

    Args:
        input: Maps, `n c` and one to three axes of space.
        weight: One row of channel weights a filter.
        bias: One number a filter.

    Raises:
        ShapeError: As `cross_correlation`.
        ConfigError: As `cross_correlation`.

    Source: Lin, Chen, Yan 2014, "Network in network", section 3.1.
    """
    if weight.dim() != 2:
        raise ShapeError(f"weight of a pointwise convolution must be 'm c', got the shape {tuple(weight.shape)}.")
    return cross_correlation(input, weight.reshape(*weight.shape, *(1,) * (input.dim() - 2)), bias)


def separable_convolution(
    input: Float[Tensor, "n c *spatial"],
    depthwise: Float[Tensor, "m 1 *kernel"],
    pointwise: Float[Tensor, "k m"],
    bias: Float[Tensor, " k"] | None = None,
    *,
    stride: AxesArgument = 1,
    padding: PaddingArgument = 0,
    dilation: AxesArgument = 1,
    border: Border = "zeros",
) -> Float[Tensor, "n k *out"]:
    """Depthwise separable convolution: each channel by itself over space, then a 1×1 convolution over channels.

    It equals one convolution whose filters are products, W[k, c, …] = pointwise[k, c] * depthwise[c, …], at the cost
    1/k + 1/f² of it.

    Args:
        input: Maps, `n c` and one to three axes of space.
        depthwise: Filters of one channel.
        pointwise: What the 1×1 convolution weighs their results with.
        bias: One number an output channel.
        stride: Step of the depthwise window.
        padding: As `cross_correlation`.
        dilation: Distance between taps of the depthwise filter.
        border: What the padding holds.

    Raises:
        ShapeError: As `cross_correlation`.
        ConfigError: As `cross_correlation`.

    Source: Howard et al. 2017, "MobileNets", section 3.1.
    """
    alone = depthwise_convolution(input, depthwise, stride=stride, padding=padding, dilation=dilation, border=border)
    return pointwise_convolution(alone, pointwise, bias)
