"""`striate inspect NETWORK`: its layers, what its units look for, and what they answer to photos.

Without more it is the table of layers, for which no weights are needed. A photo shows every map of every layer, a
folder says what every unit does over it, and `--units` makes portraits of single units.
"""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from striate.cli.checks import check_positive
from striate.cli.console import ANSWER, print_json, print_next, print_note, print_result, print_table
from striate.cli.errors import Exit
from striate.cli.events import draw_events
from striate.cli.fetching import fetch_record, find_missing
from striate.cli.words import command, count, giga, shape
from striate.data.files import printable
from striate.errors import ConfigError

if TYPE_CHECKING:
    from striate.probe import Summary

__all__ = ["inspect"]


def inspect(
    network: str,
    /,
    *,
    input_size: str | None = None,
    depth: int | None = None,
    units: tuple[str, ...] = (),
    photo: Path | None = None,
    images: Path | None = None,
    most: int = 8,
    top: int = 9,
    pictures: Annotated[bool, Parameter(negative="--no-pictures", show_default=False)] = True,
    method: Literal["fourier", "plain", "maco"] = "fourier",
    steps: int | None = None,
    picture_size: int | None = None,
    seed: int = 0,
    batch_size: int | None = None,
    max_megapixels: float = 64.0,
    out: Annotated[Path | None, Parameter(show_default=lambda _: "striate-out/…")] = None,
    device: str = "auto",
    json: bool = False,
) -> int:
    """Show the layers: address, kind, output shape, parameters, MACs, receptive field; or what units look for.

    With --units every unit gets a portrait: the patches of --images that excite it most, a picture made for it, its map
    on --photo. With --photo alone: all maps of all layers, on a page to look through. With --images alone: what every
    unit does over these pictures, and which are dead.

    Args:
        network: A name of `striate models`, or a weights file.
        input_size: For the table: height and width of the input, such as 320x480 or 256; the network's own when it is
            not given.
        depth: For the table: levels of nesting to show; all of them when it is not given.
        units: Addresses such as features.3:17,features.9:4; a layer alone stands for the units that stand out.
        photo: The photo to show maps on.
        images: The folder or data set to look through.
        most: Units of a layer that is named alone.
        top: Patches a unit.
        pictures: Make a picture for each unit.
        method: How pictures are made: fourier, plain (pixels with an L2 penalty, blur and zeroed pixels) or maco.
        steps: Steps of each picture; the method's own when it is not given.
        picture_size: Side of the pictures in pixels; 128, or what the network takes, when it is not given.
        seed: Of the pictures.
        batch_size: Pictures that go through the network at once.
        max_megapixels: Larger photos are left out.
        out: Folder for the page and the data.
        device: cpu, cuda, or auto for a GPU where there is one.
        json: Print one JSON document instead of the tables.
    """
    check_positive("--max-megapixels", max_megapixels)
    if depth is not None and depth < 1:
        raise ConfigError(f"--depth must be at least 1, got {depth}.")
    if units or photo is not None or images is not None:
        if input_size is not None or depth is not None:
            raise ConfigError("--input-size and --depth belong to the table of layers, without --units or pictures.")
        if not units and photo is not None and images is not None:
            raise ConfigError("give --photo or --images, or name --units to see on both.")
        missing = find_missing(network, needs_classes=False)
        if missing is not None:
            fetch_record(missing)
        shared: dict[str, Any] = {"max_megapixels": max_megapixels, "out": out, "network": network, "device": device}
        if units:
            shared |= {"units": units, "images": images, "photo": photo, "most": most, "top": top, "method": method}
            shared |= {"pictures": pictures, "steps": steps, "picture_size": picture_size, "seed": seed}
            return _show_units({**shared, "batch_size": batch_size}, json=json)
        if photo is not None:
            return _show_photo({**shared, "photo": photo}, json=json)
        return _show_set({**shared, "images": images, "top": top, "batch_size": batch_size}, json=json)
    table = _summarize(network, _parse_size(input_size))
    if json:
        print_json(table.to_dict())
        return Exit.OK
    print_result(
        f"{table.name}: {count(table.parameters)} parameters, {giga(table.macs)} GMACs "
        f"at {shape(table.input_size[1:])}.",
        style=ANSWER,
    )
    print_result(table.to_text(depth=depth))
    print_result("")
    rows = [
        [
            stage.name,
            shape(stage.output_shape[1:]),
            f"{stage.parameters:,}",
            f"{stage.macs:,}",
            _share(stage.macs, table.macs),
        ]
        for stage in table.stages
    ]
    print_table(["stage", "output", "parameters", "MACs", "of MACs"], rows, align="llrrr")
    print_next(command("striate", "explain", "PHOTO", "--network", network))
    return Exit.OK


def _show_units(settings: dict[str, Any], *, json: bool) -> int:
    from striate.recipes import inspect_units as recipe
    from striate.runtime import reuse_freed_memory

    reuse_freed_memory()
    done = draw_events(recipe.run(recipe.InspectUnitsConfig(**settings)))
    result, files = done.result, {name: str(path) for name, path in done.files.items()}
    if json:
        print_json({**result.to_dict(), "folder": str(done.folder), "report": files["report"], "files": files})
        return Exit.OK
    rows = []
    for unit in result.to_dict()["units"]:
        numbers = [unit.get("natural", [None])[:1], [unit.get("synthetic")], [unit.get("on_photo")]]
        rows.append([unit["address"], *("" if not n or n[0] is None else f"{n[0]:.3g}" for n in numbers)])
    print_table(["unit", "best patch", "made for it", "on the photo"], rows, align="lrrr")
    for problem in [] if result.pictures is None else result.pictures.problems:
        print_note(problem)
    print_result(f"Report  {printable(files['report'])}")
    print_result(f"Data    {printable(done.folder)}")
    if settings["images"] is None:
        print_next(
            command("striate", "inspect", settings["network"], "--units", *settings["units"], "--images", "FOLDER")
        )
    else:
        photo = settings["photo"] or "PHOTO"
        print_next(command("striate", "explain", photo, "--network", settings["network"]))
    return Exit.OK


def _show_photo(settings: dict[str, Any], *, json: bool) -> int:
    from striate.recipes import activations as recipe
    from striate.runtime import reuse_freed_memory

    reuse_freed_memory()
    done = draw_events(recipe.run(recipe.ActivationsConfig(**settings)))
    files = {name: str(path) for name, path in done.files.items()}
    if json:
        print_json({**done.result.to_dict(), "folder": str(done.folder), "files": files})
        return Exit.OK
    layers = done.result.layers
    print_result(f"{len(layers)} layers, {sum(len(one.maps) for one in layers.values()):,} channels.", style=ANSWER)
    print_result(f"Report  {printable(files['report'])}")
    print_result(f"Data    {printable(done.folder)}")
    print_next(
        command("striate", "inspect", settings["network"], "--units", "LAYER:CHANNEL", "--photo", settings["photo"])
    )
    return Exit.OK


def _show_set(settings: dict[str, Any], *, json: bool) -> int:
    from striate.insight import UnitStatistics
    from striate.recipes import patches as recipe
    from striate.runtime import reuse_freed_memory

    reuse_freed_memory()
    done = draw_events(recipe.run(recipe.PatchesConfig(**settings, statistics=True)))
    files = {name: str(path) for name, path in done.files.items()}
    counted = UnitStatistics.load(files["statistics"])
    if json:
        numbers = {"patches": done.result.to_dict(), "statistics": counted.to_dict()}
        print_json({**numbers, "folder": str(done.folder), "files": files})
        return Exit.OK
    print_result(counted.to_text())
    print_result(f"{len(counted.dead):,} dead units over {counted.count:,} pictures.", style=ANSWER)
    for problem in counted.problems[:5]:
        print_note(problem)
    if "depth" in files:
        print_result(f"Sheet   {printable(files['depth'])}")
    print_result(f"Data    {printable(done.folder)}")
    layer = next(reversed(done.result.layers))
    print_next(command("striate", "inspect", settings["network"], "--units", layer, "--images", settings["images"]))
    return Exit.OK


def _parse_size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    found = re.fullmatch(r"([1-9]\d*)(?:[x×,]([1-9]\d*))?", text.strip().lower())
    if found is None:
        raise ConfigError(f"--input-size must be HEIGHTxWIDTH in pixels, such as 320x480, got '{text}'.")
    return int(found[1]), int(found[2] or found[1])


def _summarize(network: str, input_size: tuple[int, int] | None) -> "Summary":
    if Path(network).suffix.lower() in {".safetensors", ".pth", ".pt", ".bin"} or os.sep in network:
        from striate.models import load

        return load(Path(network)).summary(input_size)
    from striate.models import create_model, find_entry

    entry = find_entry(network.split(".", 1)[0])
    if entry.task == "detect":
        from striate.models.network import no_layer_table

        raise no_layer_table(entry.name)
    if input_size is not None and min(input_size) < entry.min_size:
        raise ConfigError(
            f"--input-size must be at least {entry.min_size}x{entry.min_size} for {entry.name}, "
            f"got {input_size[0]}x{input_size[1]}."
        )
    import torch

    from striate.probe import summary

    with torch.device("meta"):  # shapes need no numbers: VGG-19 is described at once
        module = create_model(entry.name)
    return summary(module, (entry.input_size[0], *(input_size or entry.input_size[1:])), name=entry.name)


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else ""
