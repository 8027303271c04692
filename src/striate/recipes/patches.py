"""One pass over a folder: what excites each unit of some layers most, and what every unit does.

The patches, and where it is wanted the statistics of the same layers, as data and as pictures.
"""

import re
from collections.abc import Generator, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from striate import draw
from striate.data.files import printable, write_whole
from striate.insight import depth_sheet, stream_top_patches, stream_unit_statistics
from striate.models import Network, load
from striate.recipes.events import Done, Event, Plan, Progress
from striate.recipes.output_folder import not_writable, require_writable

__all__ = ["PatchesConfig", "run"]


class PatchesConfig(BaseModel):
    """What to look through, and for what.

    Attributes:
        network: A name of `striate models`, a run folder, or a weights file.
        images: A folder of photos, a photo, or a data file.
        layers: Addresses: `features.3` for all units of a layer, `features.3:17` for one; by default the end of each
            stage.
        top: Patches a unit.
        per_image: Most patches of one picture in a unit's list.
        statistics: Whether to take a second pass for mean, spread, activity and dead units.
        shown: Units a layer on the pictures.
        out: Folder for the data and the pictures.
        batch_size: Pictures at once; what suits the processor by default.
        workers: Threads that read pictures; one less than there are cores by default.
        max_megapixels: Larger photos are left out, and named.
        device: `cpu`, `cuda`, or `auto` for a GPU if there is one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    network: str = "efficientnet_lite0"
    images: Path
    layers: tuple[str, ...] = ()
    top: int = Field(default=9, ge=1)
    per_image: int = Field(default=1, ge=1)
    statistics: bool = False
    shown: int = Field(default=12, ge=1)
    out: Path | None = None
    batch_size: int | None = Field(default=None, ge=1)
    workers: int | None = Field(default=None, ge=0)
    max_megapixels: float = Field(default=64.0, gt=0, allow_inf_nan=False)
    device: str = "auto"

    @property
    def folder(self) -> Path:
        """Where the data and the pictures go."""
        if self.out is not None:
            return self.out
        words = ("patches", Path(self.network).name, self.images.resolve().stem)
        return Path("striate-out") / "-".join(re.sub(r"[^\w.]+", "_", word) for word in words)


def run(config: PatchesConfig) -> Iterator[Event]:
    """Look through the pictures: yields a `Plan`, then `Progress`, then `Done` with the `TopPatches`.

    `Progress.stage` says how many pictures a second go through; time left follows from `done` and `total`. The files
    are `patches` (npz), `numbers` (json), a PNG for each layer, `depth` (PNG) for several layers, and `statistics`
    (npz) with its picture.

    Raises:
        DataError: The pictures cannot be read, or the folder cannot be written.
        StriateError: The network, its weights or a layer cannot be had.
    """
    require_writable(config.folder)
    yield Progress("loading the network", 0, None)
    network = load(config.network).to(config.device)
    layers = list(config.layers) or _stage_ends(network)
    yield Plan(
        f"Find the {config.top} patches of {printable(config.images)} that excite each unit of {_listed(layers)}."
    )
    work = stream_top_patches(
        network,
        config.images,
        layers,
        k=config.top,
        per_image=config.per_image,
        batch_size=config.batch_size,
        workers=config.workers,
        max_megapixels=config.max_megapixels,
    )
    found = yield from _followed(work, "patches")
    counted = None
    if config.statistics:
        again = stream_unit_statistics(
            network,
            config.images,
            layers=list(found.layers),
            batch_size=config.batch_size,
            workers=config.workers,
            max_megapixels=config.max_megapixels,
        )
        counted = yield from _followed(again, "statistics")
    yield Progress("writing", 0, None)
    folder = config.folder
    files: dict[str, Path] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files["patches"] = found.save(folder / "patches.npz")
        files["numbers"] = found.save(folder / "patches.json")
        for layer, one in found.layers.items():
            wanted = one.most_selective(config.shown) or one.channels[: config.shown].tolist()
            name = f"patches_{layer.replace('#', '_call')}"
            files[name] = folder / f"{name}.png"
            write_whole(files[name], draw.encode_png(found.draw(layer, channels=wanted, top=config.top)))
        if len(found.layers) > 1 and any(one.most_selective(1) for one in found.layers.values()):
            files["depth"] = depth_sheet(found).save(folder / "depth.png")
        if counted is not None:
            files["statistics"] = counted.save(folder / "statistics.npz")
            files["activity"] = counted.save(folder / "activity.png")
    except OSError as error:
        raise not_writable(folder, error.strerror or str(error)) from error
    yield Done(found, folder, files)


def _followed(work: Generator[tuple[int, int | None], None, Any], what: str) -> Generator[Progress, None, Any]:
    """Pass on how far a stream is, with its speed; gives its result."""
    began = perf_counter()
    while True:
        try:
            done, total = next(work)
        except StopIteration as finished:
            return finished.value
        yield Progress(f"{what}, {done / max(perf_counter() - began, 1e-9):.3g} images/s", done, total)


def _stage_ends(network: Network) -> list[str]:
    stages = network.summary().stages
    return [s.address for s in stages if len(s.output_shape) == 4 and max(s.output_shape[2:]) > 1]


def _listed(layers: list[str]) -> str:
    return ", ".join(layers[:4]) + (f" and {len(layers) - 4} more" if len(layers) > 4 else "")
