"""What the terminal shows: progress and notes on stderr, results on stdout, one JSON document when asked.

Plain text when the stream is not a terminal or `NO_COLOR` is set; color only for the answer and for errors.
"""

import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

__all__ = [
    "ANSWER",
    "ERROR",
    "QUIET",
    "ProgressLine",
    "format_table",
    "print_json",
    "print_next",
    "print_note",
    "print_result",
    "print_table",
    "stderr",
    "stdout",
    "visible",
]

ANSWER = "bold #c0702f"  # the ochre of the report, readable on light and on dark
ERROR = "bold red"
QUIET = "dim"

_NARROWEST = 40  # columns; a terminal that reports none, or one, would be given one letter a line

# What moves the cursor, recolors, renames the window, or turns the direction of reading; and halves of letters, which
# stand for bytes of a file name that are no text. Line breaks and tabs are meant.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def stdout() -> Console:
    """The console for results; made anew each time, so that a redirected stream is noticed."""
    return _console(sys.stdout)


def stderr() -> Console:
    """The console for plans, progress and errors."""
    return _console(sys.stderr)


def _console(stream: Any) -> Console:
    # Rich keeps bold and dim under NO_COLOR; plain means plain, so there is no color system at all.
    plain = bool(os.environ.get("NO_COLOR"))
    console = _Console(file=stream, highlight=False, markup=False, emoji=False, color_system=None if plain else "auto")
    console.width = max(console.width, _NARROWEST)
    return console


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Let the caller decide; Rich would end the process with the code that means "some inputs failed"."""
        raise BrokenPipeError


def visible(text: str) -> str:
    r"""The text with everything that a terminal would act on, and not show, written as an escape.

    File names are anybody's: a photo may be called after the command that clears the screen.

    >>> print(visible("a\x1b[2Jb"))
    a\x1b[2Jb
    """
    return _UNSEEN.sub(lambda found: ascii(found[0])[1:-1], text)


def print_note(text: str) -> None:
    """A line that is not a result (the plan, a warning about one file) on stderr."""
    stderr().print(Text(visible(text)), soft_wrap=True)  # soft_wrap: nothing is cut in a pipe or a file


def print_result(text: str, *, style: str = "") -> None:
    """A line of the result on stdout, never cut or wrapped."""
    stdout().print(Text(visible(text), style=style), soft_wrap=True)


def print_next(command: str) -> None:
    """The command that most people want after this one."""
    print_result(f"Next    {command}")


def print_json(document: Any) -> None:
    """The one JSON document of a run with `--json`."""
    # Where the stream cannot hold every letter, JSON has escapes of its own; those of Python are no JSON.
    ascii_only = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "") != "utf8"
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=ascii_only, allow_nan=False) + "\n")


def print_table(titles: Sequence[str], rows: Sequence[Sequence[str]], *, align: str, answer: int | None = None) -> None:
    """An aligned table on stdout; row number `answer` is set in the color of the answer."""
    console = stdout()
    lines = format_table(titles, rows, align=align)
    first_row = len(lines) - len(rows)
    for number, line in enumerate(lines):
        style = QUIET if number < first_row else ANSWER if number - first_row == answer else ""
        console.print(Text(line, style=style), soft_wrap=True)


def format_table(titles: Sequence[str], rows: Sequence[Sequence[str]], *, align: str) -> list[str]:
    """Rows as lines with aligned columns; `align` has `l` or `r` for each column, empty `titles` no heading.

    >>> for line in format_table(["layer", "MACs"], [["conv1", "118,013,952"], ["fc", "2,048,000"]], align="lr"):
    ...     line
    'layer         MACs'
    'conv1  118,013,952'
    'fc       2,048,000'
    """
    cells = [
        [visible(cell).replace("\n", "\\n") for cell in row] for row in ([titles] if any(titles) else []) + list(rows)
    ]
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        padded = [
            " " * (width - cell_len(cell)) + cell if side == "r" else cell + " " * (width - cell_len(cell))
            for cell, width, side in zip(row, widths, align, strict=True)
        ]
        lines.append("  ".join(padded).rstrip())
    return lines


class ProgressLine:
    """One progress bar on stderr that vanishes when the work is done; one plain line a stage off a terminal."""

    def __init__(self) -> None:
        self._console = stderr()
        self._stage = ""
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=32, complete_style="default", finished_style="default", pulse_style="default"),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(compact=True),
            console=self._console,
            transient=True,
            redirect_stdout=False,  # Rich would send the results to stderr with the bar
            redirect_stderr=False,
        )
        self._task = self._bar.add_task("", total=None, visible=False)

    def __enter__(self) -> "ProgressLine":
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._bar.stop()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Take the bar away while lines are printed above it."""
        if self._console.is_terminal:
            self._bar.stop()
        try:
            yield
        finally:
            if self._console.is_terminal:
                self._bar.start()

    def update(self, stage: str, done: float, total: float | None, *, detail: str = "") -> None:
        """Say that `done` of `total` steps of `stage` are done (`total=None`: not known).

        `detail` may change at every step; off a terminal it is left out.
        """
        stage, words = visible(stage), visible(f"{stage}, {detail}" if detail else stage)
        new = stage != self._stage
        self._stage = stage
        if not self._console.is_terminal:
            if new:
                print_note(f"{stage} …")
        elif new:
            self._bar.reset(self._task, total=total, completed=int(done), description=words, visible=True)
        else:
            self._bar.update(self._task, completed=done, total=total, description=words)
