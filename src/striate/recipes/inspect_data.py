"""What every layer gives: for one photo all maps, on a page to look through; for a data set what each unit does."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from striate.data import read_image
from striate.data.files import printable, write_whole
from striate.insight import UnitStatistics, layer_activations, stream_unit_statistics
from striate.models import load
from striate.recipes.events import Done, Event, Plan, Progress
from striate.recipes.output_folder import not_writable, require_writable
from striate.report import build_activation_sheet

__all__ = ["InspectDataConfig", "look_at_photo", "look_at_set"]


class InspectDataConfig(BaseModel):
    """What goes through the network.

    Attributes:
        network: A name of `striate models`, a weights file or a run.
        source: A photo, or for `look_at_set` a folder or data set.
        layers: Addresses; every layer that changes what it gets by default.
        batch_size: Pictures that go through the network at once.
        max_megapixels: Larger photos are left out, or refused.
        out: Folder for the page and the data.
        device: `cpu`, `cuda`, or `auto`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    network: str
    source: Path
    layers: tuple[str, ...] = ()
    batch_size: int | None = Field(default=None, ge=1)
    max_megapixels: float = Field(default=64.0, gt=0, allow_inf_nan=False)
    out: Path | None = None
    device: str = "auto"

    def folder(self, kind: str) -> Path:
        """Where the page goes."""
        if self.out is not None:
            return self.out
        words = (kind, self.source.resolve().stem, Path(self.network).name)
        return Path("striate-out") / "-".join(re.sub(r"[^\w.]+", "_", word) for word in words)


def look_at_photo(config: InspectDataConfig) -> Iterator[Event]:
    """Every layer's maps for one photo: yields a `Plan`, `Progress`, then `Done` with the `LayerActivations`.

    Raises:
        DataError: The photo cannot be read, or the folder cannot be written.
        UnknownNameError: A layer that the network does not have.
    """
    folder = config.folder("activations")
    read_image(config.source, max_megapixels=config.max_megapixels)  # a bad photo fails before the heavy work
    require_writable(folder)
    yield Plan(f"Every layer of {printable(config.network)} on {printable(config.source.name)}.")
    yield Progress("loading the network", 0, None)
    network = load(config.network).to(config.device)
    yield Progress("layers", 0, None)
    found = layer_activations(network, [config.source], layers=config.layers or None)[0]
    yield Progress("writing the page", 0, None)
    page = folder / "report.html"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files = {"report": page, "npz": found.save(folder / "activations.npz")}
        write_whole(page, build_activation_sheet(found).encode())
    except OSError as error:
        raise not_writable(folder, error.strerror or str(error)) from error
    yield Done(found, folder, files)


def look_at_set(config: InspectDataConfig) -> Iterator[Event]:
    """What every unit does over a data set: yields a `Plan`, `Progress`, then `Done` with the `UnitStatistics`.

    Raises:
        DataError: There are no pictures, or the folder cannot be written.
        UnknownNameError: A layer that the network does not have.
    """
    folder = config.folder("statistics")
    require_writable(folder)
    yield Plan(f"What every unit of {printable(config.network)} does on the pictures of {printable(config.source)}.")
    yield Progress("loading the network", 0, None)
    network = load(config.network).to(config.device)
    layers: Sequence[str] | None = config.layers or None
    work = stream_unit_statistics(
        network,
        config.source,
        layers=layers,
        batch_size=config.batch_size,
        max_megapixels=config.max_megapixels,
    )
    while True:
        try:
            done, total = next(work)
        except StopIteration as finished:
            result: UnitStatistics = finished.value
            break
        yield Progress("looking at pictures", done, total)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files = {ending: result.save(folder / f"statistics.{ending}") for ending in ("json", "npz", "png")}
    except OSError as error:
        raise not_writable(folder, error.strerror or str(error)) from error
    yield Done(result, folder, files)
