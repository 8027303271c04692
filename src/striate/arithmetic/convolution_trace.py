"""A convolution step by step, with the numbers that are really there.

The seven steps are those of the course notes: 1 pad; 2 start at the left; 3 place the filter; 4 the sum of products,
plus the bias; 5 step right; 6 repeat 3 to 5 to the end of the row; 7 repeat 2 to 6, one stride further down, to the
last row. Two axes of space; everything in float64, whole numbers exact up to 2^53.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike

from striate.arithmetic.layer import Axes, AxesPadding, padding_per_axis
from striate.arithmetic.numbers import whole
from striate.arithmetic.sizes import OutputSize, conv_output_size
from striate.arithmetic.trace_words import say_number, say_padding, say_place, say_sum
from striate.arithmetic.window import Numbers, Step, Window, check_amount, check_place, numbers_of, pair, under
from striate.errors import ConfigError, ShapeError

__all__ = ["CONVOLUTION_STEPS", "ConvolutionTrace", "LinearView", "trace_convolution"]

CONVOLUTION_STEPS = (
    "Pad the input.",
    "Start at the left.",
    "Place the filter over the input, each of its channels over the channel it reads.",
    "Add up the products of all channels, add the bias, write the sum.",
    "Step right by the stride.",
    "Repeat 3 to 5 until no columns are left.",
    "Step down by the stride and repeat 2 to 6 until no rows are left.",
)


@dataclass(frozen=True, slots=True, eq=False)
class LinearView:
    """A convolution as a linear layer that is looped over space: every place is one row of the same product.

    Attributes:
        patches: One row a place, what the filters read there: `places inputs`.
        weight: One column a filter: `inputs filters`.
        bias: One number a filter.
        output: `patches @ weight + bias`, one row a place.
    """

    patches: Numbers
    weight: Numbers
    bias: Numbers
    output: Numbers

    def to_text(self, *, limit: int | None = None) -> str:
        """One line a place: its numbers in a row, and what the same weights make of them.

        Args:
            limit: Places to show, None for all; how many are left out is said.
        """
        lines = [
            f"patches {_times(self.patches)} × weights {_times(self.weight)} + bias = output {_times(self.output)}"
        ]
        for k, (column, bias) in enumerate(zip(self.weight.T, self.bias, strict=True)):
            lines.append(f"weights of filter {k}: {_row(column)}, bias {say_number(float(bias))}")
        for patch, answer in list(zip(self.patches, self.output, strict=True))[:limit]:
            lines.append(f"{_row(patch)} → {_row(answer)}")
        left = 0 if limit is None else len(self.patches) - limit
        return "\n".join(lines + ([f"… and {left} more places"] if left > 0 else []))


@dataclass(frozen=True, slots=True, eq=False)
class ConvolutionTrace:
    """A convolution of one picture with all of its numbers.

    Attributes:
        name: What the layer is called.
        input: `c h w`.
        padded: The input with its padding, `c H W`.
        padding: ((top, bottom), (left, right)).
        weight: `n c/groups f f`.
        bias: One number a filter.
        stride: (down, right).
        dilation: (down, right).
        groups: Groups of channels.
        sizes: How the output size came about, (rows, columns).
        output: `n h w`.
    """

    name: str
    input: Numbers
    padded: Numbers
    padding: tuple[tuple[int, int], tuple[int, int]]
    weight: Numbers
    bias: Numbers
    stride: tuple[int, int]
    dilation: tuple[int, int]
    groups: int
    sizes: tuple[OutputSize, OutputSize]
    output: Numbers

    def window(self, filter: int, row: int, column: int) -> Window:  # noqa: A002 - the field's word
        """The window that made one number of the output.

        Raises:
            ConfigError: There is no such place.
        """
        check_place((filter, row, column), self.output.shape)
        rows, columns = under((row, column), self.weight.shape[2:], self.stride, self.dilation)
        channels = _channels(filter, self.weight.shape, self.groups)
        patch = self.padded[np.ix_(channels, rows, columns)]
        products = patch * self.weight[filter]
        sums = tuple(float(s) for s in products.sum(axis=(1, 2)))
        bias = float(self.bias[filter])
        value = float(self.output[filter, row, column])
        return Window(
            (filter, row, column), rows, columns, channels, patch, self.weight[filter], products, sums, bias, value
        )

    def windows(self) -> Iterator[Window]:
        """Every window, filter by filter, row by row."""
        for filter, row, column in np.ndindex(*self.output.shape):  # noqa: A001
            yield self.window(filter, row, column)

    def steps(self) -> Iterator[Step]:
        """The seven steps, as often as they are taken."""
        yield Step(1, say_padding(self.padding, self.input.shape, self.padded.shape))
        n, out_rows, out_columns = self.output.shape
        for filter in range(n):  # noqa: A001
            for row in range(out_rows):
                yield Step(2, f"Start at the left of row {row} of the output of filter {filter}.")
                for column in range(out_columns):
                    window = self.window(filter, row, column)
                    yield Step(3, say_place(window), window)
                    yield Step(4, say_sum(window), window)
                    if column + 1 < out_columns:
                        yield Step(5, f"Step right by {self.stride[1]}.")
                yield Step(6, f"No columns are left for row {row}.")
            yield Step(7, f"No rows are left for filter {filter}.")

    def as_linear(self) -> LinearView:
        """The same layer as a matrix product.

        Raises:
            ConfigError: It has groups: then there are several products.
        """
        if self.groups != 1:
            raise ConfigError(
                f"A convolution in {self.groups} groups is {self.groups} linear layers; trace one of them."
            )
        n, rows, columns = self.output.shape
        patches = np.stack([self.window(0, y, x).patch.ravel() for y in range(rows) for x in range(columns)])
        return LinearView(patches, self.weight.reshape(n, -1).T, self.bias, self.output.reshape(n, -1).T)


def trace_convolution(
    input: ArrayLike,  # noqa: A002 - as torch names it
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: Axes = 1,
    padding: AxesPadding = 0,
    dilation: Axes = 1,
    groups: int = 1,
    name: str = "conv",
) -> ConvolutionTrace:
    """Everything that happens in a convolution of one picture.

    Args:
        input: `c h w`, or `h w` for one channel.
        weight: `n c/groups f f`, or `f f` for one filter of one channel.
        bias: One number a filter; zeros by default.
        stride: Step of the window.
        padding: Zeros around the input: per side, by name, or one an axis.
        dilation: Distance between taps of the filter.
        groups: Groups of channels.
        name: What the layer is called.

    Raises:
        ShapeError: Shapes that do not fit, or a filter larger than the padded input.
        ConfigError: Numbers that are not finite or not exact, a wrong setting, or more than `LARGEST` numbers.

    >>> trace = trace_convolution([[1, 2, 3], [4, 5, 6], [7, 8, 9]], [[1, 0], [0, -1]])
    >>> trace.output.tolist()
    [[[-4.0, -4.0], [-4.0, -4.0]]]
    >>> print(next(step.text for step in trace.steps() if step.number == 4))
    1·1 + 2·0 + 4·0 + 5·(−1) = −4, written to (0, 0) of filter 0.
    """
    x, w = numbers_of("input", input), numbers_of("weight", weight)
    x = x[None] if x.ndim == 2 else x
    w = w[None, None] if w.ndim == 2 else w
    if x.ndim != 3 or w.ndim != 4 or 0 in x.shape or 0 in w.shape:
        raise ShapeError(
            f"A trace takes one picture 'c h w' and filters 'n c f f', none of them empty, "
            f"got the shapes {x.shape} and {w.shape}."
        )
    groups = whole("groups", groups, at_least=1)
    if x.shape[0] % groups or w.shape[0] % groups:
        raise ConfigError(
            f"groups must divide the {x.shape[0]} channels of the input and the {w.shape[0]} filters, got {groups}."
        )
    if w.shape[1] * groups != x.shape[0]:
        raise ShapeError(
            f"The weight of shape {w.shape} reads {w.shape[1] * groups} channels, but the input has {x.shape[0]}."
        )
    b = np.zeros(w.shape[0]) if bias is None else numbers_of("bias", bias)
    if b.shape != (w.shape[0],):
        raise ShapeError(f"bias must hold one number for each of {w.shape[0]} filters, got the shape {b.shape}.")
    steps, gaps = pair("stride", stride), pair("dilation", dilation)
    sizes = cast(
        "tuple[OutputSize, OutputSize]",
        tuple(
            conv_output_size(i, f, stride=s, padding=p, dilation=d)
            for i, f, s, p, d in zip(x.shape[1:], w.shape[2:], steps, padding_per_axis(padding, 2), gaps, strict=True)
        ),
    )
    pads = (tuple(sizes[0].padding), tuple(sizes[1].padding))
    with_padding = x.shape[0] * prod(size.input_size + size.padding.total for size in sizes)
    check_amount(x.size + with_padding + w.size + w.shape[0] * sizes[0].size * sizes[1].size, name)
    padded = np.pad(x, ((0, 0), *pads))
    output = np.zeros((w.shape[0], sizes[0].size, sizes[1].size))
    for filter, row, column in np.ndindex(*output.shape):  # noqa: A001
        rows, columns = under((row, column), w.shape[2:], steps, gaps)
        patch = padded[np.ix_(_channels(filter, w.shape, groups), rows, columns)]
        output[filter, row, column] = (patch * w[filter]).sum() + b[filter]
    return ConvolutionTrace(
        name=name,
        input=x,
        padded=padded,
        padding=cast("Any", pads),
        weight=w,
        bias=b,
        stride=steps,
        dilation=gaps,
        groups=groups,
        sizes=sizes,
        output=output,
    )


def _channels(filter: int, shape: tuple[int, ...], groups: int) -> tuple[int, ...]:  # noqa: A002
    first = filter // (shape[0] // groups) * shape[1]
    return tuple(range(first, first + shape[1]))


def _times(array: Numbers) -> str:
    return "×".join(str(n) for n in array.shape)


def _row(numbers: Numbers) -> str:
    return " ".join(say_number(float(v)) for v in numbers)
