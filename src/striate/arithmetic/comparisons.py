"""The same job done by other layers: what each way costs.

A convolution of n filters of size f × f over c channels spends n c f² multiply-adds a place. Three ways to spend less:

    in g groups               n c f²/g                  channels of different groups do not meet
    depthwise separable       c f² + n c                first each channel by itself, then a 1×1 that mixes them
    as (f − 1)/2 layers 3×3   9 (c n + n² (f − 3)/2)    the same field, with an activation after each

Separable is 1/n + 1/f² of the whole, so it is *not* cheaper for one filter (n = 1) or without a window (f = 1). Layers
of 3×3 are cheaper when c/n is above 9/(2(f + 3)), 0.45 for f = 7: between equally wide layers they are, and in a
network's first layer, from 3 channels to 64, they cost eight times as much.

Source: Howard et al. 2017, "MobileNets: efficient convolutional neural networks for mobile vision applications",
section 3.1 (separable); Simonyan, Zisserman 2014, "Very deep convolutional networks for large-scale image recognition",
section 2.3 (between layers of C channels, three layers of 3×3 have 27C² weights, one of 7×7 has 49C²).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from math import prod
from typing import Any, Literal

from striate.arithmetic.layer import Activation, Axes, AxesPadding, Branches, Convolution, Layer
from striate.arithmetic.measure import Measurement, measure
from striate.arithmetic.notation import write_layer
from striate.arithmetic.numbers import whole
from striate.arithmetic.text_table import text_table
from striate.errors import ConfigError, ShapeError

__all__ = [
    "Comparison",
    "ComparisonRow",
    "compare",
    "convolution_alternatives",
    "separable_layers",
    "separable_ratio",
    "small_filter_alternatives",
    "small_filter_break_even",
]

_NUMBER_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """One way to do it.

    Attributes:
        name: What it is called.
        text: Its layers in the notation of `write_layer`.
        output_shape: What comes out.
        parameters: Numbers that it learns.
        macs: Multiply-adds for one picture.
        activation_bytes: All its outputs together.
        field_size: Pixels that one of its units sees along each axis; None where the input has no places.
        nonlinearities: Activation functions that a number passes, on the longest way.
    """

    name: str
    text: str
    output_shape: tuple[int, ...]
    parameters: int
    macs: int
    activation_bytes: int
    field_size: tuple[int, ...] | None
    nonlinearities: int

    @classmethod
    def of(cls, name: str, measured: Measurement) -> "ComparisonRow":
        """The row of a stack that was measured."""
        layers = [row.layer for row in measured.rows if not row.path]
        return cls(
            name=name,
            text="; ".join(write_layer(layer) for layer in layers),
            output_shape=measured.output_shape,
            parameters=measured.parameters,
            macs=measured.macs,
            activation_bytes=measured.activation_bytes,
            field_size=None if measured.field is None else measured.field.size,
            nonlinearities=_nonlinearities(layers),
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """Ways to do the same job, the first of which the others are compared with; `print` shows the table."""

    input_shape: tuple[int, ...]
    rows: tuple[ComparisonRow, ...]

    def ratios(self, quantity: Literal["parameters", "macs", "activation_bytes"]) -> tuple[float | None, ...]:
        """A quantity of each row, in units of the first row's; None where that is 0."""
        first, *_ = numbers = [int(getattr(row, quantity)) for row in self.rows]
        return tuple(number / first if first else None for number in numbers)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        rows = [
            asdict(row) | {f"{name}_ratio": ratio for name, ratio in zip(_QUANTITIES, ratios, strict=True)}
            for row, ratios in zip(self.rows, self._all_ratios(), strict=True)
        ]
        return dict(json.loads(json.dumps({"input_shape": self.input_shape, "rows": rows})))

    def to_text(self) -> str:
        """A plain table, one line a row; × is how often the first row's."""
        head = ("", "output", "parameters", "×", "MACs", "×", "bytes", "×", "field", "nonlinearities")
        lines = [head]
        for row, ratios in zip(self.rows, self._all_ratios(), strict=True):
            parameters, macs, activations = ("" if ratio is None else f"{ratio:.3g}" for ratio in ratios)
            lines.append(
                (
                    row.name,
                    "×".join(map(str, row.output_shape)),
                    f"{row.parameters:,}",
                    parameters,
                    f"{row.macs:,}",
                    macs,
                    f"{row.activation_bytes:,}",
                    activations,
                    "" if row.field_size is None else "×".join(map(str, row.field_size)),
                    str(row.nonlinearities),
                )
            )
        return text_table(lines, left=2)

    def __str__(self) -> str:
        return self.to_text()

    def _all_ratios(self) -> list[tuple[float | None, ...]]:
        return list(zip(*(self.ratios(quantity) for quantity in _QUANTITIES), strict=True))


_QUANTITIES: tuple[Literal["parameters", "macs", "activation_bytes"], ...] = ("parameters", "macs", "activation_bytes")


def compare(
    alternatives: Mapping[str, Sequence[Layer]], input_shape: tuple[int, ...], *, bytes_per_value: int = 4
) -> Comparison:
    """What each of several stacks costs on one input.

    Args:
        alternatives: Stacks by name; the first is what the others are compared with.
        input_shape: `(c, *spatial)`, as for `measure`.
        bytes_per_value: Size of one number of an activation: 4 for float32.

    Raises:
        ConfigError: There is none, or as `measure`.
        ShapeError: As `measure`; the message says of which stack.

    >>> ways = convolution_alternatives(in_channels=64, out_channels=128)
    >>> [(row.name, row.macs) for row in compare(ways, (64, 56, 56)).rows][::4]
    [('standard', 231211008), ('depthwise separable', 27496448)]
    """
    if not alternatives:
        raise ConfigError("alternatives must hold at least one stack of layers, got none.")
    rows = []
    for name, layers in alternatives.items():
        try:
            measured = measure(layers, input_shape, bytes_per_value=bytes_per_value)
        except (ConfigError, ShapeError) as error:
            raise type(error)(f"Of {name!r}: {error}") from error
        rows.append(ComparisonRow.of(name, measured))
    return Comparison(measured.input_shape, tuple(rows))


def convolution_alternatives(
    *,
    in_channels: int,
    out_channels: int,
    kernel_size: Axes = 3,
    stride: Axes = 1,
    groups: Sequence[int] | None = None,
    padding: AxesPadding = "same",
    bias: bool = True,
) -> dict[str, tuple[Layer, ...]]:
    """A convolution, and the layers that can stand in its place.

    Args:
        in_channels: Channels in (c), those of the input that the ways are measured on.
        out_channels: Filters (n).
        kernel_size: Size of the filter (f).
        stride: Step of the window (s), of every way.
        groups: Numbers of groups to try; None: those of 2, 4 and 8 that divide both numbers of channels.
        padding: As in `Convolution`. The 1×1 has no window to pad: it gets none (its output is larger where the window
            is not padded to `same`).
        bias: Whether each layer has one.

    Returns:
        `standard`; `2 groups` and so on; `depthwise separable`; `1×1`.

    Raises:
        ConfigError: A setting that its rule forbids, or groups that do not divide the channels.

    >>> list(convolution_alternatives(in_channels=64, out_channels=128))
    ['standard', '2 groups', '4 groups', '8 groups', 'depthwise separable', '1×1']
    """
    c = whole("in_channels", in_channels, at_least=1)
    n = whole("out_channels", out_channels, at_least=1)
    given = (2, 4, 8) if groups is None else tuple(whole("groups", g, at_least=1) for g in groups)
    wrong = [g for g in given if c % g or n % g]
    if groups is not None and wrong:
        raise ConfigError(f"groups must divide in_channels {c} and out_channels {n}, got {wrong[0]}.")
    standard = Convolution(out_channels=n, kernel_size=kernel_size, stride=stride, padding=padding, bias=bias)
    return {
        "standard": (standard,),
        **{f"{g} groups": (replace(standard, groups=g),) for g in given if g not in wrong},
        "depthwise separable": separable_layers(standard),
        "1×1": (replace(standard, kernel_size=1, padding=0),),
    }


def separable_layers(layer: Convolution) -> tuple[Layer, ...]:
    """A convolution made depthwise separable: its window on each channel by itself, then its filters as 1×1.

    >>> [write_layer(layer) for layer in separable_layers(Convolution(out_channels=64, kernel_size=3, stride=2))]
    ['depthwise f=3 s=2', 'conv f=1 n=64']
    """
    return (
        replace(layer, out_channels=None, groups=None),
        Convolution(out_channels=layer.out_channels, kernel_size=1, bias=layer.bias),
    )


def separable_ratio(*, out_channels: int, kernel_size: Axes) -> Fraction:
    """Multiply-adds of a depthwise separable convolution, in units of the standard one's: 1/n + 1/f².

    It is 1 or more, so that nothing is saved, exactly where there is one filter or the window is one place.

    Args:
        out_channels: Filters (n).
        kernel_size: Size of the filter (f × f for one number).

    Raises:
        ConfigError: A number below 1.

    >>> separable_ratio(out_channels=128, kernel_size=3), separable_ratio(out_channels=1, kernel_size=3)
    (Fraction(137, 1152), Fraction(10, 9))
    """
    axes = kernel_size if isinstance(kernel_size, tuple) else (kernel_size, kernel_size)
    taps = prod(whole("kernel_size", f, at_least=1) for f in axes)
    return Fraction(1, whole("out_channels", out_channels, at_least=1)) + Fraction(1, taps)


def small_filter_alternatives(
    *, in_channels: int, out_channels: int, kernel_size: int = 7, activation: bool = True
) -> dict[str, tuple[Layer, ...]]:
    """One layer of large filters, and the layers of 3×3 that see the same.

    Args:
        in_channels: Channels in (c), those of the input that both are measured on.
        out_channels: Filters (n) of every layer.
        kernel_size: Size of the large filter (f), odd and at least 5.
        activation: Whether a ReLU follows each convolution.

    Returns:
        `one 7×7` and `three 3×3`.

    Raises:
        ConfigError: An even or too small filter, or a number of channels below 1.

    >>> stem = compare(small_filter_alternatives(in_channels=3, out_channels=64), (3, 224, 224))
    >>> [(row.name, row.parameters, row.field_size, row.nonlinearities) for row in stem.rows]
    [('one 7×7', 9472, (7, 7), 1), ('three 3×3', 75648, (7, 7), 3)]
    """
    f = _odd(kernel_size)
    whole("in_channels", in_channels, at_least=1)
    relu = (Activation(function="relu"),) if activation else ()
    count = (f - 1) // 2
    large = Convolution(out_channels=out_channels, kernel_size=f, padding=count)
    small = Convolution(out_channels=out_channels, kernel_size=3, padding=1)
    word = _NUMBER_WORDS[count] if count < len(_NUMBER_WORDS) else str(count)
    return {f"one {f}×{f}": (large, *relu), f"{word} 3×3": (small, *relu) * count}


def small_filter_break_even(kernel_size: int) -> Fraction:
    """Channels in for each filter, c/n, above which (f − 1)/2 layers of 3×3 spend fewer multiply-adds than one f × f.

    9(c n + n²(f − 3)/2) < f² c n says c/n > 9/(2(f + 3)).

    Raises:
        ConfigError: An even or too small filter.

    >>> small_filter_break_even(7), small_filter_break_even(5)
    (Fraction(9, 20), Fraction(9, 16))
    """
    return Fraction(9, 2 * (_odd(kernel_size) + 3))


def _odd(kernel_size: int) -> int:
    f = whole("kernel_size", kernel_size, at_least=1)
    if f < 5 or f % 2 == 0:
        raise ConfigError(f"kernel_size must be odd and at least 5, so that layers of 3×3 can see as much; got {f}.")
    return f


def _nonlinearities(layers: Sequence[Layer]) -> int:
    return sum(
        max(map(_nonlinearities, layer.paths)) if isinstance(layer, Branches) else isinstance(layer, Activation)
        for layer in layers
    )
