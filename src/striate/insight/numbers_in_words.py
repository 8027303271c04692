"""Numbers in pictures: three digits that count, and a true minus sign."""

import math

__all__ = ["short"]


def short(value: float) -> str:
    """A number with three significant digits.

    >>> short(8.3712), short(-0.04561), short(0.0), short(1234.5), short(2.346e-6)
    ('8.37', '−0.0456', '0', '1230', '2.35e−6')
    """
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else ("−∞" if value < 0 else "∞")
    if value == 0:
        return "0"
    size = abs(value)
    if 1e-3 <= size < 1e5:
        text = f"{float(f'{value:.3g}'):f}".rstrip("0").rstrip(".")
    else:
        mantissa, exponent = f"{value:.2e}".split("e")
        text = f"{float(mantissa):g}e{int(exponent)}"
    return text.replace("-", "−")
