"""`striate data check PATH`: read every picture once, and say what is wrong, how wrong it is, and where."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from striate.cli.console import (
    ANSWER,
    ERROR,
    print_json,
    print_next,
    print_result,
    print_table,
)
from striate.cli.errors import Exit
from striate.cli.events import draw_events
from striate.cli.problems import print_problems
from striate.cli.words import BOX_MODEL, command
from striate.data.files import printable
from striate.errors import ConfigError

if TYPE_CHECKING:
    from striate.data.box_report import BoxReport
    from striate.data.data_report import DataReport

__all__ = ["check"]

_SHOWN_CLASSES = 16


def check(
    path: str,
    /,
    *,
    show: int = 5,
    workers: int | None = None,
    max_megapixels: float = 64.0,
    out: Path | None = None,
    json: bool = False,
) -> int:
    """Read every picture once, and say what is wrong where: unreadable, duplicate, mislabeled, odd.

    Exit code 1 where there are errors; warnings and notes alone leave it at 0.

    Args:
        path: Class folders, a CSV, npz, idx or tar file, or a folder of them; boxes in VOC, COCO or YOLO form.
        show: How many of each kind of problem to list; 0 for all.
        workers: Threads that decode; as many as processors by default.
        max_megapixels: Larger pictures count as unreadable.
        out: Write everything that was found to this JSON file, too.
        json: Print one JSON document instead of the tables.
    """
    if show < 0:
        raise ConfigError(f"--show must be 0 (all) or more, got {show}.")
    from striate.recipes.data_check import DataCheckConfig, run

    config = DataCheckConfig(path=Path(path), workers=workers, max_megapixels=max_megapixels, out=out)
    result = draw_events(run(config)).result
    boxes = result if hasattr(result, "splits") else None
    report = result if boxes is None else boxes.pictures
    if json:
        print_json(result.to_dict())
    else:
        if boxes is None:
            _show_classes(report)
        else:
            _show_boxes(boxes)
        _show(report, path, show)
        if out is not None:
            print_result(f"Report  {printable(out)}")
        print_next(_next_command(report, path, show, boxes=boxes is not None))
    return Exit.SOME_FAILED if report.count("error") else Exit.OK


def _next_command(report: "DataReport", path: str, show: int, *, boxes: bool) -> str:
    """All of a list that was cut; else a look at the pictures, or training where nothing is wrong."""
    kinds = [*report.by_kind("error").values(), *report.by_kind("warning").values()]
    if show and any(len(problems) > show for problems in kinds):
        return command("striate", "data", "check", Path(path), "--show", "0")
    if kinds:
        return command("striate", "data", "show", Path(path))
    return command("striate", "train", Path(path), *(["--model", BOX_MODEL] if boxes else []))


def _show(report: "DataReport", path: str, show: int) -> None:
    if report.examined:
        low, middle, high = (f"{w} × {h}" for h, w in (report.smallest, report.median, report.largest))
        sizes = f"{high} pixels, all of them" if low == high else f"{low} to {high} pixels, {middle} in the middle"
        split = "train" if "train" in report.counts else next(iter(report.counts))
        mean, std = (" ".join(f"{value:.3f}" for value in values) for values in (report.mean, report.std))
        print_result("")
        print_result(f"Sizes   {sizes}")
        print_result(f"Files   {', '.join(f'{count:,} {name}' for name, count in report.formats.items())}")
        print_result(f"Colors  mean {mean}, deviation {std}" + ("" if split == "all" else f" ({split})"))
    for level, title in (("error", "Errors"), ("warning", "Warnings"), ("note", "Notes")):
        found = report.by_kind(level)  # type: ignore[arg-type]
        if found:
            print_result("")
            print_result(
                f"{title}: {report.count(level):,}",  # type: ignore[arg-type]
                style=ERROR if level == "error" else ANSWER if level == "warning" else "bold",
            )
            for kind, problems in found.items():
                print_problems(kind, problems, path, 1 if level == "note" and show else show)
    print_result("")
    print_result(_verdict(report))


def _verdict(report: "DataReport") -> str:
    errors, warnings = report.count("error"), report.count("warning")
    read = "1 picture was read" if report.examined == 1 else f"{report.examined:,} pictures were read"
    if not errors and not warnings:
        return f"{read}; nothing is wrong."
    counted = [f"{n:,} {word}{'' if n == 1 else 's'}" for n, word in ((errors, "error"), (warnings, "warning")) if n]
    return f"{read}: {', '.join(counted)}."


def _show_boxes(report: "BoxReport") -> None:
    """Objects of every class and split, and how large they are."""
    _show_classes(report.pictures, "objects")
    print_result("")
    for name, split in report.splits.items():
        many = f"{split.empty:,} without objects, at most {split.most:,} on one"
        marked = [f"{n:,} {word}" for n, word in ((split.difficult, "difficult"), (split.crowd, "crowd")) if n]
        print_result(
            f"{'Pictures' if name == 'all' else name:<8}{split.pictures:,} pictures, {many}"
            + (f"; {', '.join(marked)}" if marked else "")
        )
        if sum(split.objects):
            low, quarter, middle, upper, high = (f"{side:.3g}" for side in split.sides)
            small, medium, large = split.by_area
            print_result(
                f"{'':<8}√area {low} to {high} px, half of them {quarter} to {upper}, {middle} in the middle; "
                f"small {small:,}, medium {medium:,}, large {large:,}"
            )


def _in_short(name: str) -> str:
    """A name of which beginning and end are kept, so that a long one does not push all numbers away.

    >>> _in_short("cat"), _in_short("a" * 50 + "b" * 50)
    ('cat', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…bbbbbbbbbbbbbbb')
    """
    return name if len(name) <= 60 else f"{name[:40]}…{name[-15:]}"


def _show_classes(report: "DataReport", what: str = "pictures") -> None:
    """Pictures (or objects) of every class and split; of many classes the largest and the smallest."""
    splits = list(report.counts)
    order = sorted(range(len(report.classes)), key=lambda k: (-sum(report.counts[s][k] for s in splits), k))
    chosen: Sequence[int] = range(len(report.classes))
    if len(chosen) > _SHOWN_CLASSES:
        chosen = order[: _SHOWN_CLASSES // 2] + order[-_SHOWN_CLASSES // 2 :]
    rows = [[_in_short(report.classes[k]), *(f"{report.counts[s][k]:,}" for s in splits)] for k in chosen]
    if len(report.classes) > _SHOWN_CLASSES:
        left = f"… {len(report.classes) - _SHOWN_CLASSES:,} more"
        rows.insert(_SHOWN_CLASSES // 2, [left, *("…" for _ in splits)])
    if len(report.classes) > 1:
        rows.append(["", *(f"{sum(report.counts[s]):,}" for s in splits)])
    titles = ["class", *(what if s == "all" else s for s in splits)]
    print_table(titles, rows, align="l" + "r" * len(splits))
