"""`striate explain PHOTO`: the main job, drawn as a plan, one progress bar, the answer, and where the report is."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from striate.cli.checks import check_positive
from striate.cli.console import ANSWER, print_json, print_next, print_result, print_table
from striate.cli.errors import Exit
from striate.cli.events import draw_events
from striate.cli.fetching import fetch_record, find_missing
from striate.cli.words import DEFAULT_NETWORK, command, network_flag, percent
from striate.data.files import printable
from striate.errors import ConfigError
from striate.weights.origin import say_bytes

if TYPE_CHECKING:
    from striate.insight import Explanation
    from striate.recipes.events import Done

__all__ = ["explain"]


def explain(
    photo: Annotated[Path | None, Parameter(show_default=False)] = None,
    /,
    *,
    network: str = DEFAULT_NETWORK,
    target: str | None = None,
    out: Annotated[Path | None, Parameter(show_default=lambda _: "striate-out/PHOTO-NETWORK")] = None,
    top: int = 5,
    window: int | None = None,
    stride: int | None = None,
    channels: int = 12,
    methods: Annotated[tuple[str, ...], Parameter(name="--method")] = (),
    checks: Annotated[bool, Parameter(negative="--no-checks", show_default=False)] = True,
    memory: int | None = None,
    batch_size: int | None = None,
    max_megapixels: float = 64.0,
    device: str = "auto",
    from_: Annotated[Path | None, Parameter(name="--from")] = None,
    json: bool = False,
) -> int:
    """Say what a network sees in a photo, and show why: one HTML page, and the same data as PNG, npz and JSON.

    Args:
        photo: The image file: JPEG, PNG, WebP, BMP, GIF or TIFF.
        network: A name of `striate models`, with or without a weight tag, or a weights file.
        target: The class to explain, as index or name; the best answer when it is not given.
        out: Folder for the report and the data.
        top: Answers to show.
        window: Side of the blank patch of the occlusion map, in pixels of what the network sees; when it is not given,
            16, or a fifth of a small picture.
        stride: Pixels between two places of the patch; smaller is finer and slower.
        channels: Channels to show for each stage.
        methods: Maps to make, such as occlusion,grad-cam, or all: occlusion, saliency, input-gradient, guided-backprop,
            deconvnet, grad-cam, guided-grad-cam, smooth-grad, integrated-gradients, grabcut. By default occlusion,
            saliency, guided-backprop, deconvnet and grad-cam.
        checks: Test how well each map ranks the pixels (deletion and insertion).
        memory: Most MiB that the occlusion sweep may take beside the network; 1024 when it is not given.
        batch_size: Pictures that go through the network at once; what suits the machine when it is not given.
        max_megapixels: Larger photos are refused before they are decoded.
        device: cpu, cuda, or auto for a GPU where there is one.
        from_: Draw the page again from the data that an earlier run saved in this folder; no photo is needed.
        json: Print one JSON document instead of the table.
    """
    if (photo is None) == (from_ is None):
        raise ConfigError("'striate explain' needs either PHOTO or --from DIR, exactly one of them.")
    if from_ is not None:
        return _rebuild(from_, json=json)

    check_positive("--max-megapixels", max_megapixels)  # infinity cannot be written into the report's data
    missing = find_missing(network)
    if missing is not None and photo is not None:
        from striate.data import read_image

        read_image(photo, max_megapixels=max_megapixels)  # a bad photo is found before anything is fetched for it
        fetch_record(missing)

    from striate.recipes import explain as recipe  # imports torch
    from striate.runtime import reuse_freed_memory

    reuse_freed_memory()

    # A class index may be typed as a number; pydantic would keep it as text.
    wanted = int(target) if target is not None and target.isascii() and target.isdecimal() else target
    config = recipe.ExplainConfig(
        photo=photo,  # type: ignore[arg-type]  # not None here
        network=network,
        target=wanted,
        out=out,
        top=top,
        window=window,
        stride=stride,
        channels=channels,
        methods=methods,
        checks=checks,
        memory=memory,
        batch_size=batch_size,
        max_megapixels=max_megapixels,
        device=device,
    )
    done = draw_events(recipe.run(config))
    _show_json(done) if json else _show(done, config.photo, network)
    return Exit.OK


def _show_json(done: "Done") -> None:
    files = {name: str(path) for name, path in done.files.items()}
    print_json({**done.result.to_dict(), "folder": str(done.folder), "report": files["report"], "files": files})


def _show(done: "Done", photo: Path, network: str) -> None:
    result: Explanation = done.result
    best = result.answers[0]
    print_result(
        f"{result.network} sees {best.label} ({percent(best.probability)}) in {printable(result.photo_name)}.",
        style=ANSWER,
    )
    rows = [[percent(a.probability), a.label, f"class {a.index}"] for a in result.answers]
    print_table(["", "", ""], rows, align="rll", answer=0)
    if result.target.index != best.index:
        print_result(f"The maps explain {result.target.label} ({percent(result.target.probability)}).")
    report = done.files["report"]
    print_result(f"Report  {printable(report)} ({say_bytes(report.stat().st_size)})")
    print_result(f"Data    {printable(done.folder)} ({len(done.files) - 1} files)")
    print_next(_next_command(result, photo, network))


def _next_command(result: Any, photo: Path, network: str) -> str:
    """The runner-up is what people ask about next: why not that?"""
    other = next((a.index for a in result.answers if a.index != result.target.index), None)
    if other is None:
        return command("striate", "inspect", network)
    return command("striate", "explain", photo, *network_flag(network), "--target", str(other))


def _rebuild(folder: Path, *, json: bool) -> int:
    from striate.recipes.explain import rebuild_report

    report = rebuild_report(folder)
    if json:
        print_json({"folder": str(folder), "report": str(report)})
    else:
        print_result(f"Report  {printable(report)} ({say_bytes(report.stat().st_size)})")
    return Exit.OK
