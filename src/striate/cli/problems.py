"""What is wrong with pictures, as lines in a terminal."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from striate.cli.console import print_result
from striate.data.files import printable

if TYPE_CHECKING:
    from striate.data.problem import Problem

__all__ = ["print_problems"]


def print_problems(kind: str, problems: "Sequence[Problem]", source: str | Path, show: int) -> None:
    """The problems of one kind: what they have in common, then where, from the source on; at most `show` (0: all)."""
    from striate.data.data_report import LEVELS

    title = LEVELS.get(kind, ("", kind))[1]
    print_result(f"  {title}: {len(problems):,}")
    base = printable(Path(source)).rstrip("/") + "/"
    shown = problems[:show] if show else problems
    for problem in shown:
        text = problem.text.replace(base, "")
        where = problem.where.removeprefix(base)
        if where == base.rstrip("/"):
            print_result(f"    {text}")
        else:
            print_result(f"    {where}" + ("" if text == title else f": {text}"))
    if len(problems) > len(shown):
        print_result(f"    … {len(problems) - len(shown):,} more")
