"""`striate inspect NETWORK`: every layer with its shape, its cost and what it can see; no weights are needed."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from striate.cli.console import ANSWER, print_json, print_next, print_result, print_table
from striate.cli.errors import Exit
from striate.cli.words import command, count, giga, shape
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
    json: bool = False,
) -> int:
    """Show every layer: address, kind, output shape, parameters, MACs, receptive field and stride; totals and stages.

    Args:
        network: A name of `striate models`, or a weights file.
        input_size: Height and width of the input, such as 320x480 or 256; the network's own when it is not given.
        depth: Levels of nesting to show; all of them when it is not given.
        json: Print one JSON document instead of the tables.
    """
    if depth is not None and depth < 1:
        raise ConfigError(f"--depth must be at least 1, got {depth}.")
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
