"""What went wrong, said to the person who can mend it.

Every error that a user can cause is a `StriateError`. Its message is one or two sentences: the argument, the rule, the
value that was got, and the way out. The command line prints it without a traceback.
"""

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = [
    "ConfigError",
    "DataError",
    "ShapeError",
    "StriateError",
    "UnknownNameError",
    "WeightsError",
    "WeightsWarning",
    "nearest",
]


class StriateError(Exception):
    """Base of every error that a user can mend."""


class ConfigError(StriateError, ValueError):
    """A setting or an argument has a value that its rule forbids."""


class ShapeError(StriateError, ValueError):
    """A tensor or an image has a shape that cannot work."""


class UnknownNameError(StriateError, LookupError):
    """A name (of a network, a layer, a class, weights) that nothing answers to."""


class WeightsError(StriateError, ValueError):
    """Weights that are missing, damaged, of another variant, or that do not fit."""


class DataError(StriateError, ValueError):
    """An image or an annotation that cannot be read; the message names file and, where there is one, line."""


class WeightsWarning(UserWarning):
    """Weights were loaded, but some of them were left out or changed; the message names them."""


def nearest(name: object, names: Iterable[str], *, count: int = 3) -> str:
    """A sentence with the names nearest to `name`, to end an `UnknownNameError` with.

    >>> nearest("resnet51", ["resnet50", "resnet18", "vgg16"])
    "Nearest: 'resnet50', 'resnet18'."
    >>> nearest("zzz", ["resnet50"])
    "Known: 'resnet50'."
    """
    known = list(names)
    close = get_close_matches(str(name), known, n=count, cutoff=0.5)
    if close:
        return "Nearest: " + ", ".join(f"'{c}'" for c in close) + "."
    if not known:
        return "None are known."
    more = f" and {len(known) - 8} more" if len(known) > 8 else ""
    return "Known: " + ", ".join(f"'{c}'" for c in known[:8]) + more + "."
