"""`striate runs`: every run, how far it is and how good, the newest first."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from striate.cli.console import print_json, print_next, print_note, print_table
from striate.cli.errors import Exit
from striate.cli.words import command, score_words
from striate.data.files import printable
from striate.errors import DataError

if TYPE_CHECKING:
    from striate.recipes.runs import RunLine

__all__ = ["runs"]


def runs(
    folder: Annotated[Path | None, Parameter(show_default=False)] = None,
    /,
    *,
    root: Path = Path("runs"),
    json: bool = False,
) -> int:
    """List the runs of a folder, the newest first. A broken one is one line, and not the end.

    Args:
        folder: Where runs lie; the same as --root.
        root: Where runs lie.
        json: Print one JSON document instead of the table.
    """
    from striate.recipes.runs import list_runs

    root = folder or root
    if folder is not None and not folder.exists():
        raise DataError(f"{printable(folder)}: no such folder.")
    found = list_runs(root)
    if json:
        print_json({"root": str(root), "runs": [line.to_dict() for line in found]})
        return Exit.OK
    if not found:
        print_note(f"No runs in {printable(root)}.")
        print_next(command("striate", "train") + " DATA")
        return Exit.OK
    best = _best(found)
    print_table(
        ["run", "state", "network", "data", "epochs", "score", "when", "path"],
        [_row(line) for line in found],
        align="llllrrll",
        answer=best,
    )
    for line in found:
        if line.problem:
            print_note(f"{printable(line.name)}: {printable(line.problem)}")
    whole = [line for line in found if line.best_score is not None]
    alike = [line for line in whole if line.score == whole[0].score]  # detectors are not compared with classifiers
    if len(alike) > 1:
        print_next(command("striate", "compare", *(Path(line.path) for line in alike[:2])))
    elif whole:
        print_next(command("striate", "evaluate", Path(whole[0].path)))
    return Exit.OK


def _row(line: "RunLine") -> list[str]:
    epochs = f"{line.epoch}/{line.epochs}" if line.epochs else str(line.epoch)
    score = "–" if line.best_score is None else score_words(line.best_score, line.score)
    when = datetime.fromisoformat(line.when).astimezone().strftime("%Y-%m-%d %H:%M")
    data = printable(Path(line.data).name) if line.data else "–"
    return [printable(line.name), line.state, line.network or "–", data, epochs, score, when, printable(line.path)]


def _best(found: "list[RunLine]") -> int | None:
    """The row with the highest score, where all runs learn from the same data: others are no race."""
    scores = [(line.best_score, -number) for number, line in enumerate(found) if line.best_score is not None]
    if len(scores) < 2 or len({(line.data, line.score) for line in found if line.best_score is not None}) > 1:
        return None
    return -max(scores)[1]
