"""Whole numbers at the public door: exact at any size, and never a float that looks like one."""

from operator import index
from typing import SupportsIndex

from striate.errors import ConfigError

__all__ = ["whole"]


def whole(name: str, value: SupportsIndex, *, at_least: int) -> int:
    """The value as a Python int, which has no largest one.

    Raises:
        ConfigError: It is no whole number (a float, a bool, a text), or below `at_least`.

    >>> whole("stride", 2, at_least=1)
    2
    """
    try:
        number = index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise ConfigError(f"{name} must be a whole number of at least {at_least}, got {value!r}.")
    if number < at_least:
        raise ConfigError(f"{name} must be at least {at_least}, got {number}.")
    return number
