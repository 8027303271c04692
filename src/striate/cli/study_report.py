"""`striate study report STUDY`: what people and networks got wrong, and whether it is the same."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from striate.cli.console import ANSWER, print_json, print_next, print_note, print_result, print_table
from striate.cli.errors import Exit
from striate.cli.events import draw_events
from striate.cli.fetching import fetch_record, find_missing
from striate.cli.words import command
from striate.data.files import printable
from striate.weights.origin import say_bytes

if TYPE_CHECKING:
    from striate.insight.human_study_result import StudyResult
    from striate.recipes.events import Done

__all__ = ["report"]


def report(
    study: Path,
    /,
    *,
    network: tuple[str, ...] = (),
    participant: tuple[str, ...] = (),
    out: Annotated[Path | None, Parameter(show_default=lambda _: "STUDY/report")] = None,
    seed: int = 0,
    device: str = "auto",
    json: bool = False,
) -> int:
    """Compare people and networks: error rates, confusion, agreement of their errors, times; one HTML page and JSON.

    Args:
        study: The study's folder.
        network: Networks to ask before; may be given several times.
        participant: Only these people and networks; may be given several times.
        out: Folder for the page and the data.
        seed: Of the intervals.
        device: cpu, cuda, or auto for a GPU where there is one.
        json: Print one JSON document instead of the table.
    """
    for name in network:
        missing = None if Path(name).exists() else find_missing(name)
        if missing is not None:
            fetch_record(missing)

    from striate.recipes import study_report as recipe  # imports torch

    config = recipe.StudyReportConfig(
        study=study, networks=network, participants=participant, out=out, seed=seed, device=device
    )
    done = draw_events(recipe.run(config))
    if json:
        files = {name: str(path) for name, path in done.files.items()}
        print_json({**done.result.to_dict(), "folder": str(done.folder), "report": files["report"], "files": files})
    else:
        _show(done, study)
    return Exit.OK


def _show(done: "Done", study: Path) -> None:
    from striate.report.study_words import headline

    result: StudyResult = done.result
    print_result(headline(result), style=ANSWER)
    names = ["all", *result.conditions] if len(result.conditions) > 1 else ["all"]
    rows = []
    for i, name in enumerate(result.observers):
        rates = [result.errors(i, None if c == "all" else result.conditions.index(c)) for c in names]
        cells = [f"{100 * r.value:.0f} % ({100 * r.low:.0f}–{100 * r.high:.0f})" if r.count else "–" for r in rates]
        rows.append([name, result.kinds[i], *cells])
    print_table(["wrong answers", "", *names], rows, align="ll" + "r" * len(names))
    pairs = [
        [f"{result.observers[p.a]}, {result.observers[p.b]}", f"{p.kappa:.2f}", f"{p.low:.2f} … {p.high:.2f}"]
        for p in result.pairs
        if p.kappa == p.kappa
    ]
    if pairs:
        print_table(["error consistency", "κ", "95 %"], pairs[:12], align="lrr")
        if len(pairs) > 12:
            print_note(f"{len(pairs) - 12} more pairs are in the report.")
    page = done.files["report"]
    print_result(f"Report  {printable(page)} ({say_bytes(page.stat().st_size)})")
    print_result(f"Data    {printable(done.folder)} ({len(done.files) - 1} files)")
    print_next(command("striate", "study", "label", study))
