"""Settings of a sliding window, brought to one form: a number an axis, and padding as (before, after) an axis."""

from collections.abc import Iterable, Sequence
from typing import SupportsIndex

from torch import Tensor

from striate.arithmetic import Padding, conv_output_size, resolve_padding
from striate.arithmetic.numbers import say_whole, whole
from striate.errors import ConfigError, ShapeError

__all__ = [
    "LARGEST_SETTING",
    "AxesArgument",
    "PaddingArgument",
    "check_channels",
    "check_groups",
    "check_maps",
    "per_axis",
    "places_of",
    "resolve_pads",
    "setting",
    "weight_axes",
]

LARGEST_SETTING = 2**31 - 1
"""Of a window's settings: sums and products of larger ones overflow inside torch."""

AxesArgument = int | Sequence[int]
"""One number for all axes, or one an axis."""
PaddingArgument = int | str | Sequence[int] | Sequence[tuple[int, int]]
"""For all axes: a number, or `valid`, `same`, `same_lower`, `full`. Or one an axis: a number, or (before, after)."""


def per_axis(name: str, value: AxesArgument, axes: int, *, at_least: int = 1) -> tuple[int, ...]:
    """One number an axis.

    Raises:
        ConfigError: Another number of axes, no whole number, or one that is too small.
    """
    if isinstance(value, Sequence) and not isinstance(value, str):
        if len(value) != axes:
            raise ConfigError(f"{name} must be one number or {axes} (one an axis), got {tuple(value)}.")
        return tuple(setting(name, v, at_least=at_least) for v in value)
    return (setting(name, value, at_least=at_least),) * axes


def places_of(name: str, value: object) -> tuple[int, ...]:
    """A size of maps: the places along each axis.

    Raises:
        ShapeError: It is no sequence.
        ConfigError: A number of it is no whole number of at least 1.
    """
    if not isinstance(value, Iterable) or isinstance(value, str):
        raise ShapeError(f"{name} must be the places along each axis, such as (28, 28), got {value!r}.")
    return tuple(setting(name, number, at_least=1) for number in value)


def check_groups(groups: int, *, channels: int | None, filters: int) -> int:
    """Groups that divide the filters, and the channels where they are known.

    Raises:
        ConfigError: They do not, or are no whole number of at least 1.
    """
    groups = whole("groups", groups, at_least=1)
    if channels is not None and channels % groups:
        raise ConfigError(f"groups must divide the {channels} channels of the input, got {groups}.")
    if filters % groups:
        raise ConfigError(f"groups must divide the {filters} filters of the weight, got {groups}.")
    return groups


def setting(name: str, value: SupportsIndex, *, at_least: int) -> int:
    """One number of a window's settings.

    Raises:
        ConfigError: No whole number, one that is too small, or above `LARGEST_SETTING`.
    """
    number = whole(name, value, at_least=at_least)
    if number > LARGEST_SETTING:
        raise ConfigError(f"{name} must be at most {LARGEST_SETTING}, got {say_whole(number)}.")
    return number


def resolve_pads(
    padding: PaddingArgument,
    *,
    input_size: Sequence[int],
    kernel_size: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
) -> tuple[Padding, ...]:
    """The padding of every axis in numbers; every window setting is checked against the input on the way.

    Raises:
        ConfigError: A padding that is no padding.
        ShapeError: The kernel is larger than the padded input.
    """
    axes = len(kernel_size)
    if isinstance(padding, str) or not isinstance(padding, Sequence):
        each: list[int | str | tuple[int, int]] = [padding] * axes
    elif len(padding) == axes:
        each = [tuple(p) if isinstance(p, Sequence) and not isinstance(p, str) else p for p in padding]  # type: ignore[misc]
    else:
        raise ConfigError(f"padding must be one number, a name, or {axes} (one an axis), got {tuple(padding)}.")
    pads = []
    for p, i, f, s, d in zip(each, input_size, kernel_size, stride, dilation, strict=True):
        found = resolve_padding(p, input_size=i, kernel_size=f, stride=s, dilation=d)
        setting("padding", max(found), at_least=0)
        if d * (f - 1) >= i + found.total:
            conv_output_size(i, f, stride=s, padding=(found.before, found.after), dilation=d)  # says what is missing
        pads.append(found)
    return tuple(pads)


def check_maps(input: Tensor, axes: int, *, name: str, floating: bool) -> None:
    """Hold an input to `n c` and its axes of space, none of them empty but n.

    Raises:
        ShapeError: Another number of axes, or one without places.
        ConfigError: Whole numbers where the result is not one.
    """
    letters = " ".join(["n c", *("d", "h", "w")[3 - axes :]])
    if input.dim() != axes + 2:
        hint = ": one without a batch is input[None]" if input.dim() == axes + 1 else ""
        raise ShapeError(f"{name} takes an input '{letters}', got the shape {tuple(input.shape)}{hint}.")
    if 0 in input.shape[1:]:
        raise ShapeError(f"{name} needs at least one channel and one place, got the shape {tuple(input.shape)}.")
    if floating and not (input.is_floating_point() or input.is_complex()):
        raise ConfigError(
            f"{name} takes floating-point numbers, since sums of {str(input.dtype).removeprefix('torch.')} overflow "
            "without a word; use input.float() or input.double()."
        )


def weight_axes(weight: Tensor, *, name: str) -> int:
    """How many axes of space a convolution's weight has.

    Raises:
        ShapeError: None, more than three, or an empty axis.
    """
    axes = weight.dim() - 2
    if not 1 <= axes <= 3 or 0 in weight.shape:
        raise ShapeError(
            f"weight of {name} must have two axes of channels and one to three of space, none of them empty, "
            f"got the shape {tuple(weight.shape)}."
        )
    return axes


def check_channels(channels: int, weight: Tensor, bias: Tensor | None, groups: int, *, transposed: bool) -> None:
    """Hold weight, bias and groups to each other and to the channels of the input.

    Raises:
        ShapeError: A weight that reads other channels, or a bias of another length than there are filters.
        ConfigError: As `check_groups`.
    """
    groups = check_groups(groups, channels=channels, filters=channels if transposed else weight.shape[0])
    read = weight.shape[0] if transposed else weight.shape[1] * groups
    if read != channels:
        part = f" in {groups} groups" if groups > 1 else ""
        raise ShapeError(
            f"The weight of shape {tuple(weight.shape)} reads {read} channels{part}, but the input has {channels}."
        )
    filters = weight.shape[1] * groups if transposed else weight.shape[0]
    if bias is not None and tuple(bias.shape) != (filters,):
        raise ShapeError(f"bias must hold one number for each of {filters} filters, got the shape {tuple(bias.shape)}.")
