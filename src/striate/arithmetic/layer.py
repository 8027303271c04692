"""What a layer is, as far as counting goes: its settings, no weights.

A network is a sequence of these; `Branches` holds several sequences side by side, so that residual blocks and Inception
modules are sequences too. Spatial settings hold one number for all axes, or one an axis (height, width); a tuple of one
counts for all axes too.

Settings are checked here, when a layer is made; whether it fits its input is found out by `measure`.
"""

from dataclasses import dataclass
from typing import Literal, SupportsIndex, cast, get_args

from striate.arithmetic.checks import yes_or_no
from striate.arithmetic.numbers import whole
from striate.arithmetic.padding import PADDING_NAMES, PaddingSpec
from striate.errors import ConfigError, UnknownNameError, nearest

__all__ = [
    "Activation",
    "Branches",
    "Convolution",
    "Flatten",
    "GlobalPooling",
    "Layer",
    "Linear",
    "Pooling",
    "PoolingKind",
    "padding_per_axis",
    "per_axis",
]

Axes = int | tuple[int, ...]
AxesPadding = int | str | tuple[int | tuple[int, int], ...]
"""One for all axes; `valid`, `same`, `same_lower` or `full`; or one an axis: a number per side, or (before, after)."""
PoolingKind = Literal["max", "min", "average", "lp"]
ActivationFunction = Literal["relu", "sigmoid", "tanh"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Convolution:
    """A convolution layer (cross-correlation, as the field means it), or a transposed one.

    Attributes:
        out_channels: Number of filters (n); None for a depthwise convolution: as many as come in.
        kernel_size: Size of the filter (f).
        stride: Step of the window (s).
        padding: Zeros around the input (p), per side.
        dilation: Distance between neighboring taps of the filter (d).
        groups: Groups of channels that do not mix (g); None for depthwise: one a channel.
        bias: Whether each filter adds a number of its own (b).
        transposed: Whether it runs backwards, from small maps to large ones.
        output_padding: Rows and columns that a transposed convolution adds at the end.
    """

    out_channels: int | None
    kernel_size: Axes
    stride: Axes = 1
    padding: AxesPadding = 0
    dilation: Axes = 1
    groups: int | None = 1
    bias: bool = True
    transposed: bool = False
    output_padding: Axes = 0

    def __post_init__(self) -> None:
        _window(self, self.kernel_size, self.stride, self.padding, self.dilation)
        _set(self, "output_padding", _axes("output_padding", self.output_padding, at_least=0))
        for name in ("out_channels", "groups"):
            value = getattr(self, name)
            _set(self, name, None if value is None else whole(name, value, at_least=1))
        yes_or_no("bias", self.bias)
        yes_or_no("transposed", self.transposed)
        if self.transposed and isinstance(self.padding, str):
            raise ConfigError(
                f"padding of a transposed convolution must be a number or (before, after), got {self.padding!r}."
            )
        if self.output_padding != 0 and not self.transposed:
            raise ConfigError(
                f"output_padding is for transposed convolutions alone, got {self.output_padding}; leave it out."
            )
        _same_axes(
            kernel_size=self.kernel_size,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            output_padding=self.output_padding,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooling:
    """A window that reads each channel by itself and gives one number a place.

    Attributes:
        kind: What is made of the numbers under the window.
        kernel_size: Size of the window (f).
        stride: Step of the window (s); None: the window's size, so that windows do not overlap.
        padding: Places around the input (p), per side; they never win a maximum or minimum.
        dilation: Distance between neighboring places that the window reads (d).
        ceil_mode: Whether a last window that hangs over the end still counts.
    """

    kind: PoolingKind
    kernel_size: Axes
    stride: Axes | None = None
    padding: AxesPadding = 0
    dilation: Axes = 1
    ceil_mode: bool = False

    def __post_init__(self) -> None:
        _one_of("kind", self.kind, get_args(PoolingKind))
        _window(self, self.kernel_size, self.stride, self.padding, self.dilation)
        yes_or_no("ceil_mode", self.ceil_mode)
        _same_axes(kernel_size=self.kernel_size, stride=self.stride, padding=self.padding, dilation=self.dilation)


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalPooling:
    """One number a channel, of all places together; the spatial axes stay, each with one place."""

    kind: PoolingKind

    def __post_init__(self) -> None:
        _one_of("kind", self.kind, get_args(PoolingKind))


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """A function of each number by itself: `relu`, `sigmoid` or `tanh`."""

    function: ActivationFunction

    def __post_init__(self) -> None:
        _one_of("function", self.function, get_args(ActivationFunction))


@dataclass(frozen=True, slots=True)
class Flatten:
    """All numbers in one row: channel by channel, row by row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    """A fully connected layer: every output reads every input."""

    out_features: int
    bias: bool = True

    def __post_init__(self) -> None:
        _set(self, "out_features", whole("out_features", self.out_features, at_least=1))
        yes_or_no("bias", self.bias)


@dataclass(frozen=True, slots=True, kw_only=True)
class Branches:
    """Sequences side by side on one input, put together at the end.

    Attributes:
        paths: The sequences; an empty one hands its input through (the shortcut of a residual block).
        join: `add`, or `concat` along channels.
    """

    paths: tuple[tuple["Layer", ...], ...]
    join: Literal["add", "concat"]

    def __post_init__(self) -> None:
        _one_of("join", self.join, ("add", "concat"))
        _branches(self.paths)


Layer = Convolution | Pooling | GlobalPooling | Activation | Flatten | Linear | Branches


def per_axis(name: str, value: Axes, axes: int) -> tuple[int, ...]:
    """A setting as one number an axis.

    Raises:
        ConfigError: It has another number of axes.

    >>> per_axis("stride", 2, 2), per_axis("kernel_size", (3, 5), 2)
    ((2, 2), (3, 5))
    """
    if not isinstance(value, tuple | list):
        return (value,) * axes
    if len(value) != axes:
        raise ConfigError(
            f"{name} has {len(value)} axes, got {value}, and the input has {axes}; give one number an axis."
        )
    return tuple(value)


def padding_per_axis(padding: AxesPadding, axes: int) -> tuple[PaddingSpec, ...]:
    """A padding as one an axis: a number per side, (before, after), or a name.

    Raises:
        ConfigError: It has another number of axes.

    >>> padding_per_axis("same", 2), padding_per_axis((1, (0, 2)), 2), padding_per_axis(((0, 2),), 3)
    (('same', 'same'), (1, (0, 2)), ((0, 2), (0, 2), (0, 2)))
    """
    if not isinstance(padding, tuple):
        return (padding,) * axes
    if len(padding) not in (1, axes):
        raise ConfigError(
            f"padding has {len(padding)} axes, got {padding}, and the input has {axes}; give one an axis."
        )
    return padding * axes if len(padding) == 1 else padding


def _set(layer: object, name: str, value: object) -> None:
    object.__setattr__(layer, name, value)  # the dataclass is frozen, and its settings are made plain ints once


def _window(layer: object, kernel_size: Axes, stride: Axes | None, padding: AxesPadding, dilation: Axes) -> None:
    _set(layer, "kernel_size", _axes("kernel_size", kernel_size, at_least=1))
    _set(
        layer, "stride", None if stride is None and isinstance(layer, Pooling) else _axes("stride", stride, at_least=1)
    )
    _set(layer, "padding", _padding(padding))
    _set(layer, "dilation", _axes("dilation", dilation, at_least=1))


def _axes(name: str, value: object, *, at_least: int) -> Axes:
    if isinstance(value, tuple):
        numbers = tuple(whole(name, number, at_least=at_least) for number in value)
        if not 1 <= len(numbers) <= 3:
            raise ConfigError(f"{name} must have one number for each of 1 to 3 axes, got {value!r}.")
        return numbers[0] if len(numbers) == 1 else numbers
    if isinstance(value, list) or value is None:
        raise ConfigError(f"{name} must be one whole number, or a tuple with one an axis, got {value!r}.")
    return whole(name, cast("SupportsIndex", value), at_least=at_least)


def _padding(padding: AxesPadding) -> AxesPadding:
    if isinstance(padding, str):
        if padding not in PADDING_NAMES:
            raise ConfigError(f"padding has no choice {padding!r}. {nearest(padding, PADDING_NAMES)}")
        return padding
    if not isinstance(padding, tuple):
        return _axes("padding", padding, at_least=0)
    if not 1 <= len(padding) <= 3:
        raise ConfigError(f"padding must be given for each of 1 to 3 axes, got {padding!r}.")
    sides: list[int | tuple[int, int]] = []
    for side in padding:
        if isinstance(side, tuple):
            if len(side) != 2:
                raise ConfigError(f"padding of one axis must be one number or (before, after), got {side!r}.")
            sides.append((whole("padding", side[0], at_least=0), whole("padding", side[1], at_least=0)))
        else:
            sides.append(whole("padding", side, at_least=0))
    return sides[0] if len(sides) == 1 and isinstance(sides[0], int) else tuple(sides)


def _branches(paths: object) -> None:
    if not isinstance(paths, tuple) or not all(isinstance(path, tuple) for path in paths):
        raise ConfigError(f"paths must be a tuple of tuples of layers, got {paths!r}.")
    if len(paths) < 2:
        raise ConfigError(f"paths must be at least 2, got {len(paths)}; one path alone is a sequence of layers.")
    for layer in (layer for path in paths for layer in path):
        if not isinstance(layer, Layer):
            raise ConfigError(f"paths must hold layers such as Convolution, got {layer!r}.")


def _same_axes(**settings: object) -> None:
    """Settings that are given one an axis must mean the same number of axes."""
    given = {name: len(value) for name, value in settings.items() if isinstance(value, tuple) and len(value) > 1}
    if len(set(given.values())) > 1:
        listed = ", ".join(f"{name} {axes}" for name, axes in given.items())
        raise ConfigError(f"settings must have one number an axis for the same axes, got axes: {listed}.")


def _one_of(name: str, value: str, names: tuple[str, ...]) -> None:
    if value not in names:
        raise UnknownNameError(f"{name} has no choice {value!r}. {nearest(str(value), names)}")
