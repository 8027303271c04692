"""Work in pieces on as many threads as torch uses.

Compiled loops let go of Python's lock, so plain threads are enough: no OpenMP beside torch's own, no lock around a
threading layer, and a process forked from this one starts threads of its own instead of waiting for some that are gone.
"""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import torch

__all__ = ["in_pieces"]

_lock = threading.Lock()
_pool: tuple[int, int, ThreadPoolExecutor] | None = None


def in_pieces(work: Callable[[int, int], object], count: int, *, least: int = 1) -> None:
    """Call `work(start, end)` for pieces of `range(count)`, at once on several threads.

    Args:
        work: Writes to places of its own for each number, so that the pieces' order does not matter.
        count: How many numbers there are.
        least: The fewest numbers that are worth a piece.
    """
    threads = min(torch.get_num_threads(), max(count // max(least, 1), 1))
    if threads <= 1:
        work(0, count)
        return
    edges = [count * piece // threads for piece in range(threads + 1)]
    pool = _threads(threads - 1)
    others = [pool.submit(work, start, end) for start, end in pairwise(edges[1:])]
    try:
        work(0, edges[1])
    finally:
        errors = [other.exception() for other in others]
    for error in errors:
        if error is not None:
            raise error


def _threads(count: int) -> ThreadPoolExecutor:
    global _pool  # noqa: PLW0603 - threads are kept between calls
    with _lock:
        if _pool is None or _pool[0] != os.getpid() or _pool[1] < count:
            _pool = (os.getpid(), count, ThreadPoolExecutor(count, thread_name_prefix="striate-ops"))
        return _pool[2]
