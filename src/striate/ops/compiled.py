"""Loops that are compiled on first use, and run without Python's lock.

Numba keeps what it compiled beside the source, or in the user's cache folder where that cannot be written; where
neither can, it is compiled again in each process.
"""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit
from numpy.typing import NDArray

__all__ = ["Array", "compiled"]

Array = NDArray[Any]
Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def compiled(function: Kernel) -> Kernel:
    """The function as machine code, exact: no reordered sums, no fused products, no reciprocals."""
    plain = inspect.unwrap(function)  # what checks types at run time wraps functions; Numba reads the function itself
    try:
        fast: Kernel = njit(nogil=True, cache=True, error_model="numpy")(plain)
    except RuntimeError:  # "cannot cache function …: no locator available"
        fast = njit(nogil=True, error_model="numpy")(plain)
    return fast
