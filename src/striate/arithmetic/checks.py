"""Switches, real numbers and texts at the public door: what is none of these is refused by name, not by Python."""

from math import isfinite
from numbers import Real

from striate.errors import ConfigError

__all__ = ["finite", "text_of", "yes_or_no"]


def yes_or_no(name: str, value: object) -> bool:
    """A switch as it is; 1, "no" and None are none.

    Raises:
        ConfigError: It is neither True nor False.

    >>> yes_or_no("ceil_mode", True)
    True
    """
    if not isinstance(value, bool):
        raise ConfigError(f"{name} must be True or False, got {value!r:.80}.")
    return value


def finite(name: str, value: object, *, above: float | None = None, hint: str = "") -> float:
    """A real number as a float.

    Args:
        name: What it is called.
        value: The number.
        above: What it must be greater than; None for any finite number.
        hint: Words after the value.

    Raises:
        ConfigError: It is no number, not finite, or not above the limit.

    >>> finite("p", 3, above=0)
    3.0
    """
    limit = "" if above is None else f" above {above:g}"
    try:
        number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else None
    except OverflowError:  # a whole number beyond the largest float
        raise ConfigError(f"{name} must be a finite number{limit}, got one beyond 1e308{hint}.") from None
    if number is None or not isfinite(number) or (above is not None and number <= above):
        raise ConfigError(f"{name} must be a finite number{limit}, got {value!r:.80}{hint}.")
    return number


def text_of(name: str, value: object, *, example: str) -> str:
    """A text as it is.

    Raises:
        ConfigError: It is none; the message has the example.

    >>> text_of("layer", "relu", example="conv f=3 n=8")
    'relu'
    """
    if not isinstance(value, str):
        raise ConfigError(f"{name} must be a text such as '{example}', got {value!r:.80}.")
    return value
