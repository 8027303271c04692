"""`striate style CONTENT STYLE…`: the plan with its time, one progress bar, the losses, and where the picture is."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from striate.cli.checks import check_positive
from striate.cli.console import print_json, print_next, print_note, print_result, print_table
from striate.cli.errors import Exit
from striate.cli.events import draw_events
from striate.cli.fetching import fetch_record, find_missing
from striate.cli.stopping import stoppable
from striate.cli.words import command
from striate.data.files import printable
from striate.errors import ConfigError

if TYPE_CHECKING:
    from striate.dreams.style_result import StyledPicture
    from striate.recipes.events import Done

__all__ = ["style"]

_NETWORK = "vgg16_features.hed_bsds500"


def style(
    content: Annotated[Path | None, Parameter(show_default=False)] = None,
    /,
    *styles: Path,
    network: str = _NETWORK,
    preset: str = "striate",
    content_layers: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = (),
    style_layers: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = (),
    content_weight: float | None = None,
    style_weight: float | None = None,
    style_weights: Annotated[tuple[float, ...], Parameter(consume_multiple=True)] = (),
    layer_weights: Annotated[tuple[float, ...], Parameter(consume_multiple=True)] = (),
    tv_weight: float | None = None,
    loss: Literal["gram", "wasserstein", "histogram"] = "gram",
    size: Annotated[int | None, Parameter(show_default=lambda _: "512, or the photo's")] = None,
    style_scale: float = 1.0,
    scales: int | None = None,
    steps: int | None = None,
    optimizer: Literal["lbfgs", "adam"] | None = None,
    learning_rate: float | None = None,
    pooling: Literal["max", "average"] | None = None,
    keep_colors: bool = False,
    color_method: Literal["luminance", "match"] = "luminance",
    mask: Annotated[tuple[Path, ...], Parameter(consume_multiple=True)] = (),
    start: str | None = None,
    tile: int | None = None,
    precision: Literal["auto", "float32", "bfloat16"] = "auto",
    picture_format: Annotated[Literal["png", "jpg", "webp"], Parameter(name="--format")] = "png",
    compare: bool = False,
    seeds: int = 3,
    seed: int = 0,
    out: Annotated[Path | None, Parameter(show_default=lambda _: "striate-out/CONTENT-STYLE-style")] = None,
    resume: Path | None = None,
    max_megapixels: float = 64.0,
    device: str = "auto",
    json: bool = False,
) -> int:
    """Paint a photo in the style of one or several paintings.

    Ctrl-C ends after the step with the picture as it is; --resume FOLDER goes on, and ends as if nothing had been.
    While it runs, preview.png in the folder shows the picture.

    Args:
        content: The photo.
        styles: One painting or several.
        network: A name of `striate models`, with or without a weight tag, or a weights file. vgg19 is Gatys' own.
        preset: Settings that are not given come from it: striate, gatys, jcjohnson, tutorial or crowsonkb.
        content_layers: Layers compared place by place, as `striate inspect` lists them.
        style_layers: Layers compared by what occurs together.
        content_weight: Weight of the content, all layers together.
        style_weight: Weight of the style, all layers together.
        style_weights: Share of each painting.
        layer_weights: Share of each style layer.
        tv_weight: Weight of smoothness.
        loss: gram (Gatys), wasserstein (means and covariances) or histogram (each channel alone).
        size: Longer side of the result in pixels.
        style_scale: Longer side of the paintings, as a share of the result's; below 1, strokes become smaller.
        scales: Sizes from coarse to fine, at most.
        steps: At each size.
        optimizer: lbfgs or adam.
        learning_rate: Of adam.
        pooling: max or average.
        keep_colors: Keep the photo's colors.
        color_method: How: luminance (each place keeps its color) or match (the palette on the whole).
        mask: For each painting, a picture of where it goes: white for here.
        start: content, noise, or a picture file.
        tile: Side of tiles in pixels, for sizes that do not fit into memory whole.
        precision: Of the painting: auto, float32 or bfloat16. The losses printed are float32.
        picture_format: Of the picture: png, jpg or webp; the settings are inside.
        compare: Race L-BFGS against Adam instead, from several noises, and draw both losses.
        seeds: How many noises, with --compare.
        seed: Of the noise.
        out: Folder for the picture and the data.
        resume: Go on with a run that was stopped, by its folder; nothing else is needed.
        max_megapixels: Larger pictures are refused before they are decoded.
        device: cpu, cuda, or auto for a GPU where there is one.
        json: Print one JSON document instead of the table.
    """
    if (content is None) == (resume is None):
        raise ConfigError("'striate style' needs either CONTENT and STYLE, or --resume DIR, exactly one of them.")
    if resume is None and not styles:
        raise ConfigError("'striate style' needs at least one STYLE picture after CONTENT.")
    if resume is not None and compare:
        raise ConfigError("--compare begins anew; leave out --resume.")
    check_positive("--max-megapixels", max_megapixels)
    settings: dict[str, Any] = {
        "content": content,
        "styles": styles,
        "network": network,
        "preset": preset,
        "content_layers": content_layers,
        "style_layers": style_layers,
        "content_weight": content_weight,
        "style_weight": style_weight,
        "style_weights": style_weights,
        "layer_weights": layer_weights,
        "tv_weight": tv_weight,
        "loss": loss,
        "size": size,
        "style_scale": style_scale,
        "scales": scales,
        "steps": steps,
        "optimizer": optimizer,
        "learning_rate": learning_rate,
        "pooling": pooling,
        "keep_colors": keep_colors,
        "color_method": color_method,
        "masks": mask,
        "start": start,
        "tile": tile,
        "precision": precision,
        "picture_format": picture_format,
        "seed": seed,
        "out": out,
        "max_megapixels": max_megapixels,
        "device": device,
    }
    return _run(settings, resume=resume, seeds=seeds if compare else 0, json=json)


def _run(settings: dict[str, Any], *, resume: Path | None, seeds: int, json: bool) -> int:
    missing = find_missing(settings["network"], needs_classes=False) if resume is None else None
    if missing is not None:
        from striate.data import read_image

        for path in (settings["content"], *settings["styles"]):
            read_image(path, max_megapixels=settings["max_megapixels"])  # found before anything is fetched for it
        fetch_record(missing)

    from striate.recipes import style as recipe  # imports torch
    from striate.recipes.style_compare import run_race
    from striate.runtime import reuse_freed_memory

    reuse_freed_memory()
    config = recipe.StyleConfig(**settings) if resume is None else recipe.read_config(resume)
    with stoppable() as stop:
        events = (
            run_race(config, seeds=seeds, should_stop=stop.is_asked)
            if seeds
            else recipe.run(config, resume=resume is not None, should_stop=stop.is_asked)
        )
        done = draw_events(
            events,
            stop=stop,
            after_plan=lambda plan: "" if plan.seconds is None else _say_time(plan.seconds, config.folder),
        )
    if json:
        files = {name: str(path) for name, path in done.files.items()}
        print_json({**done.result.to_dict(), "folder": str(done.folder), "files": files})
    elif seeds:
        print_result(done.result.found())
        print_result(f"Curves  {printable(done.files['curves'])}")
        print_result(f"Data    {printable(done.files['data'])}")
    else:
        _show(done)
    return Exit.INTERRUPTED if stop.is_asked() else Exit.OK


def _say_time(seconds: float, folder: Path) -> str:
    time = f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
    return f"About {time}; Ctrl-C keeps what is there. Preview: {printable(folder / 'preview.png')}"


def _show(done: "Done") -> None:
    result: StyledPicture = done.result
    rows = [
        [name, f"{value:.4g}", f"{value / result.losses['total']:.1%}".replace("%", " %") if value else "0 %"]
        for name, value in result.losses.items()
    ]
    print_table([f"loss of {result.network}", "value", "share"], rows, align="lrr")
    if result.steps_back:
        print_note(f"Stepped back {result.steps_back} times from numbers that were not finite.")
    print_result(f"Picture {printable(done.files['picture'])}")
    print_result(f"Data    {printable(done.folder)} ({len(done.files) - 1} files)")
    if not result.finished:
        print_next(command("striate", "style", "--resume", done.folder))
