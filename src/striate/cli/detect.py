"""`striate detect FILES`: objects on photos, in films, before a camera; and one photo's way through a detector."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from striate.cli.checks import check_positive
from striate.cli.console import print_json, print_next, print_note, print_result, print_table
from striate.cli.errors import Exit
from striate.cli.events import draw_events
from striate.cli.stopping import stoppable
from striate.cli.words import command
from striate.data.files import printable
from striate.errors import ConfigError

if TYPE_CHECKING:
    from striate.recipes.detect import Detected
    from striate.report.stages_of import StageReport

__all__ = ["detect"]

_MOST_ROWS = 12


def detect(
    files: Annotated[list[str] | None, Parameter(negative=(), show_default=False)] = None,
    /,
    *,
    network: Annotated[str | None, Parameter(show_default=False)] = None,
    score: float = 0.5,
    formats: Annotated[
        tuple[Literal["json", "voc", "coco", "yolo"], ...], Parameter(name="--format", consume_multiple=True)
    ] = ("json",),
    pictures: Annotated[bool, Parameter(negative="--no-pictures", show_default=False)] = True,
    every: int = 1,
    frames: int | None = None,
    max_proposals: int = 2000,
    stages: bool = False,
    truth: Annotated[Path | None, Parameter(show_default=False)] = None,
    out: Annotated[Path | None, Parameter(show_default=False)] = None,
    max_megapixels: float = 64.0,
    device: str = "auto",
    json: bool = False,
) -> int:
    """Find objects on photos, in films or in front of a camera, with a detector that was trained here.

    Of a folder, all images in it and below it are taken. A file that cannot be read gives one line; the others go on,
    and the exit code is then 1. Ctrl-C ends after the picture, and what was found is kept.

    Args:
        files: Image files, folders, films (mp4, mov, …), or camera (camera:1 for the second).
        network: The folder of a run of `striate train` with a detector, or its weights file.
        score: Boxes with a lower score are left out, 0 to 1.
        formats: How boxes are written: json, voc, coco, yolo; several if wanted.
        pictures: Draw every picture with its boxes.
        every: Of a film or camera, look at every so many frames.
        frames: Of a film or camera, look at most at so many frames.
        max_proposals: For R-CNN and Fast R-CNN: boxes that are judged on each picture.
        stages: Follow one photo through the detector, stage by stage, on a page: anchors, proposals, cells, regions,
            suppression, whatever it has.
        truth: With --stages: what is on the photo, a VOC or YOLO file or its data set; a photo of the run's own data
            needs none.
        out: Folder for everything; striate-out/detect by default, with --stages a folder in it.
        max_megapixels: Larger photos are refused before they are decoded.
        device: cpu, cuda, or auto for a GPU where there is one.
        json: Print one JSON document instead of the table.
    """
    if not files:
        raise ConfigError("'striate detect' needs photos, a folder, a film or camera. See 'striate detect --help'.")
    if network is None:
        raise ConfigError(
            "'striate detect' needs --network RUN, a detector that was trained: striate train DATA --model faster_rcnn."
        )
    check_positive("--max-megapixels", max_megapixels)
    if stages:
        _check_stages(files, formats=formats, every=every, frames=frames)
        return _follow(
            files[0],
            network,
            truth=truth,
            score=score,
            max_proposals=max_proposals,
            pictures=pictures,
            out=out,
            max_megapixels=max_megapixels,
            device=device,
            json=json,
        )
    if truth is not None:
        raise ConfigError("--truth is what --stages compares with; add --stages, or leave it out.")
    from striate.recipes import detect as recipe  # imports torch
    from striate.runtime import reuse_freed_memory

    reuse_freed_memory()
    config = recipe.DetectConfig(
        inputs=tuple(files),
        network=network,
        score=score,
        out=recipe.DetectConfig.model_fields["out"].default if out is None else out,
        formats=formats,
        pictures=pictures,
        every=every,
        frames=frames,
        max_proposals=max_proposals,
        max_megapixels=max_megapixels,
        device=device,
    )
    with stoppable() as stop:
        done = draw_events(recipe.run(config, should_stop=stop.is_asked), stop=stop)
    result: Detected = done.result
    written = {name: str(path) for name, path in done.files.items()}
    for reason in result.failed.values():
        print_note(reason)
    if json:
        print_json(
            {**result.to_dict(), "network": network, "score": score, "folder": str(done.folder), "files": written}
        )
    else:
        _show(result)
        for name, path in written.items():
            print_result(f"{name.capitalize():<9}{printable(path)}")
        print_next(command("striate", "evaluate", Path(network)))
    if stop.is_asked():
        return Exit.INTERRUPTED
    return Exit.SOME_FAILED if result.failed else Exit.OK


def _check_stages(files: list[str], *, formats: tuple[str, ...], every: int, frames: int | None) -> None:
    if len(files) != 1 or Path(files[0]).is_dir():
        raise ConfigError("--stages follows one photo through the detector; give one image file.")
    for flag, used in (("--format", formats != ("json",)), ("--every", every != 1), ("--frames", frames is not None)):
        if used:
            raise ConfigError(f"--stages follows one photo and writes a page and its JSON; leave out {flag}.")


def _follow(
    photo: str,
    network: str,
    *,
    truth: Path | None,
    score: float,
    max_proposals: int,
    pictures: bool,
    out: Path | None,
    max_megapixels: float,
    device: str,
    json: bool,
) -> int:
    from striate.recipes import detect_stages as recipe  # imports torch
    from striate.runtime import reuse_freed_memory

    reuse_freed_memory()
    config = recipe.StagesConfig(
        photo=Path(photo),
        network=network,
        truth=truth,
        score=score,
        max_proposals=max_proposals,
        pictures=pictures,
        out=out,
        max_megapixels=max_megapixels,
        device=device,
    )
    done = draw_events(recipe.run(config))
    report: StageReport = done.result.report
    written = {name: str(path) for name, path in done.files.items()}
    if json:
        print_json({**done.result.to_dict(), "folder": str(done.folder), "files": written})
        return Exit.OK
    rows = [[one.name, f"{one.count:,}", one.why] for one in report.counts]
    print_table(["step", "left", ""], rows, align="lrl")
    print_result(printable(report.sentence))
    print_note(report.trust)
    for name, path in written.items():
        print_result(f"{name.capitalize():<9}{printable(path)}")
    if report.objects is None:
        print_next(command("striate", "detect", Path(photo), "--network", network, "--stages", "--truth", "BOXES.xml"))
    else:
        print_next(command("striate", "evaluate", Path(network)))
    return Exit.OK


def _show(result: "Detected") -> None:
    rows = []
    for name, boxes in list(result.found.items())[:_MOST_ROWS]:
        counts = Counter(boxes.label(row) for row in range(len(boxes)))
        words = ", ".join(f"{label} × {number}" if number > 1 else label for label, number in counts.most_common(6))
        best = "" if boxes.scores is None or not len(boxes) else f"{float(boxes.scores.max()):.2f}"
        rows.append([printable(name), str(len(boxes)), best, printable(words) or "nothing"])
    print_table(["picture", "boxes", "surest", "what"], rows, align="lrrl")
    if len(result.found) > len(rows):
        print_note(f"… and {len(result.found) - len(rows):,} more pictures.")
    total = sum(map(len, result.found.values()))
    pictures = f"{len(result.found):,} picture{'' if len(result.found) == 1 else 's'}"
    boxes_word = f"{total:,} box{'' if total == 1 else 'es'}"
    print_note(f"{boxes_word} on {pictures}; {1000 * result.seconds:,.0f} ms a picture, reading and drawing left out.")
