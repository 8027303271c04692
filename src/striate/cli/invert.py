"""`striate invert PHOTO`: the plan with its time, one progress bar, what each layer keeps, and where the sheet is."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from striate.cli.checks import check_positive
from striate.cli.console import print_json, print_next, print_result, print_table
from striate.cli.errors import Exit
from striate.cli.events import draw_events
from striate.cli.fetching import fetch_record, find_missing
from striate.cli.stopping import stoppable
from striate.cli.words import DEFAULT_NETWORK, command, network_flag, shape
from striate.data.files import printable
from striate.errors import ConfigError
from striate.weights.origin import say_bytes

if TYPE_CHECKING:
    from striate.insight.inversion_sheet import InversionSheet
    from striate.recipes.events import Done

__all__ = ["invert"]


def invert(
    photo: Annotated[Path | None, Parameter(show_default=False)] = None,
    /,
    *,
    network: str = DEFAULT_NETWORK,
    layers: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = (),
    samples: int = 4,
    steps: int = 200,
    prior: str = "tv",
    tv_weight: float | None = None,
    optimizer: Literal["auto", "lbfgs", "adam", "reference"] = "auto",
    size: int | None = None,
    tolerance: float = 0.01,
    seed: int = 0,
    out: Annotated[Path | None, Parameter(show_default=lambda _: "striate-out/PHOTO-NETWORK-inversion")] = None,
    max_megapixels: float = 64.0,
    device: str = "auto",
    from_: Annotated[Path | None, Parameter(name="--from")] = None,
    json: bool = False,
) -> int:
    """Paint a photo again from what each layer answered to it: a sheet over depth of what the network forgets.

    Ctrl-C ends after the step, with a sheet of what is there. While it runs, preview.png in the folder shows the newest
    pictures.

    Args:
        photo: The image file: JPEG, PNG, WebP, BMP, GIF or TIFF.
        network: A name of `striate models`, with or without a weight tag, or a weights file.
        layers: Layers from shallow to deep, as `striate inspect` lists them; the end of every stage when not given.
        samples: Pictures a layer, each from noise of its own: where they differ, the layer has forgotten.
        steps: At most so many for each picture.
        prior: Which pictures are preferred: tv (smooth), fourier (coefficients alone), pixels (the same as tv in
            pixels), or the paper's alexnet-shallow, alexnet-middle, alexnet-deep.
        tv_weight: Weight of smoothness in the paper's units; chosen by the depth of each layer when not given.
        optimizer: auto (Adam for large shapes, then L-BFGS), lbfgs, adam, or reference: the paper's, with a prior in
            pixels.
        size: Side of the pictures in pixels; what the network was trained at when not given.
        tolerance: A picture is done when L-BFGS gains less than this share in 10 steps; 0 for all steps.
        seed: Of the first noise.
        out: Folder for the sheet and the data.
        max_megapixels: Larger photos are refused before they are decoded.
        device: cpu, cuda, or auto for a GPU where there is one.
        from_: Draw the page again from the data that an earlier run saved in this folder; no photo is needed.
        json: Print one JSON document instead of the table.
    """
    if (photo is None) == (from_ is None):
        raise ConfigError("'striate invert' needs either PHOTO or --from DIR, exactly one of them.")
    if from_ is not None:
        return _rebuild(from_, json=json)
    check_positive("--max-megapixels", max_megapixels)
    missing = find_missing(network, needs_classes=False)
    if missing is not None and photo is not None:
        from striate.data import read_image

        read_image(photo, max_megapixels=max_megapixels)  # a bad photo is found before anything is fetched for it
        fetch_record(missing)

    from striate.recipes import invert as recipe  # imports torch
    from striate.runtime import reuse_freed_memory

    reuse_freed_memory()
    config = recipe.InvertConfig(
        photo=photo,  # type: ignore[arg-type]  # not None here
        network=network,
        layers=layers,
        samples=samples,
        steps=steps,
        prior=prior,
        tv_weight=tv_weight,
        optimizer=optimizer,
        size=size,
        tolerance=tolerance,
        seed=seed,
        out=out,
        max_megapixels=max_megapixels,
        device=device,
    )
    with stoppable() as stop:
        done = draw_events(
            recipe.run(config, should_stop=stop.is_asked),
            stop=stop,
            after_plan=lambda plan: _say_time(plan.seconds or 0.0, config.folder),
        )
    if json:
        files = {name: str(path) for name, path in done.files.items()}
        print_json({**done.result.to_dict(), "folder": str(done.folder), "report": files["report"], "files": files})
    else:
        _show(done, config.photo, network)
    return Exit.INTERRUPTED if stop.is_asked() else Exit.OK


def _say_time(seconds: float, folder: Path) -> str:
    time = f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
    return f"At most about {time}; Ctrl-C keeps what is there. Preview: {printable(folder / 'preview.png')}"


def _show(done: "Done", photo: Path, network: str) -> None:
    sheet: InversionSheet = done.result
    print_result(f"What {sheet.network} keeps of {printable(sheet.photo_name)}, from shallow to deep:")
    rows = [
        [
            row["layer"],
            shape(tuple(row["shape"])),
            f"{100 * row['representation_error']:.2g} %",
            _number(row["ssim"], "{:.3f}"),
            f"{row['psnr_db']:.1f} dB" if row["psnr_db"] is not None else "∞ dB",
            _number(row["color_error"], "{:.3f}"),
            _number(row["disagreement"], "{:.1%}").replace("%", " %"),
            f"{row['seconds']:.0f} s",
        ]
        for row in sheet.table()
    ]
    titles = ["layer", "answer", "error", "SSIM", "PSNR", "color", "samples differ", "time"]
    print_table(titles, rows, align="llrrrrrr")
    report = done.files["report"]
    print_result(f"Report  {printable(report)} ({say_bytes(report.stat().st_size)})")
    print_result(f"Sheet   {printable(done.files['sheet'])}")
    print_result(f"Data    {printable(done.folder)} ({len(done.files) - 1} files)")
    print_next(command("striate", "explain", photo, *network_flag(network)))


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)


def _rebuild(folder: Path, *, json: bool) -> int:
    from striate.recipes.invert import rebuild_page

    report = rebuild_page(folder)
    if json:
        print_json({"folder": str(folder), "report": str(report)})
    else:
        print_result(f"Report  {printable(report)} ({say_bytes(report.stat().st_size)})")
    return Exit.OK
