"""Ctrl-C as a request: long work ends after its step, keeps what it has, and says so."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from striate.cli.console import print_note
from striate.cli.processes import is_elastic, is_speaker

__all__ = ["Stop", "stoppable"]


class Stop:
    """Whether somebody asked to stop: by Ctrl-C or SIGTERM.

    Attributes:
        waits_for_a_step: Set it once there is something to keep.
    """

    def __init__(self) -> None:
        self.waits_for_a_step = False
        self._asked = False

    def is_asked(self) -> bool:
        """For the work, after every step."""
        return self._asked

    def ask(self, number: int, _frame: FrameType | None) -> None:
        """The handler: while there is something to keep, the first time waits for a step and the second does not."""
        again = self._asked and not is_elastic()  # torchrun says it more than once, and kills what takes too long
        if again or not self.waits_for_a_step:
            raise KeyboardInterrupt
        self._asked = True
        if is_speaker():
            more = "" if is_elastic() else "; once more to stop at once"
            print_note(f"{signal.Signals(number).name}: stopping after this step{more}.")


@contextmanager
def stoppable() -> Iterator[Stop]:
    """While this lasts, Ctrl-C and SIGTERM are requests that the work grants."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, stop.ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
