"""`striate study import STUDY CSV` and `striate study export STUDY`: answers as a table."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from striate.cli.console import print_json, print_next, print_note, print_result
from striate.cli.errors import Exit
from striate.cli.words import command
from striate.data.files import printable

__all__ = ["export", "import_"]

SHOWN = 20


def import_(study: Path, table: Path, /, *, json: bool = False) -> int:
    """Read answers from a CSV file with participant, picture, answer and, where it is known, rt_ms.

    What is in the study already is passed over; an answer that contradicts it is a problem, never a change.

    Args:
        study: The study's folder.
        table: The CSV file, such as one of striate study export.
        json: Print one JSON document instead of text.
    """
    from striate.insight.human_study import HumanStudy  # imports torch
    from striate.insight.human_study_table import import_answers

    found = import_answers(HumanStudy(study), table)
    if json:
        problems = [problem.to_dict() for problem in found.problems]
        print_json({"added": found.added, "known": found.known, "practice": found.practice, "problems": problems})
    else:
        for problem in found.problems[:SHOWN]:
            print_note(printable(str(problem)))
        if len(found.problems) > SHOWN:
            print_note(f"{len(found.problems) - SHOWN} more problems.")
        words = [f"{found.added:,} new", f"{found.known:,} known already"]
        words += [f"{found.practice:,} of practice passed over"] if found.practice else []
        words += [f"{len(found.problems):,} left out"] if found.problems else []
        print_result(f"Answers  {', '.join(words)}")
        print_next(command("striate", "study", "report", study))
    return Exit.SOME_FAILED if found.problems else Exit.OK


def export(
    study: Path,
    /,
    *,
    out: Annotated[Path | None, Parameter(show_default=lambda _: "STUDY/answers.csv")] = None,
    practice: bool = False,
    json: bool = False,
) -> int:
    """Write all answers as a CSV file, one line each.

    Args:
        study: The study's folder.
        out: The CSV file.
        practice: With the trials of practice, marked as such.
        json: Print one JSON document instead of text.
    """
    from striate.insight.human_study import HumanStudy  # imports torch
    from striate.insight.human_study_table import export_answers

    path = out or study / "answers.csv"
    count = export_answers(HumanStudy(study), path, practice=practice)
    if json:
        print_json({"table": str(path), "answers": count})
    else:
        print_result(f"Table   {printable(path)} ({count:,} answers)")
        print_next(command("striate", "study", "report", study))
    return Exit.OK
