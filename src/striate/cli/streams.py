"""The streams that a process was started with, made safe to write to.

A program may be started without a stdout, with one on a full disk, with one that cannot show every letter, or with one
whose reader goes away. None of this may end in a traceback, or in a half-written answer that looks whole.
"""

import logging
import os
import sys
from contextlib import suppress

__all__ = ["flush_or_discard", "prepare_streams", "quiet_libraries"]


def prepare_streams() -> None:
    """Give the process the streams that it lacks, and let both show letters that their encoding does not have."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # started with `>&-`: the next file to be opened would take the place of the stream
            descriptor = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace"))
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # an old terminal shows \u2026 where it cannot show …


def quiet_libraries() -> None:
    """Keep what libraries log (that matplotlib found no home, say) off the terminal of a person who asked for a map."""
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(logging.NullHandler())


def flush_or_discard() -> None:
    """Write out what is still held back, or drop it for good: Python would complain once more while it shuts down."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):  # a stream without a file, as in tests, has nothing to redirect
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
