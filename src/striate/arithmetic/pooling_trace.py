"""A pooling step by step, with the numbers that are really there.

The six steps are those of the course notes, mended: 1 start at the left; 2 place the window; 3 the function of what
lies under it; 4 step right; 5 repeat 2 to 4 to the end of the row; 6 repeat 1 to 5, one stride further down, to the
last row.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike

from striate.arithmetic.layer import Axes, AxesPadding, PoolingKind, padding_per_axis
from striate.arithmetic.sizes import OutputSize, pool_output_size
from striate.arithmetic.trace_words import say_place, say_pool
from striate.arithmetic.window import Numbers, Step, Window, check_amount, check_place, numbers_of, pair, under
from striate.errors import ConfigError, ShapeError, nearest

__all__ = ["POOLING_STEPS", "PoolingTrace", "trace_pooling"]

POOLING_STEPS = (
    "Start at the left.",
    "Place the window over the input.",
    "Take the function of what lies under it, write the result.",
    "Step right by the stride.",
    "Repeat 2 to 4 until no columns are left.",
    "Step down by the stride and repeat 1 to 5 until no rows are left.",
)


@dataclass(frozen=True, slots=True, eq=False)
class PoolingTrace:
    """A pooling of one picture with all of its numbers.

    Attributes:
        name: What the layer is called.
        kind: What is made of the numbers under the window.
        input: `c h w`.
        padded: The input with its padding, which is no number (it never wins, and counts for nothing but an average's
            divisor), `c H W`; rows and columns that windows hang over are part of it.
        padding: ((top, bottom), (left, right)).
        kernel_size: (rows, columns).
        stride: (down, right).
        dilation: (down, right).
        ceil_mode: Whether windows that hang over the end count.
        sizes: How the output size came about, (rows, columns).
        output: `c h w`.
    """

    name: str
    kind: PoolingKind
    input: Numbers
    padded: Numbers
    padding: tuple[tuple[int, int], tuple[int, int]]
    kernel_size: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    ceil_mode: bool
    sizes: tuple[OutputSize, OutputSize]
    output: Numbers

    def window(self, channel: int, row: int, column: int) -> Window:
        """The window that made one number of the output.

        Raises:
            ConfigError: There is no such place.
        """
        check_place((channel, row, column), self.output.shape)
        rows, columns = under((row, column), self.kernel_size, self.stride, self.dilation)
        patch = self.padded[np.ix_((channel,), rows, columns)]
        value = float(self.output[channel, row, column])
        zeros = _counted(rows, columns, self.sizes) - int((~np.isnan(patch)).sum()) if self.kind == "average" else 0
        return Window((channel, row, column), rows, columns, (channel,), patch, None, None, (), 0.0, value, zeros)

    def windows(self) -> Iterator[Window]:
        """Every window, channel by channel, row by row."""
        for channel, row, column in np.ndindex(*self.output.shape):
            yield self.window(channel, row, column)

    def steps(self) -> Iterator[Step]:
        """The six steps, as often as they are taken."""
        channels, out_rows, out_columns = self.output.shape
        for channel in range(channels):
            for row in range(out_rows):
                yield Step(1, f"Start at the left of row {row} of the output of channel {channel}.")
                for column in range(out_columns):
                    window = self.window(channel, row, column)
                    yield Step(2, say_place(window), window)
                    yield Step(3, say_pool(window, self.kind), window)
                    if column + 1 < out_columns:
                        yield Step(4, f"Step right by {self.stride[1]}.")
                yield Step(5, f"No columns are left for row {row}.")
            yield Step(6, f"No rows are left for channel {channel}.")


def trace_pooling(
    input: ArrayLike,  # noqa: A002 - as torch names it
    kernel_size: Axes,
    *,
    kind: PoolingKind = "max",
    stride: Axes | None = None,
    padding: AxesPadding = 0,
    dilation: Axes = 1,
    ceil_mode: bool = False,
    name: str = "pool",
) -> PoolingTrace:
    """Everything that happens in a pooling of one picture; padding counts in an average's divisor, as in torch.

    Args:
        input: `c h w`, or `h w` for one channel.
        kernel_size: Size of the window.
        kind: `max`, `min`, `average`, or `lp` (the root of the sum of squares).
        stride: Step of the window; None: its size.
        padding: Places around the input.
        dilation: Distance between the places that the window reads.
        ceil_mode: Whether a last window that hangs over the end counts.
        name: What the layer is called.

    Raises:
        ShapeError: As `trace_convolution`.
        ConfigError: As `trace_convolution`; an unknown kind, or a padding as large as the window.

    >>> trace_pooling([[1, 2, 5, 0], [3, 4, 1, 2]], 2).output.tolist()
    [[[4.0, 5.0]]]
    """
    if kind not in ("max", "min", "average", "lp"):
        raise ConfigError(f"kind has no choice {kind!r}. {nearest(kind, ('max', 'min', 'average', 'lp'))}")
    x = numbers_of("input", input)
    x = x[None] if x.ndim == 2 else x
    if x.ndim != 3 or 0 in x.shape:
        raise ShapeError(f"A trace takes one picture 'c h w' that is not empty, got the shape {x.shape}.")
    kernel = pair("kernel_size", kernel_size)
    steps = kernel if stride is None else pair("stride", stride)
    gaps = pair("dilation", dilation)
    sizes = cast(
        "tuple[OutputSize, OutputSize]",
        tuple(
            pool_output_size(i, f, stride=s, padding=p, dilation=d, ceil_mode=ceil_mode)
            for i, f, s, p, d in zip(x.shape[1:], kernel, steps, padding_per_axis(padding, 2), gaps, strict=True)
        ),
    )
    for size in sizes:
        if max(size.padding) > size.dilation * (size.kernel_size - 1):
            raise ConfigError(
                "padding must be less than the window spans, or windows hold nothing but padding, "
                f"got {max(size.padding)}."
            )
    pads = (tuple(sizes[0].padding), tuple(sizes[1].padding))
    ends = [(size.padding.before, size.padding.after + size.overhang) for size in sizes]
    with_padding = x.shape[0] * prod(size.input_size + sum(end) for size, end in zip(sizes, ends, strict=True))
    check_amount(x.size + with_padding + x.shape[0] * sizes[0].size * sizes[1].size, name)
    padded = np.pad(x, ((0, 0), *ends), constant_values=np.nan)
    output = np.zeros((x.shape[0], sizes[0].size, sizes[1].size))
    for channel, row, column in np.ndindex(*output.shape):
        rows, columns = under((row, column), kernel, steps, gaps)
        patch = padded[channel][np.ix_(rows, columns)]
        seen = patch[~np.isnan(patch)]
        output[channel, row, column] = _pool(seen, kind, _counted(rows, columns, sizes))
    return PoolingTrace(
        name=name,
        kind=kind,
        input=x,
        padded=padded,
        padding=cast("Any", pads),
        kernel_size=kernel,
        stride=steps,
        dilation=gaps,
        ceil_mode=ceil_mode,
        sizes=sizes,
        output=output,
    )


def _counted(rows: tuple[int, ...], columns: tuple[int, ...], sizes: tuple[OutputSize, OutputSize]) -> int:
    """Places under a window that an average divides by: all but those that hang over the padded input."""
    tall, wide = (size.input_size + size.padding.total for size in sizes)
    return sum(row < tall for row in rows) * sum(column < wide for column in columns)


def _pool(seen: Numbers, kind: PoolingKind, counted: int) -> float:
    if kind == "average":
        return float(seen.sum()) / counted
    if kind == "lp":
        return float(np.sqrt((seen**2).sum()))
    if not len(seen):  # a dilated window over nothing but padding
        return -np.inf if kind == "max" else np.inf
    return float(seen.max() if kind == "max" else seen.min())
