"""`striate compare RUN RUN…`: which is better, by how much, and whether that could be luck."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from striate.cli.console import ANSWER, print_json, print_next, print_note, print_result, print_table
from striate.cli.detector_table import print_detectors, ratio_scale
from striate.cli.errors import Exit
from striate.cli.events import draw_events
from striate.cli.words import command, count, percent
from striate.data.files import printable
from striate.errors import ConfigError
from striate.weights.origin import say_bytes

if TYPE_CHECKING:
    from striate.detection.detector_comparison import DetectorComparison
    from striate.recipes.events import Done
    from striate.training.comparison import Comparison, Contender

__all__ = ["compare"]

MOST_SETTINGS = 20


def compare(
    runs: Annotated[list[Path], Parameter(negative=())],
    /,
    *,
    out: Path = Path("striate-out/compare.html"),
    json: bool = False,
) -> int:
    """Put runs side by side: scores, cost, curves, settings that differ, and a paired test of every two.

    The test (McNemar's, exact) is about the pictures that both runs answered, which are found by their names.
    Detectors are set side by side as in the course notes, with numbers: mAP, training, time of a picture, proposals,
    disk; their pictures are drawn again, in pairs, to tell a difference from luck.

    Args:
        runs: Folders of runs, or folders that `striate evaluate` wrote; two or more.
        out: Where the page goes.
        json: Print one JSON document instead of the tables.
    """
    if len(runs) < 2:
        raise ConfigError(f"'striate compare' needs 2 or more runs, got {len(runs)}. `striate runs` lists them.")

    from striate.recipes import compare_detectors, compare_runs  # imports torch

    if compare_detectors.are_detectors(runs):
        done = draw_events(compare_detectors.run(compare_detectors.CompareDetectorsConfig(runs=tuple(runs), out=out)))
        _show_json(done) if json else _show_detectors(done, runs)
    else:
        done = draw_events(compare_runs.run(compare_runs.CompareConfig(runs=tuple(runs), out=out)))
        _show_json(done) if json else _show(done, runs)
    return Exit.OK


def _show_json(done: "Done") -> None:
    print_json({**done.result.to_dict(), "report": str(done.files["report"])})


def _show(done: "Done", paths: list[Path]) -> None:
    result: Comparison = done.result
    rows = [_row(one) for one in result.contenders]
    print_table(
        ["run", "network", "top-1", "95 %", "loss", "epochs", "time", "parameters"],
        rows,
        align="llrlrrrr",
        answer=result.winner,
    )
    for one in result.contenders:
        for note in one.notes:
            print_note(printable(note))
    for pair in result.pairs:
        print_result(pair.verdict, style=ANSWER if pair.significant else "")
        for note in pair.notes:
            print_note(note)
    if result.differing:
        names = [one.name for one in result.contenders]
        listed = list(result.differing.items())
        print_table(
            ["set differently", *names],
            [[name, *(_value(value) for value in values)] for name, values in listed[:MOST_SETTINGS]],
            align="l" * (len(names) + 1),
        )
        if len(listed) > MOST_SETTINGS:
            print_note(f"… and {len(listed) - MOST_SETTINGS} more settings; the page has them.")
    report = done.files["report"]
    print_result(f"Report  {printable(report)} ({say_bytes(report.stat().st_size)})")
    best = result.best
    if best is not None:
        print_next(command("striate", "evaluate", paths[best]) if result.contenders[best].rows else "striate runs")


def _show_detectors(done: "Done", paths: list[Path]) -> None:
    result: DetectorComparison = done.result
    print_detectors([(one.name, one.facts) for one in result.contestants], answer=result.best)
    if (words := _speed_words(result)) is not None:
        print_result(words)
    for one in result.contestants:
        for note in (*one.facts.notes, *one.notes):
            print_note(f"{printable(one.name)}: {printable(note)}")
    for pair in result.pairs:
        print_result(pair.verdict, style=ANSWER if pair.significant else "")
        for note in pair.notes:
            print_note(note)
    report = done.files["report"]
    print_result(f"Report  {printable(report)} ({say_bytes(report.stat().st_size)})")
    best = 0 if result.best is None else result.best
    is_run = (paths[best] / "config.yaml").is_file()
    print_next(command("striate", "detect", "FILES", "--network", paths[best]) if is_run else "striate runs")


def _speed_words(result: "DetectorComparison") -> str | None:
    """Each one's speed beside the slowest; a ratio says nothing without the number of proposals and the size."""
    slowest = result.slowest
    ratios = [(faster, number) for number in range(len(result.contestants)) if (faster := result.faster(number))]
    if slowest is None or len(ratios) < 2:
        return None
    listed = [
        f"{one.name} {ratio:.3g}× ({ratio_scale(one.facts)})"
        for ratio, number in sorted(ratios, reverse=True)
        if (one := result.contestants[number]) is not result.contestants[slowest]
    ]
    base = result.contestants[slowest]
    return f"Speed beside {base.name} ({ratio_scale(base.facts)}), proposals left out: {', '.join(listed)}."


def _row(one: "Contender") -> list[str]:
    rate, cost = one.top1, one.cost or {}
    losses = [row["val_loss"] for row in one.rows if isinstance(row.get("val_loss"), int | float)]
    seconds, parameters = cost.get("seconds"), cost.get("parameters")
    return [
        one.name,
        one.network or "–",
        "–" if rate is None else percent(rate.value),
        "" if rate is None else f"{100 * rate.low:.1f} … {100 * rate.high:.1f}",
        f"{min(losses):.3f}" if losses else "–",
        str(len(one.rows)) if one.rows else "–",
        "–" if seconds is None else f"{seconds / 60:.1f} min",
        "–" if parameters is None else count(int(parameters)),
    ]


def _value(value: Any) -> str:
    return "–" if value is None else str(value)
