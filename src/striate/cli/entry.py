"""Where the process begins: nothing is imported yet, so that even the first moments can be interrupted in peace."""

import gc
import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(tokens: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code (see `striate.cli.app.main`).

    Args:
        tokens: The words after `striate`; the process's own by default.
    """
    try:
        from striate.cli.app import main as run

        code = run(tokens)
        if tokens is None:
            gc.freeze()  # the process ends: its memory goes back whole, and searching it for cycles takes a second
        return code
    except KeyboardInterrupt:  # while the command line itself was still being imported
        sys.stderr.write("Error: Interrupted; nothing more was written.\n")
        return 130
