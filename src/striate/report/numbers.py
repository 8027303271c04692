"""Numbers as people read them: three digits that count, a unit, a true minus sign."""

import math
from collections.abc import Iterable

__all__ = [
    "format_bytes",
    "format_count",
    "format_percent",
    "format_seconds",
    "format_shape",
    "format_share",
    "format_value",
]

NBSP = "\u00a0"


def format_count(count: int) -> str:
    r"""Three digits and a power of a thousand; exact below ten thousand.

    >>> format_count(4_652_008), format_count(385_000_000), format_count(9_408), format_count(25_088)
    ('4.65\xa0M', '385\xa0M', '9408', '25.1\xa0k')
    """
    if count < 10_000:
        return str(count)
    for unit, size in (("T", 10**12), ("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if count >= 0.9995 * size:
            return f"{_digits(count / size, 3)}{NBSP}{unit}"
    return str(count)


def format_percent(probability: float) -> str:
    r"""A probability in percent: whole from 10 to 99, finer near the ends, never rounded to certainty.

    >>> [format_percent(p) for p in (0.943, 0.0312, 0.00004, 0.9968, 0.99999)]
    ['94\xa0%', '3.1\xa0%', '<\xa00.1\xa0%', '99.7\xa0%', '>\xa099.9\xa0%']
    """
    percent = 100.0 * probability
    if 0.0 < percent < 0.1:
        return f"<{NBSP}0.1{NBSP}%"
    if 99.9 < percent < 100.0:
        return f">{NBSP}99.9{NBSP}%"
    if percent < 9.95 or 99.0 <= percent < 100.0:
        return f"{percent:.1f}{NBSP}%" if percent > 0.0 else f"0{NBSP}%"
    return f"{percent:.0f}{NBSP}%"


def format_share(part: float, whole: float) -> str:
    r"""A part of a whole in percent; nothing of nothing is 0 %.

    >>> format_share(1, 3), format_share(0, 0)
    ('33\xa0%', '0\xa0%')
    """
    return format_percent(part / whole) if whole else f"0{NBSP}%"


def format_value(value: float) -> str:
    """A measured number with three significant digits.

    >>> [format_value(v) for v in (8.3712, -0.04561, 0.0, 123.4, 0.00002345, 51234.0)]
    ['8.37', '−0.0456', '0', '123', '2.35e−5', '5.12e4']
    """
    if value == 0.0:
        return "0"
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else ("−∞" if value < 0 else "∞")
    if not 0.0009995 <= abs(value) < 9999.5:
        mantissa, exponent = f"{value:.2e}".split("e")
        return f"{mantissa}e{int(exponent)}".replace("-", "−")
    return _digits(value, 3).replace("-", "−")


def format_seconds(seconds: float) -> str:
    r"""A duration.

    >>> format_seconds(0.0421), format_seconds(3.28), format_seconds(74.0)
    ('42\xa0ms', '3.3\xa0s', '74\xa0s')
    """
    if seconds < 0.9995:
        return f"{1000.0 * seconds:.0f}{NBSP}ms"
    return f"{seconds:.1f}{NBSP}s" if seconds < 9.95 else f"{seconds:.0f}{NBSP}s"


def format_bytes(count: int) -> str:
    r"""A file size in powers of ten.

    >>> format_bytes(1_830_000), format_bytes(512)
    ('1.8\xa0MB', '512\xa0bytes')
    """
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            value = count / size
            return f"{value:.1f}{NBSP}{unit}" if value < 10 else f"{value:.0f}{NBSP}{unit}"
    return f"{count}{NBSP}bytes"


def format_shape(shape: Iterable[int]) -> str:
    r"""Sizes joined by a times sign.

    >>> format_shape((32, 112, 112))
    '32\xa0×\xa0112\xa0×\xa0112'
    """
    return f"{NBSP}×{NBSP}".join(str(n) for n in shape)


def _digits(value: float, count: int) -> str:
    """`count` significant digits without an exponent; whole numbers larger than that stay whole."""
    decimals = max(0, count - 1 - math.floor(math.log10(abs(value))))
    if len(f"{abs(value):.{decimals}f}".replace(".", "").lstrip("0")) > count:
        decimals = max(0, decimals - 1)  # 9.996 becomes 10.0, not 10.00
    return f"{value:.{decimals}f}"
