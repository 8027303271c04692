"""`striate evaluate RUN|WEIGHTS|NAME [DATA]`: how good a network is, with the page that says what it gets wrong."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from striate.cli.checks import check_positive
from striate.cli.console import ANSWER, print_json, print_next, print_note, print_result, print_table
from striate.cli.errors import Exit
from striate.cli.events import draw_events
from striate.cli.fetching import fetch_record, find_missing
from striate.cli.words import command, percent
from striate.data.files import printable
from striate.errors import ConfigError
from striate.weights.origin import say_bytes

if TYPE_CHECKING:
    from striate.detection.detection_evaluation import BoxEvaluation
    from striate.recipes.events import Done
    from striate.training.evaluation import Evaluation

__all__ = ["evaluate"]


def evaluate(
    network: Annotated[str | None, Parameter(show_default=False)] = None,
    data: Annotated[Path | None, Parameter(show_default=False)] = None,
    /,
    *,
    split: str | None = None,
    view: Literal["center", "ten-crop", "dense"] = "center",
    iou: float = 0.5,
    threshold: float | None = None,
    out: Annotated[Path | None, Parameter(show_default=lambda _: "in the run, or striate-out/")] = None,
    gallery: int = 24,
    batch_size: int | None = None,
    workers: int | None = None,
    max_megapixels: float = 64.0,
    device: str = "auto",
    from_: Annotated[Path | None, Parameter(name="--from")] = None,
    json: bool = False,
) -> int:
    """Say how often a network is right, how sure that number is, and what it gets wrong: one HTML page, JSON and npz.

    Of a detector: how well its boxes fit, as VOC and COCO count. A run is evaluated on the pictures that it held out;
    anything else needs DATA. Classes are matched by name.

    Args:
        network: A run folder, a weights file, or a name of `striate models`.
        data: Labeled pictures: class folders, CSV, idx, npz or tar shards; for a detector VOC, COCO or YOLO.
        split: The part of the data: val, test, train, or all of data without parts.
        view: How each picture is seen. ten-crop averages ten views, dense slides the network over the whole picture.
        iou: Of a detector: the least overlap of a hit.
        threshold: Of a detector: the score from which on boxes are counted; the best balance when it is not given.
        out: Folder for the page and the data.
        gallery: Mistakes to show, at most.
        batch_size: Pictures that go through the network at once; what suits the machine when it is not given.
        workers: Threads that read pictures.
        max_megapixels: Larger pictures are left out, and named.
        device: cpu, cuda, or auto for a GPU where there is one.
        from_: Draw the page again from the data that an earlier evaluation saved in this folder.
        json: Print one JSON document instead of the table.
    """
    if (network is None) == (from_ is None):
        raise ConfigError(
            "'striate evaluate' needs either a network (RUN, WEIGHTS or NAME) or --from DIR, one of them."
        )
    if from_ is not None:
        return _rebuild(from_, json=json)
    check_positive("--max-megapixels", max_megapixels)
    if network is not None and data is not None and not Path(network).exists():
        missing = find_missing(network)
        if missing is not None:
            fetch_record(missing)

    from striate.recipes import evaluate as recipe  # imports torch
    from striate.recipes import evaluate_detector as recipe_boxes
    from striate.runtime import reuse_freed_memory

    reuse_freed_memory()
    config = recipe.EvaluateConfig(
        network=network or "",
        data=data,
        split=split,
        view=view,
        out=out,
        gallery=gallery,
        batch_size=batch_size,
        workers=workers,
        max_megapixels=max_megapixels,
        device=device,
    )
    if recipe_boxes.finds_boxes(config.network):
        done = draw_events(recipe_boxes.run(config, iou=iou, threshold=threshold))
        _show_json(done) if json else _show_boxes(done)
    else:
        done = draw_events(recipe.run(config))
        _show_json(done) if json else _show(done)
    return Exit.SOME_FAILED if int(done.result.predictions.facts.get("skipped") or 0) else Exit.OK


def _show_json(done: "Done") -> None:
    files = {name: str(path) for name, path in done.files.items()}
    print_json({**done.result.to_dict(), "folder": str(done.folder), "report": files["report"], "files": files})


def _show(done: "Done") -> None:
    result: Evaluation = done.result
    rate, n = result.top1, len(result.predictions)
    print_result(
        f"{percent(rate.value)} right ({100 * rate.low:.1f} … {100 * rate.high:.1f} %, {n:,} pictures)", style=ANSWER
    )
    classes = result.classes
    rows = [["top-5", percent(result.top5.value)]] if len(result.predictions.classes) > 5 else []
    rows += [
        ["balanced", percent(classes.balanced_accuracy)],
        ["macro F1", percent(classes.mean("f1"))],
        ["loss", f"{result.loss:.3f}"],
        ["ECE", percent(result.calibration.ece)],
    ]
    print_table(["", ""], rows, align="lr")
    names = result.predictions.classes
    if result.pairs:
        print_result("Most often taken for another")
        worst = [[f"{count:,}", f"{names[a]} → {names[b]}"] for a, b, count in result.pairs[:5]]
        print_table(["", ""], worst, align="rl")
    facts = result.predictions.facts
    for problem in (facts.get("problems") or [])[:5]:
        print_note(printable(f"{problem['where']}: {problem['text']}"))
    if facts.get("skipped"):
        print_note(f"Could not be read and left out: {facts['skipped']:,} of {n + int(facts['skipped']):,} pictures.")
    for mine, theirs in list((facts.get("renamed") or {}).items())[:5]:
        print_note(printable(f"The data's class '{mine}' is the network's '{theirs}'."))
    report = done.files["report"]
    print_result(f"Report  {printable(report)} ({say_bytes(report.stat().st_size)})")
    print_result(f"Data    {printable(done.folder)} ({len(done.files) - 1} files)")
    run = result.provenance.get("run") or {}
    if result.mistakes and run and facts.get("layout") == "folder":
        picture = Path(str(facts.get("data"))) / result.mistakes[0].name
        if picture.is_file():
            print_next(command("striate", "explain", picture, "--network", Path(str(run["path"]))))
            return
    print_next(command("striate", "compare", done.folder, "ANOTHER"))


def _show_boxes(done: "Done") -> None:
    result: BoxEvaluation = done.result
    mean, n = result.mean_ap, len(result.predictions)
    interval = f" ({mean.low:.3f} … {mean.high:.3f})" if mean.low == mean.low else ""
    print_result(f"mAP@{result.iou:g} {mean.value:.3f}{interval}, {n:,} pictures", style=ANSWER)
    rows = [
        ["COCO AP", f"{result.coco.ap:.3f}"],
        ["mAP, 11 points", f"{result.mean_ap11:.3f}"],
        [f"precision from score {result.point.threshold:.2f}", percent(result.point.precision)],
        ["recall there", percent(result.point.recall)],
        ["a picture takes", f"{1000 * result.seconds:,.0f} ms"],
    ]
    if result.proposal_seconds == result.proposal_seconds:
        rows.append(["its proposals", f"{1000 * result.proposal_seconds:,.0f} ms"])
    print_table(["", ""], rows, align="lr")
    names = result.predictions.labels
    order = sorted(
        range(len(names)),
        key=lambda k: (result.class_ap[k].value != result.class_ap[k].value, result.class_ap[k].value),
    )
    if len(names) > 1:
        print_result("Lowest first")
        worst = [[f"{result.class_ap[k].value:.3f}", names[k], f"{result.objects[k]:,}"] for k in order[:5]]
        print_table(["AP", "class", "objects"], worst, align="rlr")
    facts = result.predictions.facts
    for problem in (facts.get("problems") or [])[:5]:
        print_note(printable(f"{problem['where']}: {problem['text']}"))
    report = done.files["report"]
    print_result(f"Report  {printable(report)} ({say_bytes(report.stat().st_size)})")
    print_result(f"Data    {printable(done.folder)} ({len(done.files) - 1} files)")
    print_next(command("striate", "compare", done.folder, "ANOTHER"))


def _rebuild(folder: Path, *, json: bool) -> int:
    from striate.recipes.evaluate import rebuild_page
    from striate.recipes.evaluate_boxes import rebuild_detection_page
    from striate.recipes.evaluate_detector import is_of_boxes

    report = rebuild_detection_page(folder) if is_of_boxes(folder) else rebuild_page(folder)
    if json:
        print_json({"folder": str(folder), "report": str(report)})
    else:
        print_result(f"Report  {printable(report)} ({say_bytes(report.stat().st_size)})")
    return Exit.OK
