"""`striate dream PHOTO`: the plan with its time, one progress bar, and where the picture or the film is."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from striate.cli.checks import check_positive
from striate.cli.console import print_json, print_next, print_note, print_result
from striate.cli.errors import Exit
from striate.cli.events import draw_events
from striate.cli.fetching import fetch_record, find_missing
from striate.cli.stopping import stoppable
from striate.cli.words import DEFAULT_NETWORK, command, network_flag
from striate.data.files import printable
from striate.errors import ConfigError
from striate.weights.origin import say_bytes

if TYPE_CHECKING:
    from striate.recipes.events import Done

__all__ = ["dream"]


def dream(
    photo: Path,
    /,
    *,
    network: str = DEFAULT_NETWORK,
    layer: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = (),
    guide: Path | None = None,
    size: Annotated[str | None, Parameter(show_default=lambda _: "at most 1024")] = None,
    octaves: int = 4,
    scale: float = 1.4,
    steps: int = 10,
    strength: float = 1.5,
    jitter: int = 32,
    tile: int = 1024,
    precision: Literal["float32", "bfloat16"] = "float32",
    frames: int = 1,
    zoom: float = 1.05,
    turn: float = 0.0,
    fps: float = 12.0,
    video: Literal["auto", "mp4", "webp", "gif", "none"] = "auto",
    seed: int = 0,
    out: Annotated[Path | None, Parameter(show_default=lambda _: "striate-out/PHOTO-NETWORK-dream")] = None,
    max_megapixels: float = 64.0,
    device: str = "auto",
    json: bool = False,
) -> int:
    """Paint into a photo what a layer sees in it: DeepDream, with octaves, guides, mixtures and films.

    Ctrl-C ends after the step and keeps what is there; the same command goes on from it. While it runs, a preview lies
    beside the result.

    Args:
        photo: The image file: JPEG, PNG, WebP, BMP, GIF or TIFF.
        network: A name of `striate models`, with or without a weight tag, or a weights file.
        layer: What to see more of: a layer (blocks.4), a channel (blocks.4:17), a unit (blocks.4:17@3,5), a class
            (tabby cat), or a mixture with weights (blocks.4,blocks.2:7=0.5). The end of the stage at two thirds of the
            depth when not given.
        guide: A second photo: everywhere, the layer becomes like what is most like it there.
        size: Longer side in pixels, or 'original'.
        octaves: Sizes to paint at, from small to full.
        scale: From one size to the next.
        steps: At every size.
        strength: Mean change of a pixel a step, in levels of 255.
        jitter: The picture is rolled by up to so many pixels before each step, and back.
        tile: Larger pictures are seen in tiles of so many pixels; less takes less memory.
        precision: bfloat16 is faster where the processor multiplies it, and not quite the same picture.
        frames: More than 1 makes a film: each frame is the one before, nearer, dreamt on.
        zoom: How much nearer, from frame to frame; below 1 to go back.
        turn: Degrees that a frame is turned from the one before.
        fps: Frames a second.
        video: What the film is written as: MP4 needs ffmpeg, auto takes it where it is, else WebP; none for frames
            alone.
        seed: Of the rolls: the same seed gives the same picture.
        out: A folder, or for one picture a file that ends in .png, .jpg or .webp.
        max_megapixels: Larger photos are refused before they are decoded.
        device: cpu, cuda, or auto for a GPU where there is one.
        json: Print one JSON document instead of lines.
    """
    check_positive("--max-megapixels", max_megapixels)
    if size is not None and size != "original" and not size.isdecimal():
        raise ConfigError(f"'--size' must be a number of pixels or 'original'; got '{size}'.")
    missing = find_missing(network, needs_classes=False)
    if missing is not None:
        from striate.data import read_image

        read_image(photo, max_megapixels=max_megapixels)  # a bad photo is found before anything is fetched for it
        fetch_record(missing)

    from striate.recipes import dream as recipe  # imports torch
    from striate.runtime import reuse_freed_memory

    reuse_freed_memory()
    config = recipe.DreamConfig(
        photo=photo,
        network=network,
        layer=layer,
        guide=guide,
        size=int(size) if size is not None and size.isdecimal() else size,  # type: ignore[arg-type]
        octaves=octaves,
        scale=scale,
        steps=steps,
        strength=strength,
        jitter=jitter,
        tile=tile,
        precision=precision,
        frames=frames,
        zoom=zoom,
        turn=turn,
        fps=fps,
        video=video,
        seed=seed,
        out=out,
        max_megapixels=max_megapixels,
        device=device,
    )
    with stoppable() as stop:
        done = draw_events(
            recipe.run(config, should_stop=stop.is_asked),
            stop=stop,
            after_plan=lambda plan: _say_time(plan.seconds or 0.0),
        )
    if json:
        settings = {} if done.result is None else done.result.settings()
        print_json(
            {
                **settings,
                "folder": str(done.folder),
                "files": {name: str(path) for name, path in done.files.items()},
            }
        )
    else:
        _show(done, config.photo, network)
    return Exit.INTERRUPTED if stop.is_asked() else Exit.OK


def _say_time(seconds: float) -> str:
    time = f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
    return f"About {time}; Ctrl-C keeps what is there, and the same command goes on."


def _show(done: "Done", photo: Path, network: str) -> None:
    if done.result is not None:
        print_result(printable(done.result.sentence()))
        for problem in done.result.problems:
            print_note(problem)
    for name, title in (("film", "Film    "), ("frames", "Frames  "), ("picture", "Picture ")):
        path = done.files.get(name)
        if path is not None and path.is_dir():
            print_result(f"{title}{printable(path)} ({len(list(path.glob('frame-*.png')))} files)")
        elif path is not None:
            print_result(f"{title}{printable(path)} ({say_bytes(path.stat().st_size)})")
    print_next(command("striate", "inspect", network) if done.result is None else _next(done, photo, network))


def _next(done: "Done", photo: Path, network: str) -> str:
    if done.result.stopped != "steps":
        return "give the same command again to go on"
    return command("striate", "explain", done.files.get("picture", photo), *network_flag(network))
