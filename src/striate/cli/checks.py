"""Mistakes on the command line that no single verb has to know about."""

import math
import os
from collections.abc import Sequence

from striate.errors import ConfigError

__all__ = ["check_here", "check_positive", "check_words"]


def check_words(words: Sequence[str]) -> None:
    """Refuse empty words: they come from variables that were never set, and an empty path means the current folder.

    Raises:
        ConfigError: With the option before the empty word.
    """
    end = list(words).index("--") if "--" in words else len(words)
    for number, word in enumerate(words):
        if not word:
            before = words[number - 1] if 0 < number <= end and words[number - 1].startswith("--") else "A word"
            raise ConfigError(f"{_quoted(before)} is empty; give a value (a variable that is not set gives this).")
        if number < end and word.startswith("--") and word.endswith("=") and word.count("=") == 1:
            raise ConfigError(f"{_quoted(word[:-1])} is empty; give a value (a variable that is not set gives this).")


def check_positive(flag: str, value: float) -> None:
    """Refuse what is no number above 0, infinity included.

    Raises:
        ConfigError: With the flag and the value.
    """
    if not value > 0:
        raise ConfigError(f"{flag} must be greater than 0, got {value}.")
    if not math.isfinite(value):
        raise ConfigError(f"{flag} must be a finite number, got {value}.")


def check_here() -> None:
    """Refuse to work in a folder that was removed: torch ends the process there without a word of its own.

    Raises:
        ConfigError: If the current folder is gone.
    """
    try:
        os.getcwd()  # noqa: PTH109 - Path.cwd() is the same call
    except FileNotFoundError:
        raise ConfigError("The current folder does not exist any more; change to one that does.") from None


def _quoted(word: str) -> str:
    return f"'{word}'" if word.startswith("--") else word
