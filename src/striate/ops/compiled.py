"""Loops that are compiled on first use, and run without Python's lock.

Numba keeps what it compiled beside the source, or in the user's cache folder where that cannot be written; where
neither can, it is compiled again in each process.
"""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit
from numpy.typing import NDArray

__all__ = ["Array", "compiled", "compiled_fused"]

Array = NDArray[Any]
Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def compiled(function: Kernel) -> Kernel:
    """The function as machine code, exact: no reordered sums, no fused products, no reciprocals."""
    return _compiled(function, False)


def compiled_fused(function: Kernel) -> Kernel:
    """The same, but a product that is added at once is not rounded in between."""
    return _compiled(function, {"contract"})


def _compiled(function: Kernel, fastmath: bool | set[str]) -> Kernel:
    plain = inspect.unwrap(function)  # what checks types at run time wraps functions; Numba reads the function itself
    settings = {"nogil": True, "error_model": "numpy", "fastmath": fastmath}
    try:
        fast: Kernel = njit(cache=True, **settings)(plain)
    except RuntimeError:  # "cannot cache function …: no locator available"
        fast = njit(**settings)(plain)
    return fast
