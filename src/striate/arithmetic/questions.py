"""The size formula asked backwards, along one axis: which setting gives an output, and what is lost.

The floor makes o = ⌊(i + P - d(f - 1) - 1)/s⌋ + 1 a step function (P: padding in total), so each question has a run of
answers, or none. Asked for the input, the run is s long: that is why a transposed convolution needs an output padding
to say which of them it leads back to.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from striate.arithmetic.numbers import whole
from striate.arithmetic.padding import PaddingSpec, reach, resolve_padding
from striate.arithmetic.sizes import conv_output_size
from striate.errors import ConfigError

__all__ = [
    "LosslessSizes",
    "input_sizes_for",
    "kernel_sizes_for",
    "lossless_input_sizes",
    "lost_pixels",
    "paddings_for",
    "strides_for",
]


@dataclass(frozen=True, slots=True)
class LosslessSizes:
    """The input sizes of which every place is read: `first`, `first + step`, `first + 2 step` and so on.

    >>> sizes = lossless_input_sizes(3, stride=2)
    >>> sizes, 7 in sizes, 8 in sizes
    (LosslessSizes(first=3, step=2), True, False)
    """

    first: int
    step: int

    def __contains__(self, size: int) -> bool:
        return size >= self.first and (size - self.first) % self.step == 0


def paddings_for(output_size: int, *, input_size: int, kernel_size: int, stride: int = 1, dilation: int = 1) -> range:
    """All paddings, in total of both sides, that give an output size.

    Args:
        output_size: Places of the output (o), at least 1.
        input_size: Places of the input (i).
        kernel_size: Taps of the filter (f).
        stride: Step of the window (s).
        dilation: Distance between taps (d).

    Raises:
        ConfigError: None does: the output is larger without any padding.

    >>> paddings_for(112, input_size=224, kernel_size=7, stride=2)
    range(5, 7)
    """
    o, i, s = _sizes(output_size=output_size, input_size=input_size, stride=stride)
    span = reach(whole("kernel_size", kernel_size, at_least=1), whole("dilation", dilation, at_least=1)) + 1
    least = (o - 1) * s + span - i
    if least + s <= 0:
        bare = int(conv_output_size(i, kernel_size, stride=s, dilation=dilation))
        raise ConfigError(
            f"No padding gives {o} from {i}: without any, the output is {bare} already; use a larger stride or kernel."
        )
    return range(max(least, 0), least + s)


def strides_for(
    output_size: int, *, input_size: int, kernel_size: int, padding: PaddingSpec = 0, dilation: int = 1
) -> range:
    """All strides that give an output size.

    For an output of 1 every stride from the smallest on does; the range ends where the window no longer fits a second
    time into the padded input, which is that smallest one.

    Raises:
        ConfigError: None does; the message names the nearest sizes that can be had.
        ShapeError: The filter is larger than the padded input.

    >>> strides_for(55, input_size=224, kernel_size=11, padding=2)
    range(4, 5)
    """
    o, i, _ = _sizes(output_size=output_size, input_size=input_size, stride=1)
    _no_same(padding)
    most = conv_output_size(i, kernel_size, padding=padding, dilation=dilation).size
    room = most - 1  # the last place where the window can start
    if o == 1:
        return range(room + 1, room + 2)
    # o - 1 steps fit into the room, o do not: room/o < s <= room/(o - 1)
    found = range(room // o + 1, room // (o - 1) + 1)
    if not found:
        _refuse("stride", o, {room // s + 1 for s in _around(room, o)}, f"from {i} with a kernel of {kernel_size}")
    return found


def kernel_sizes_for(
    output_size: int, *, input_size: int, stride: int = 1, padding: int | tuple[int, int] = 0, dilation: int = 1
) -> range:
    """All filter sizes that give an output size.

    Raises:
        ConfigError: None does; the message names the nearest sizes that can be had.

    >>> kernel_sizes_for(5, input_size=7)
    range(3, 4)
    """
    o, i, s = _sizes(output_size=output_size, input_size=input_size, stride=stride)
    d = whole("dilation", dilation, at_least=1)
    _no_same(padding)
    padded = i + resolve_padding(padding, input_size=i, kernel_size=1).total
    # d(f - 1) lies in (padded - 1 - o s, padded - 1 - (o - 1)s]
    high = padded - 1 - (o - 1) * s
    low = max(high - s + 1, 0)
    found = range(-(-low // d) + 1, high // d + 2) if high >= 0 else range(0)
    if not found:
        most = (padded - 1) // s + 1
        near = {
            (padded - 1 - d * taps) // s + 1 for taps in (max(high, 0) // d, max(high, 0) // d + 1) if d * taps < padded
        }
        _refuse("kernel_size", o, near | {most}, f"from {i} with stride {s} and dilation {d}")
    return found


def input_sizes_for(
    output_size: int,
    kernel_size: int,
    *,
    stride: int = 1,
    padding: int | tuple[int, int] = 0,
    dilation: int = 1,
) -> range:
    """All input sizes that give an output size: s of them, unless padding leaves fewer.

    Raises:
        ConfigError: None does: padding alone makes the output larger.

    >>> input_sizes_for(112, 7, stride=2, padding=3)
    range(223, 225)
    """
    o, _, s = _sizes(output_size=output_size, input_size=1, stride=stride)
    _no_same(padding)
    pads = resolve_padding(padding, input_size=1, kernel_size=1)
    span = reach(whole("kernel_size", kernel_size, at_least=1), whole("dilation", dilation, at_least=1)) + 1
    smallest = (o - 1) * s + span - pads.total
    if smallest + s <= 1:
        least = (1 + pads.total - span) // s + 1
        raise ConfigError(
            f"No input gives an output of {o}: with padding {tuple(pads)} even one pixel gives {least}; "
            "use less padding."
        )
    return range(max(smallest, 1), smallest + s)


def lossless_input_sizes(
    kernel_size: int, *, stride: int = 1, padding: int | tuple[int, int] = 0, dilation: int = 1
) -> LosslessSizes:
    """The input sizes after whose last window no place is left over: s divides i + P - d(f - 1) - 1.

    What is left over may be padding alone: then no pixel is lost, though the size is not in this list (see
    `lost_pixels`).

    Raises:
        ConfigError: A setting that is no whole number or too small.
    """
    s = whole("stride", stride, at_least=1)
    _no_same(padding)
    pads = resolve_padding(padding, input_size=1, kernel_size=1)
    span = reach(whole("kernel_size", kernel_size, at_least=1), whole("dilation", dilation, at_least=1)) + 1
    first = span - pads.total
    return LosslessSizes(first if first >= 1 else first + -(-(1 - first) // s) * s, s)


def lost_pixels(
    input_size: int, kernel_size: int, *, stride: int = 1, padding: PaddingSpec = 0, dilation: int = 1
) -> int:
    """How many pixels of the input, padding left out, no window reads: behind the last window, and in gaps.

    Gaps are left by a stride larger than what the filter spans, and by one that shares a divisor with the dilation.

    Raises:
        ConfigError: As `conv_output_size`.
        ShapeError: As `conv_output_size`.

    >>> lost_pixels(8, 3, stride=2), lost_pixels(9, 1, stride=2), lost_pixels(7, 3, stride=2)
    (1, 4, 0)
    """
    size = conv_output_size(input_size, kernel_size, stride=stride, padding=padding, dilation=dilation)
    first, s, d, f, o = size.padding.before, size.stride, size.dilation, size.kernel_size, size.size
    # Tap k reads k d, k d + s, …, o of them; taps on one residue modulo s overlap as intervals of one lattice.
    runs: dict[int, list[tuple[int, int]]] = {}
    for tap in range(min(f, first + size.input_size)):
        place, residue = divmod(tap * d, s)
        low = max(place, -(-(first - residue) // s))
        high = min(place + o, -(-(first + size.input_size - residue) // s))
        if low < high:
            runs.setdefault(residue, []).append((low, high))
    return size.input_size - sum(_covered(found) for found in runs.values())


def _covered(runs: Iterable[tuple[int, int]]) -> int:
    """Length of a union of half-open runs."""
    total, end = 0, None
    for low, high in sorted(runs):
        start = low if end is None else max(low, end)
        total += max(high - start, 0)
        end = high if end is None else max(end, high)
    return total


def _sizes(**values: int) -> list[int]:
    return [whole(name, value, at_least=1) for name, value in values.items()]


def _no_same(padding: PaddingSpec) -> None:
    if isinstance(padding, str) and padding != "valid":
        raise ConfigError(f"padding must be a number or (before, after) in this question, got {padding!r}.")


def _around(room: int, output_size: int) -> Iterable[int]:
    """The strides next to the one that would be needed."""
    near = room // output_size
    return [s for s in (near, near + 1) if s >= 1]


def _refuse(what: str, output_size: int, near: Iterable[int], where: str) -> None:
    below = [o for o in near if 1 <= o < output_size]
    above = [o for o in near if o > output_size]
    sizes = " and ".join(str(o) for o in ([max(below)] if below else []) + ([min(above)] if above else []))
    raise ConfigError(f"No {what} gives an output of {output_size} {where}. The nearest that can be had: {sizes}.")
