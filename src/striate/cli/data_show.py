"""`striate data show DATA`: what the network will see, on one sheet."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from striate.cli.console import print_json, print_next, print_note, print_result
from striate.cli.errors import Exit
from striate.cli.events import draw_events
from striate.cli.words import BOX_MODEL, command
from striate.data.files import printable

__all__ = ["show"]


def show(
    data: Path,
    *,
    model: str | None = None,
    size: int | None = None,
    augment: str = "auto",
    fit: Literal["fit", "stretch", "shorter"] | None = None,
    mixup: float | None = None,
    cutmix: float | None = None,
    seed: int = 0,
    epoch: int = 0,
    pictures: int = 8,
    part: str | None = None,
    theme: Literal["light", "dark"] = "light",
    max_megapixels: float = 64.0,
    out: Annotated[Path | None, Parameter(show_default=lambda _: "striate-out/DATA-show.png")] = None,
    json: bool = False,
) -> int:
    """Show pictures as they are, in evaluation and in some epochs of training, on one contact sheet; boxes with them.

    Args:
        data: A folder of class folders, a CSV, idx or npz file, or tar shards; boxes in VOC, COCO or YOLO form.
        model: A network, its weights, or a file of weights: what it takes is shown.
        size: Side of the network's input in pixels; the model's by default.
        augment: none, light, imagenet, strong, small, digits, alexnet, vgg; auto takes what striate train would take.
            With boxes: none, flip, yolo, strong.
        fit: With boxes: fitted into the canvas, stretched to it, or by the shorter side; the model's by default.
        mixup: Strength (alpha) of mixup; the policy's by default.
        cutmix: Strength (alpha) of CutMix; the policy's by default.
        seed: The same seed shows the same pictures.
        epoch: The first of the six epochs.
        pictures: How many, evenly over the classes.
        part: train, val or test, where the data has them.
        theme: light or dark.
        max_megapixels: Larger pictures are refused before they are decoded.
        out: The PNG file to write.
        json: Print one JSON document instead of sentences.
    """
    from striate.recipes.data_show import DataShowConfig, run

    config = DataShowConfig(
        data=data,
        part=part,
        model=model,
        size=size,
        augment=augment,
        fit=fit,
        mixup=mixup,
        cutmix=cutmix,
        seed=seed,
        epoch=epoch,
        pictures=pictures,
        theme=theme,
        max_megapixels=max_megapixels,
        out=out,
    )
    done = draw_events(run(config))
    shown = done.result
    for problem in shown.problems:
        print_note(problem.text)
    if json:
        print_json(
            {"data": str(data), "seed": seed, "epoch": epoch, **shown.to_dict(), "file": str(done.files["sheet"])}
        )
        return Exit.OK
    print_result(f"Training sees: {'; '.join(shown.steps)}.")
    print_result(f"Sheet   {printable(done.files['sheet'])}")
    named = model or (BOX_MODEL if hasattr(shown, "truth") else "")
    words = ["--model", named] if named else []
    print_next(command("striate", "train", data, *words))
    return Exit.OK
