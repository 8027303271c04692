"""The window of a pooling: where it lies, what it sums, and what a mean divides by."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from striate.arithmetic import Padding, pool_output_size
from striate.arithmetic.checks import yes_or_no
from striate.errors import ConfigError, ShapeError
from striate.ops.borders import pad
from striate.ops.convolution import cross_correlation
from striate.ops.geometry import AxesArgument, PaddingArgument, check_maps, per_axis, places_of, resolve_pads

__all__ = ["PoolingWindow", "window_counts", "window_over"]


def window_counts(
    input_size: tuple[int, ...],
    output_size: tuple[int, ...],
    *,
    kernel_size: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[Padding, ...],
    dilation: tuple[int, ...],
    count_padding: bool,
) -> Float[Tensor, "*out"]:
    """How many places each window of an average counts: those in the map, and those of the padding if they are numbers.

    Args:
        input_size: Places of the map, an axis.
        output_size: Windows, an axis.
        kernel_size: Places of the window, an axis.
        stride: Step of the window, an axis.
        padding: Places around the map, an axis.
        dilation: Distance between the places that the window reads, an axis.
        count_padding: Whether those of the padding count.

    >>> none = (Padding(0, 0),)
    >>> window_counts((3,), (2,), kernel_size=(2,), stride=(2,), padding=none, dilation=(1,), count_padding=True)
    tensor([2., 1.], dtype=torch.float64)
    """
    counts, with_padding = torch.ones((), dtype=torch.float64), yes_or_no("count_padding", count_padding)
    for i, o, f, s, p, d in zip(input_size, output_size, kernel_size, stride, padding, dilation, strict=True):
        place = (torch.arange(o) * s - p.before)[:, None] + torch.arange(f) * d
        low, high = (-p.before, i + p.after) if with_padding else (0, i)
        counts = counts[..., None] * ((place >= low) & (place < high)).sum(1)
    return counts


class PoolingWindow:
    """The settings of one pooling, resolved for maps of one size.

    Args:
        size: Places of the map along each axis.
        kernel_size: Places of the window.
        stride: Step of the window; None: its size.
        padding: Places around the map.
        dilation: Distance between the places that the window reads.
        ceil_mode: Whether a last window that hangs over the end counts.

    Raises:
        ShapeError: A window larger than the padded map.
        ConfigError: A setting that is too small, or a padding as large as the window.
    """

    def __init__(
        self,
        size: Sequence[int],
        kernel_size: AxesArgument,
        *,
        stride: AxesArgument | None,
        padding: PaddingArgument,
        dilation: AxesArgument,
        ceil_mode: bool,
    ) -> None:
        self.size = places_of("input_size", size)
        self.axes = len(self.size)
        self.kernel = per_axis("kernel_size", kernel_size, self.axes)
        self.stride = self.kernel if stride is None else per_axis("stride", stride, self.axes)
        self.dilation = per_axis("dilation", dilation, self.axes)
        self.pads = resolve_pads(
            padding, input_size=self.size, kernel_size=self.kernel, stride=self.stride, dilation=self.dilation
        )
        for p, f, d in zip(self.pads, self.kernel, self.dilation, strict=True):
            if max(p) > d * (f - 1):
                raise ConfigError(
                    f"padding must be less than the window spans, or windows hold nothing but padding; "
                    f"got {tuple(p)} for a window that spans {d * (f - 1) + 1}."
                )
        self.ceil_mode = yes_or_no("ceil_mode", ceil_mode)
        # torch's own kernels take one padding for both sides, of half the window at most. With a dilation a window may
        # then hold padding alone, for which they name a place outside of the map.
        self.native = all(
            p.before == p.after and 2 * p.before <= f and (d == 1 or not p.before)
            for p, f, d in zip(self.pads, self.kernel, self.dilation, strict=True)
        )

    @property
    def output_size(self) -> tuple[int, ...]:
        """Windows along each axis."""
        return tuple(
            pool_output_size(i, f, stride=s, padding=(p.before, p.after), dilation=d, ceil_mode=self.ceil_mode).size
            for i, f, s, p, d in zip(self.size, self.kernel, self.stride, self.pads, self.dilation, strict=True)
        )

    def filled(self, input: Tensor, value: float) -> Tensor:
        """The map with its padding, and with what the last windows of `ceil_mode` hang over, as places of their own."""
        sides = []
        for i, o, f, s, p, d in zip(
            self.size, self.output_size, self.kernel, self.stride, self.pads, self.dilation, strict=True
        ):
            end = (o - 1) * s + d * (f - 1) + 1
            sides.append((p.before, max(p.after, end - i - p.before)))
        return pad(input, sides, value=value)

    def sums(self, input: Tensor) -> Tensor:
        """The sum under each window."""
        ones = input.new_ones(input.shape[1], 1, *self.kernel)
        whole = self.filled(input, 0.0)
        out = cross_correlation(whole, ones, stride=self.stride, dilation=self.dilation, groups=input.shape[1])
        return self.cut(out)

    def cut(self, out: Tensor) -> Tensor:
        """Without the windows behind the last one that counts."""
        for axis, size in enumerate(self.output_size, start=2):
            out = out.narrow(axis, 0, size)
        return out

    def counts(self, input: Tensor, *, count_padding: bool) -> Tensor:
        """What the sums are divided by for a mean."""
        return window_counts(
            self.size,
            self.output_size,
            kernel_size=self.kernel,
            stride=self.stride,
            padding=self.pads,
            dilation=self.dilation,
            count_padding=count_padding,
        ).to(input)


def window_over(
    input: Tensor,
    kernel_size: AxesArgument,
    *,
    stride: AxesArgument | None,
    padding: PaddingArgument,
    dilation: AxesArgument,
    ceil_mode: bool,
    name: str,
    floating: bool,
) -> PoolingWindow:
    """The window of a pooling over these maps, which are checked first.

    Args:
        input: Maps, `n c` and one to three axes of space.
        kernel_size: As `PoolingWindow`.
        stride: As `PoolingWindow`.
        padding: As `PoolingWindow`.
        dilation: As `PoolingWindow`.
        ceil_mode: As `PoolingWindow`.
        name: Of the operator, for messages.
        floating: Whether whole numbers are refused.

    Raises:
        ShapeError: As `PoolingWindow`; other axes.
        ConfigError: As `PoolingWindow`; whole numbers.
    """
    axes = input.dim() - 2
    if not 1 <= axes <= 3:
        raise ShapeError(f"{name} takes an input 'n c' with one to three axes of space, got {tuple(input.shape)}.")
    check_maps(input, axes, name=name, floating=floating)
    return PoolingWindow(
        input.shape[2:], kernel_size, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode
    )
