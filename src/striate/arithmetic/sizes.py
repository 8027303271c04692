"""How large the output is, along one axis, and by which formula.

A window of f taps, d apart, spans d(f - 1) + 1 places. It starts at the first place of the padded input and moves by s
until it would fall off:

    o = ⌊(i + p₁ + p₂ - d(f - 1) - 1)/s⌋ + 1                  convolution, pooling
    o = (i - 1)s - p₁ - p₂ + d(f - 1) + q + 1                 transposed convolution, with output padding q

With p on each side, d = 1 and a division that comes out even this is the (i - f + 2p)/s + 1 of lecture notes.

Source: Dumoulin, Visin 2016, "A guide to convolution arithmetic for deep learning", relationships 6, 14 and 15. The
rule of `ceil_mode` is PyTorch's: a last window that hangs over the end counts if it starts within the input or the
padding before it.
"""

from dataclasses import dataclass

from striate.arithmetic.checks import yes_or_no
from striate.arithmetic.numbers import whole
from striate.arithmetic.padding import Padding, PaddingSpec, reach, resolve_padding, split_padding
from striate.errors import ConfigError, ShapeError

__all__ = ["OutputSize", "conv_output_size", "conv_transpose_output_size", "pool_output_size"]


@dataclass(frozen=True, slots=True)
class OutputSize:
    """The size of an output along one axis, and how it came about. `int()` gives the size alone.

    Attributes:
        size: Places of the output (o).
        symbols: The formula that was used, in the symbols i, f, p, s, d, q.
        numbers: The same with its numbers, and the result.
        input_size: Places of the input (i).
        kernel_size: Taps of the filter (f).
        stride: Step of the window (s).
        dilation: Distance between taps (d).
        padding: Places added before and after (p).
        unread: Places at the end of the padded input behind the last window.
        overhang: Places that the last window reaches beyond the padded input; above 0 under `ceil_mode` only.
    """

    size: int
    symbols: str
    numbers: str
    input_size: int
    kernel_size: int
    stride: int
    dilation: int
    padding: Padding
    unread: int
    overhang: int

    def __int__(self) -> int:
        return self.size

    def __index__(self) -> int:
        return self.size


def conv_output_size(
    input_size: int, kernel_size: int, *, stride: int = 1, padding: PaddingSpec = 0, dilation: int = 1
) -> OutputSize:
    """The output size of a convolution along one axis.

    Args:
        input_size: Places of the input (i), at least 1.
        kernel_size: Taps of the filter (f), at least 1.
        stride: Step of the window (s).
        padding: Places on each side (p), or (before, after), or `valid`, `same`, `same_lower`, `full`.
        dilation: Distance between taps (d).

    Raises:
        ConfigError: A setting that is no whole number or too small, or an unknown padding.
        ShapeError: The filter is larger than the padded input.

    >>> size = conv_output_size(224, 7, stride=2, padding=3)
    >>> size.size, size.symbols, size.numbers
    (112, '⌊(i + 2p − f)/s⌋ + 1', '⌊(224 + 2·3 − 7)/2⌋ + 1 = 112')
    """
    return _window(input_size, kernel_size, stride=stride, padding=padding, dilation=dilation, ceil_mode=False)


def pool_output_size(
    input_size: int,
    kernel_size: int,
    *,
    stride: int | None = None,
    padding: PaddingSpec = 0,
    dilation: int = 1,
    ceil_mode: bool = False,
) -> OutputSize:
    """The output size of a pooling along one axis; the stride is the window's size where it is not given.

    Args:
        input_size: Places of the input (i), at least 1.
        kernel_size: Places of the window (f), at least 1.
        stride: Step of the window (s); None: f.
        padding: As in `conv_output_size`.
        dilation: Distance between the places that the window reads (d).
        ceil_mode: Whether a last window that hangs over the end counts, if it starts within the input or the padding
            before it.

    Raises:
        ConfigError: As `conv_output_size`.
        ShapeError: As `conv_output_size`.

    >>> int(pool_output_size(7, 2)), int(pool_output_size(7, 2, ceil_mode=True))
    (3, 4)
    """
    step, ceil = kernel_size if stride is None else stride, yes_or_no("ceil_mode", ceil_mode)
    return _window(input_size, kernel_size, stride=step, padding=padding, dilation=dilation, ceil_mode=ceil)


def conv_transpose_output_size(
    input_size: int,
    kernel_size: int,
    *,
    stride: int = 1,
    padding: int | tuple[int, int] = 0,
    output_padding: int = 0,
    dilation: int = 1,
) -> OutputSize:
    """The output size of a transposed convolution along one axis: the input of the convolution that it turns around.

    Several inputs of a strided convolution have one output size; `output_padding` (below the stride, or below the
    dilation) says which of them is meant.

    Args:
        input_size: Places of the input (i), at least 1.
        kernel_size: Taps of the filter (f), at least 1.
        stride: Distance between the places where inputs land (s).
        padding: Places cut off each side of the result (p), or (before, after).
        output_padding: Places added at the end (q).
        dilation: Distance between taps (d).

    Raises:
        ConfigError: A setting that is no whole number or too small, or `output_padding` of stride and dilation or more.
        ShapeError: The padding cuts everything off.

    >>> conv_transpose_output_size(112, 7, stride=2, padding=3, output_padding=1).numbers
    '(112 − 1)·2 − 2·3 + 7 + 1 = 224'
    """
    i = whole("input_size", input_size, at_least=1)
    f, s, d = _settings(kernel_size, stride, dilation)
    if isinstance(padding, str):
        raise ConfigError(f"padding of a transposed convolution must be a number or (before, after), got {padding!r}.")
    pads = resolve_padding(padding, input_size=i, kernel_size=f)
    q = whole("output_padding", output_padding, at_least=0)
    if q >= max(s, d):
        raise ConfigError(
            f"output_padding must be smaller than stride or dilation, got {q} with stride {s}, dilation {d}."
        )
    o = (i - 1) * s - pads.total + reach(f, d) + 1 + q
    span, span_numbers = ("f", f"{f}") if d == 1 else ("d(f − 1) + 1", f"{d}·({f} − 1) + 1")
    cut, cut_numbers = _pads(pads, sign="−")
    symbols = f"(i − 1)s{cut} + {span}" + (" + q" if q else "")
    numbers = f"({i} − 1)·{s}{cut_numbers} + {span_numbers}" + (f" + {q}" if q else "")
    if o < 1:
        raise ShapeError(
            f"padding cuts off all of the output: {numbers} = {o}, and at least 1 must be left; use less padding."
        )
    return OutputSize(o, symbols, f"{numbers} = {o}", i, f, s, d, pads, 0, 0)


def _window(
    input_size: int, kernel_size: int, *, stride: int, padding: PaddingSpec, dilation: int, ceil_mode: bool
) -> OutputSize:
    i = whole("input_size", input_size, at_least=1)
    f, s, d = _settings(kernel_size, stride, dilation)
    pads = resolve_padding(padding, input_size=i, kernel_size=f, stride=s, dilation=d)
    padded, span = i + pads.total, reach(f, d) + 1
    room = padded - span
    if room < 0:
        what = f"a kernel of {f}" if d == 1 else f"a kernel of {f} with dilation {d}, which spans {span},"
        short, there = -room, f"{i} + {pads.total} of padding" if pads.total else f"{i}"
        raise ShapeError(
            f"The input is too small: {what} does not fit into {there}; "
            f"{short} more {'place is' if short == 1 else 'places are'} needed, such as padding="
            f"{tuple(split_padding(pads.total + short))}."
        )
    o = (-(-room // s) if ceil_mode else room // s) + 1
    if ceil_mode and (o - 1) * s >= i + pads.before:
        o -= 1  # the last window would lie in the padding after the input alone
    added, added_numbers = _pads(pads, sign="+")
    left, right = ("⌈", "⌉") if ceil_mode else ("⌊", "⌋")
    symbols, numbers = (
        f"{size}{pad} − {taps}"
        for size, pad, taps in (
            ("i", added, "f" if d == 1 else "d(f − 1) − 1"),
            (f"{i}", added_numbers, f"{f}" if d == 1 else f"{d}·({f} − 1) − 1"),
        )
    )
    if s > 1:
        symbols, numbers = f"{left}({symbols})/s{right}", f"{left}({numbers})/{s}{right}"
    # Where the division was rounded up and the last window dropped, the formula alone would be one too large.
    dropped = ceil_mode and -(-room // s) + 1 > o
    if s == 1 and d > 1 and not dropped:  # - 1 + 1 says nothing
        symbols, numbers = symbols.removesuffix(" − 1"), numbers.removesuffix(" − 1")
    elif not dropped:
        symbols, numbers = f"{symbols} + 1", f"{numbers} + 1"
    end = (o - 1) * s + span
    return OutputSize(
        o, symbols, f"{numbers} = {o}", i, f, s, d, pads, unread=max(padded - end, 0), overhang=max(end - padded, 0)
    )


def _settings(kernel_size: int, stride: int, dilation: int) -> tuple[int, int, int]:
    return (
        whole("kernel_size", kernel_size, at_least=1),
        whole("stride", stride, at_least=1),
        whole("dilation", dilation, at_least=1),
    )


def _pads(pads: Padding, *, sign: str) -> tuple[str, str]:
    """The padding as it stands in a formula, in symbols and in numbers."""
    if not pads.total:
        return "", ""
    if pads.before == pads.after:
        return f" {sign} 2p", f" {sign} 2·{pads.before}"
    return f" {sign} p₁ {sign} p₂", f" {sign} {pads.before} {sign} {pads.after}"
