"""Whole numbers at the public door: exact at any size, and never a float that looks like one."""

from math import log10
from operator import index
from typing import SupportsIndex

from striate.errors import ConfigError

__all__ = ["say_whole", "whole"]


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
        raise ConfigError(f"{name} must be a whole number of at least {at_least}, got {value!r:.80}.")
    if number < at_least:
        raise ConfigError(f"{name} must be at least {at_least}, got {say_whole(number)}.")
    return number


def say_whole(number: int) -> str:
    """The number, or how many digits it has where nobody could read them (Python writes no more than 4,300).

    >>> say_whole(-12), say_whole(10**5000)
    ('-12', 'one of about 5001 digits')
    """
    digits = int(number.bit_length() * log10(2)) + 1
    return str(number) if digits <= 60 else f"{'a negative ' if number < 0 else ''}one of about {digits} digits"
