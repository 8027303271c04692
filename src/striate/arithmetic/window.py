"""One place of a sliding window, with the numbers under it; and the checks that every trace begins with."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striate.arithmetic.layer import Axes, per_axis
from striate.arithmetic.numbers import whole
from striate.errors import ConfigError, ShapeError

__all__ = ["LARGEST", "Numbers", "Step", "Window", "check_amount", "check_place", "numbers_of", "pair", "under"]

Numbers = NDArray[np.float64]

LARGEST = 200_000
"""Numbers that the trace of one layer may hold: input, weights and output together."""
_HIGHEST = 1e150
"""The largest number of a trace: `LARGEST` products of two of them are still a number."""


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """One place of the window, and the number that comes of it.

    Attributes:
        out: Where the number is written: (filter or channel, row, column).
        rows: Rows of the padded input under the window.
        columns: Columns of the padded input under the window.
        channels: Channels of the input that are read.
        patch: What lies under the window, `c f f`.
        weight: The filter, `c f f`; None for pooling.
        products: Patch times filter, `c f f`; None for pooling.
        channel_sums: Sum of the products, a channel; empty for pooling.
        bias: Added once; 0 for pooling.
        value: The number.
        zeros: Zeros of the padding that an average counts beside the numbers of the patch; else 0.
    """

    out: tuple[int, int, int]
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    channels: tuple[int, ...]
    patch: Numbers
    weight: Numbers | None
    products: Numbers | None
    channel_sums: tuple[float, ...]
    bias: float
    value: float
    zeros: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One step of the list.

    Attributes:
        number: Its number in the list, from 1.
        text: What is done, with its numbers.
        window: The window it is about, if it is about one.
    """

    number: int
    text: str
    window: Window | None = None


def numbers_of(name: str, values: ArrayLike) -> Numbers:
    """An array of exact, finite float64 numbers.

    Raises:
        ShapeError: Rows of different lengths, or no numbers.
        ConfigError: A number that is not finite or whose products would not be, with its place; or a whole number
            beyond 2^53, which is not exact.
    """
    try:
        array = np.asarray(values)
        numbers = array.astype(np.float64)
    except (ValueError, TypeError, OverflowError):
        raise ShapeError(f"{name} must be an array of numbers with rows of one length, got {values!r:.80}.") from None
    bad = np.argwhere(~np.isfinite(numbers))
    if len(bad):
        at = tuple(int(i) for i in bad[0])
        raise ConfigError(f"{name} must hold finite numbers, got {numbers[at]} at {at}.")
    if array.dtype.kind in "iuO" and numbers.size and np.abs(numbers).max() > 2.0**53:
        raise ConfigError(
            f"{name} must hold whole numbers up to 2^53, beyond which they are not exact, "
            f"got {int(np.abs(numbers).max())}."
        )
    high = np.argwhere(np.abs(numbers) > _HIGHEST)
    if len(high):
        at = tuple(int(i) for i in high[0])
        raise ConfigError(
            f"{name} must hold numbers up to {_HIGHEST:g}, beyond which sums of products overflow, "
            f"got {numbers[at]:g} at {at}."
        )
    return numbers


def check_amount(amount: int, name: str) -> None:
    """Refuse traces that nobody could read.

    Raises:
        ConfigError: More than `LARGEST` numbers.
    """
    if amount > LARGEST:
        raise ConfigError(
            f"The trace of {name} would hold {amount:,} numbers, and at most {LARGEST:,} are kept; "
            "take a smaller input, fewer channels or fewer filters."
        )


def under(
    place: tuple[int, int], kernel: tuple[int, ...], stride: tuple[int, int], dilation: tuple[int, int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Rows and columns of the padded input under the window at a place of the output."""
    rows, columns = (
        tuple(at * s + k * d for k in range(f)) for at, f, s, d in zip(place, kernel, stride, dilation, strict=True)
    )
    return rows, columns


def pair(name: str, value: Axes) -> tuple[int, int]:
    """A setting as (rows, columns)."""
    both = per_axis(name, value, 2)
    return whole(name, both[0], at_least=1), whole(name, both[1], at_least=1)


def check_place(place: tuple[int, int, int], shape: tuple[int, ...]) -> None:
    """Refuse places outside of an output.

    Raises:
        ConfigError: There is no such place.
    """
    if not all(0 <= at < size for at, size in zip(place, shape, strict=True)):
        raise ConfigError(f"The place {place} is outside of the output, which is {'×'.join(map(str, shape))}.")
