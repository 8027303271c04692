"""Transposed convolution: a convolution run backwards, from its output's size to its input's.

Each number of the map lays down the filter, times itself, s apart, and what overlaps adds up:

    O[n, m, x] = b[m] + sum over c, y, k with x = y s + k d - p of  W[c, m, k] * I[n, c, y]
"""

from typing import Any

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from striate.arithmetic import Padding, conv_transpose_output_size
from striate.errors import ConfigError, ShapeError
from striate.ops.geometry import (
    AxesArgument,
    PaddingArgument,
    check_channels,
    check_maps,
    per_axis,
    resolve_pads,
    weight_axes,
)

__all__ = ["transposed_convolution"]

_BACKWARD: dict[int, Any] = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def transposed_convolution(
    input: Float[Tensor, "n c *spatial"],
    weight: Float[Tensor, "c mg *kernel"],
    bias: Float[Tensor, " m"] | None = None,
    *,
    stride: AxesArgument = 1,
    padding: PaddingArgument = 0,
    output_padding: AxesArgument = 0,
    output_size: AxesArgument | None = None,
    dilation: AxesArgument = 1,
    groups: int = 1,
) -> Float[Tensor, "n m *out"]:
    """The transposed convolution: what a convolution of the same settings does to gradients on their way to its input.

    Each number of the input lays down the filter, times itself, `stride` apart; `padding` is cut off the result. It is
    no inverse of the convolution, whatever the name "deconvolution" says.

    Args:
        input: Maps, `n c` and one to three axes of space.
        weight: Filters, `c m/groups` and as many axes: the weight of the convolution that is turned around.
        bias: One number an output channel.
        stride: Distance between the places where filters are laid down.
        padding: Places cut off: a number each side, or one an axis, also (before, after).
        output_padding: Places added at the end, less than stride or dilation.
        output_size: The size that is wanted instead of `output_padding`.
        dilation: Distance between taps of the filter.
        groups: Groups of channels that do not mix.

    Raises:
        ShapeError: Axes or channels that do not fit, a padding that cuts everything off, or a size out of reach.
        ConfigError: A setting that is too small, groups that do not divide, or integer maps.

    Source: Dumoulin, Visin 2016, "A guide to convolution arithmetic for deep learning", section 4.

    >>> import torch
    >>> transposed_convolution(torch.tensor([[[1.0, 2.0]]]), torch.tensor([[[1.0, 1.0, 1.0]]]), stride=2).tolist()
    [[[1.0, 1.0, 3.0, 2.0, 2.0]]]
    """
    axes = weight_axes(weight, name="transposed_convolution")
    check_maps(input, axes, name="transposed_convolution", floating=True)
    check_channels(input.shape[1], weight, bias, groups, transposed=True)
    steps, gaps = per_axis("stride", stride, axes), per_axis("dilation", dilation, axes)
    extra = per_axis("output_padding", output_padding, axes, at_least=0)
    if isinstance(padding, str):
        raise ConfigError(f"padding of a transposed convolution must be numbers, got {padding!r}.")
    pads = resolve_pads(  # of a map that fits any kernel: only the numbers matter here
        padding, input_size=weight.shape[2:], kernel_size=(1,) * axes, stride=(1,) * axes, dilation=(1,) * axes
    )
    if output_size is not None:
        if any(extra):
            raise ConfigError("output_size and output_padding say the same thing twice; give one of them.")
        wanted = per_axis("output_size", output_size, axes)
        extra = _missing(wanted, input, weight, stride=steps, pads=pads, dilation=gaps)
    for i, f, s, p, q, d in zip(input.shape[2:], weight.shape[2:], steps, pads, extra, gaps, strict=True):
        if q >= max(s, d) or (i - 1) * s + d * (f - 1) + 1 + q <= p.total:
            conv_transpose_output_size(i, f, stride=s, padding=tuple(p), output_padding=q, dilation=d)  # says why
    sides = tuple(min(p) for p in pads)
    out: Tensor = _BACKWARD[axes](input, weight, bias, steps, sides, extra, groups, gaps)
    for axis, p in enumerate(pads, start=2):
        if p.before != p.after:  # torch cuts the same off both sides
            out = out.narrow(axis, p.before - min(p), out.shape[axis] - (p.total - 2 * min(p)))
    return out


def _missing(
    wanted: tuple[int, ...],
    input: Tensor,
    weight: Tensor,
    *,
    stride: tuple[int, ...],
    pads: tuple[Padding, ...],
    dilation: tuple[int, ...],
) -> tuple[int, ...]:
    """The output padding that leads to the wanted size."""
    extra = []
    for size, i, f, s, p, d in zip(wanted, input.shape[2:], weight.shape[2:], stride, pads, dilation, strict=True):
        least = (i - 1) * s - p.total + d * (f - 1) + 1
        if not 0 <= size - least < max(s, d):
            raise ShapeError(
                f"output_size must be from {least} to {least + max(s, d) - 1} with these settings, got {size}."
            )
        extra.append(size - least)
    return tuple(extra)
