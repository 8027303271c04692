"""What a layer is, as far as counting goes: its settings, no weights.

A network is a sequence of these; `Branches` holds several sequences side by side, so that residual blocks and Inception
modules are sequences too. Spatial settings hold one number for all axes, or one an axis (height, width).
"""

from dataclasses import dataclass
from typing import Literal

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
]

Axes = int | tuple[int, ...]
AxesPadding = int | str | tuple[int | tuple[int, int], ...]
"""One for all axes; `valid`, `same`, `same_lower` or `full`; or one an axis: a number per side, or (before, after)."""
PoolingKind = Literal["max", "min", "average", "lp"]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalPooling:
    """One number a channel, of all places together."""

    kind: PoolingKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """A function of each number by itself: `relu`, `sigmoid` or `tanh`."""

    function: Literal["relu", "sigmoid", "tanh"]


@dataclass(frozen=True, slots=True)
class Flatten:
    """All numbers in one row: channel by channel, row by row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    """A fully connected layer: every output reads every input."""

    out_features: int
    bias: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Branches:
    """Sequences side by side on one input, put together at the end.

    Attributes:
        paths: The sequences; an empty one hands its input through (the shortcut of a residual block).
        join: `add`, or `concat` along channels.
    """

    paths: tuple[tuple["Layer", ...], ...]
    join: Literal["add", "concat"]


Layer = Convolution | Pooling | GlobalPooling | Activation | Flatten | Linear | Branches
