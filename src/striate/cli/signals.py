"""A polite request to end (`kill`, `docker stop`, `timeout`) is granted after cleaning up, as Ctrl-C is."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["TERMINATED", "ending_cleanly"]

TERMINATED = 128 + signal.SIGTERM


@contextmanager
def ending_cleanly() -> Iterator[None]:
    """While this lasts, SIGTERM ends the process through its `finally` blocks: no pip runs on, no part stays behind."""
    ours = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if not ours:  # somebody else in this process decides what a signal does
        yield
        return
    signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _end(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(TERMINATED)
