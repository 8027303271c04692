"""Steps of a trace in words, with their numbers."""

import numpy as np

from striate.arithmetic.layer import PoolingKind
from striate.arithmetic.window import Window

__all__ = ["say_factor", "say_number", "say_padding", "say_place", "say_pool", "say_sum"]


def say_number(value: float) -> str:
    """A number as a person writes it: whole numbers without a point, a real minus sign.

    >>> say_number(-3.0), say_number(0.1234567), say_number(-1e-9)
    ('−3', '0.1235', '−1e-09')
    """
    text = f"{int(value)}" if np.isfinite(value) and value == int(value) and abs(value) < 1e15 else f"{value:.4g}"
    return text.replace("-", "−", 1) if value < 0 else text


def say_padding(padding: tuple[tuple[int, int], tuple[int, int]], size: tuple[int, ...], full: tuple[int, ...]) -> str:
    """What step 1 of a convolution does."""
    (top, bottom), (left, right) = padding
    if not any((top, bottom, left, right)):
        return f"No padding: the input stays {size[1]}×{size[2]}."
    where = (
        f"{top} on each side"
        if top == bottom == left == right
        else f"top {top}, bottom {bottom}, left {left}, right {right}"
    )
    return f"Pad with zeros, {where}: {size[1]}×{size[2]} becomes {full[1]}×{full[2]}."


def say_place(window: Window) -> str:
    """Where the window lies."""
    rows, columns = (", ".join(map(str, places)) for places in (window.rows, window.columns))
    return f"Place it over rows {rows} and columns {columns}."


def say_sum(window: Window) -> str:
    """The sum written out for one channel, and as the sums of the channels for several."""
    filter, row, column = window.out  # noqa: A001
    weight = np.zeros_like(window.patch) if window.weight is None else window.weight
    if len(window.channel_sums) == 1:
        pairs = zip(window.patch.ravel(), weight.ravel(), strict=True)
        terms = " + ".join(f"{say_factor(float(x))}·{say_factor(float(w))}" for x, w in pairs)
    else:
        terms = " + ".join(say_factor(s) for s in window.channel_sums) + " (one sum a channel)"
    bias = f" + {say_factor(window.bias)} (bias)" if window.bias else ""
    return f"{terms}{bias} = {say_number(window.value)}, written to ({row}, {column}) of filter {filter}."


def say_factor(value: float) -> str:
    """A number as it stands in a product: a negative one in brackets."""
    return f"({say_number(value)})" if value < 0 else say_number(value)


def say_pool(window: Window, kind: PoolingKind) -> str:
    """What came of a window of pooling, and of what: the padding that an average counts too."""
    seen = ", ".join(say_number(float(v)) for v in window.patch.ravel() if not np.isnan(v))
    zeros = f"{window.zeros} {'zeros' if window.zeros > 1 else 'zero'} of the padding" if window.zeros else ""
    channel, row, column = window.out
    word = {"max": "max", "min": "min", "average": "mean", "lp": "norm"}[kind]
    of = " and ".join(part for part in (seen, zeros) if part)
    return f"{word}({of}) = {say_number(window.value)}, written to ({row}, {column}) of channel {channel}."
