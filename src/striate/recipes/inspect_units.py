"""What do these units look for? Natural patches, pictures made for them, and their maps on a photo, on one page."""

import re
import shlex
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from striate import __version__, draw
from striate.data import read_image
from striate.data.files import printable, write_whole
from striate.errors import ConfigError, UnknownNameError
from striate.insight import (
    FeaturePictures,
    TopPatches,
    UnitPortraits,
    kernels,
    look_at_units,
    read_units,
    stream_feature_pictures,
    stream_top_patches,
)
from striate.models import Network, load
from striate.probe import Summary, UnitAddress
from striate.recipes.events import Done, Event, Plan, Progress
from striate.recipes.output_folder import not_writable, require_writable
from striate.report import build_unit_page

__all__ = ["InspectUnitsConfig", "rebuild_page", "run"]


class InspectUnitsConfig(BaseModel):
    """Which units, and what to do to find out about them.

    Attributes:
        network: A name of `striate models` (with or without a weight tag), a weights file or a run.
        units: Addresses: `features.3:17` for one unit, `features.3` for the most telling ones of a layer.
        images: A folder or data set to look through for the patches that excite the units most.
        photo: A photo to show the units' maps on.
        most: Units of a layer that is named without a channel.
        top: Patches a unit.
        pictures: Whether to make a picture for each unit.
        method: How: `fourier`, `plain` or `maco`.
        steps: Steps of the optimization; the method's own by default.
        picture_size: Side of the pictures in pixels; 128, or what the network takes.
        seed: Of the pictures.
        batch_size: Pictures that go through the network at once.
        max_megapixels: Larger photos are left out.
        out: Folder for the page and the data.
        device: `cpu`, `cuda`, or `auto`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    network: str
    units: tuple[str, ...] = Field(min_length=1)
    images: Path | None = None
    photo: Path | None = None
    most: int = Field(default=8, ge=1)
    top: int = Field(default=9, ge=1)
    pictures: bool = True
    method: Literal["fourier", "plain", "maco"] = "fourier"
    steps: int | None = Field(default=None, ge=1)
    picture_size: int | None = Field(default=None, ge=8)
    seed: int = 0
    batch_size: int | None = Field(default=None, ge=1)
    max_megapixels: float = Field(default=64.0, gt=0, allow_inf_nan=False)
    out: Path | None = None
    device: str = "auto"

    @property
    def folder(self) -> Path:
        """Where the page goes."""
        if self.out is not None:
            return self.out
        words = ("units", Path(self.network).name)
        return Path("striate-out") / "-".join(re.sub(r"[^\w.]+", "_", word) for word in words)


def run(config: InspectUnitsConfig) -> Iterator[Event]:
    """Find out about some units: yields a `Plan`, then `Progress`, then `Done` with the `UnitPortraits`.

    Raises:
        ConfigError: An address that is none.
        UnknownNameError: A layer that the network does not have.
        DataError: Pictures that cannot be read, or a folder that cannot be written.
    """
    began = perf_counter()
    photo = None if config.photo is None else read_image(config.photo, max_megapixels=config.max_megapixels)
    require_writable(config.folder)
    yield Progress("loading the network", 0, None)
    network = load(config.network).to(config.device)
    wanted = read_units(network, config.units)
    yield Plan(_say(config, wanted))
    patches = None if config.images is None else (yield from _find_patches(network, wanted, config))
    summary = network.summary()
    addresses = _choose(wanted, patches, summary, config)
    pictures = (yield from _make_pictures(network, addresses, patches, config)) if config.pictures else None
    yield Progress("writing the page", 0, None)
    result = UnitPortraits(
        network=network.name,
        weights="" if network.weights is None else network.weights.name,
        addresses=tuple(addresses),
        summary=summary,
        patches=patches,
        pictures=pictures,
        kernels=_kernels(network, addresses),
        view=None if photo is None else look_at_units(network, photo, addresses, name=_name(config.photo)),
        provenance=_provenance(config, patches, pictures, began),
    )
    try:
        files = result.save(config.folder)
        files["report"] = config.folder / "report.html"
        write_whole(files["report"], build_unit_page(result).encode())
        if patches is not None or pictures is not None:
            files["png"] = config.folder / "units.png"
            write_whole(files["png"], draw.encode_png(result.draw(top=config.top)))
    except OSError as error:
        raise not_writable(config.folder, error.strerror or str(error)) from error
    yield Done(result, config.folder, files)


def rebuild_page(folder: Path) -> Path:
    """Draw the page again from the data that an earlier run saved in `folder`."""
    page = folder / "report.html"
    write_whole(page, build_unit_page(UnitPortraits.load(folder)).encode())
    return page


def _say(config: InspectUnitsConfig, wanted: list[UnitAddress]) -> str:
    sources = [] if config.images is None else [f"the strongest patches of {printable(config.images)}"]
    if config.pictures:
        sources.append("a picture made for each")
    if config.photo is not None:
        sources.append(f"their maps on {printable(_name(config.photo))}")
    names = ", ".join(map(str, wanted[:6])) + ("…" if len(wanted) > 6 else "")
    return f"Units of {printable(config.network)}: {names}. To see: {', '.join(sources) or 'their place'}."


def _name(photo: Path | None) -> str:
    return "" if photo is None else photo.name


def _find_patches(
    network: Network, wanted: list[UnitAddress], config: InspectUnitsConfig
) -> Generator[Progress, None, TopPatches]:
    layers = [unit.layer if unit.channel is None else str(unit) for unit in wanted]
    work = stream_top_patches(
        network,
        config.images or Path(),
        layers,
        k=config.top,
        batch_size=config.batch_size,
        max_megapixels=config.max_megapixels,
    )
    while True:
        try:
            done, total = next(work)
        except StopIteration as finished:
            found: TopPatches = finished.value
            return found
        yield Progress("looking for patches", done, total)


def _choose(
    wanted: list[UnitAddress], patches: TopPatches | None, summary: Summary, config: InspectUnitsConfig
) -> list[str]:
    """Every unit that was named; of a layer without a channel the units that stand out, or the first ones."""
    chosen: list[str] = []
    for unit in wanted:
        if unit.channel is not None:
            row = summary.row(unit.layer)
            channels = 0 if row is None or len(row.output_shape) < 2 else row.output_shape[1]
            if row is not None and unit.channel >= channels:
                raise ConfigError(f"layer '{unit.layer}' has channels 0 to {channels - 1}; there is no {unit.channel}.")
            chosen.append(str(unit))
            continue
        if patches is not None:
            found = patches[unit.layer]
            best = found.most_selective(config.most) or found.channels[: config.most].tolist()
        else:
            row = summary.row(unit.layer)
            if row is None or len(row.output_shape) < 2:
                raise UnknownNameError(f"layer '{unit.layer}' is not called in the pass, or has no channels.")
            best = list(range(min(config.most, row.output_shape[1])))
        chosen += [f"{unit.layer}:{channel}" for channel in best]
    return list(dict.fromkeys(chosen))


def _make_pictures(
    network: Network, addresses: list[str], patches: TopPatches | None, config: InspectUnitsConfig
) -> Generator[Progress, None, FeaturePictures]:
    work = stream_feature_pictures(
        network,
        addresses,
        method=config.method,
        size=config.picture_size,
        steps=config.steps,
        natural=patches,
        seed=config.seed,
        batch_size=config.batch_size or 8,
    )
    while True:
        try:
            event = next(work)
        except StopIteration as finished:
            found: FeaturePictures = finished.value
            return found
        yield Progress("making pictures", event.done, event.total)


def _kernels(network: Network, addresses: list[str]) -> dict[str, NDArray[np.floating[Any]]]:
    """The kernels of the units that sit in the layer which meets the picture."""
    try:
        first = kernels(network)
    except UnknownNameError:
        return {}
    units = {text: UnitAddress.parse(text) for text in addresses}
    return {
        text: first.weights[unit.channel or 0]
        for text, unit in units.items()
        if unit.layer == first.address and first.interpretable
    }


def _provenance(
    config: InspectUnitsConfig, patches: TopPatches | None, pictures: FeaturePictures | None, began: float
) -> dict[str, Any]:
    command = ["striate", "inspect", config.network, "--units", ",".join(config.units)]
    for name, field in InspectUnitsConfig.model_fields.items():
        value = getattr(config, name)
        if name == "pictures" and not value:
            command.append("--no-pictures")
        elif name not in ("network", "units", "out", "pictures") and value != field.default:
            command += [f"--{name.replace('_', '-')}", str(value)]
    return {
        "command": shlex.join(command),
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": {
            **({} if patches is None else {"patches": round(patches.seconds, 3)}),
            **({} if pictures is None else {"pictures": round(pictures.seconds, 3)}),
            "in all": round(perf_counter() - began, 3),
        },
        "versions": {"striate": __version__, "torch": torch.__version__},
    }
