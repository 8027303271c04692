"""Every layer and channel of a network for one photo: a page to look through, and the numbers."""

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from striate.data import read_image
from striate.data.files import write_whole
from striate.insight import layer_activations
from striate.models import load
from striate.recipes.events import Done, Event, Plan, Progress
from striate.recipes.output_folder import not_writable, require_writable
from striate.report import build_activation_sheet

__all__ = ["ActivationsConfig", "run"]


class ActivationsConfig(BaseModel):
    """What to look at.

    Attributes:
        photo: The image file.
        network: A name of `striate models`, a run folder, or a weights file.
        layers: Addresses; by default every layer that makes something new.
        pictures: Whether to write a PNG for each layer besides.
        out: Folder for the page and the data.
        max_megapixels: Larger photos are refused.
        device: `cpu`, `cuda`, or `auto` for a GPU if there is one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    photo: Path
    network: str = "efficientnet_lite0"
    layers: tuple[str, ...] = ()
    pictures: bool = False
    out: Path | None = None
    max_megapixels: float = Field(default=64.0, gt=0, allow_inf_nan=False)
    device: str = "auto"

    @property
    def folder(self) -> Path:
        """Where the page goes."""
        if self.out is not None:
            return self.out
        words = ("activations", self.photo.stem, Path(self.network).name)
        return Path("striate-out") / "-".join(re.sub(r"[^\w.]+", "_", word) for word in words)


def run(config: ActivationsConfig) -> Iterator[Event]:
    """One photo through one network: yields a `Plan`, then `Progress`, then `Done` with the `LayerActivations`.

    Raises:
        DataError: The photo cannot be read, or the folder cannot be written.
        StriateError: The network, its weights or a layer cannot be had.
    """
    read_image(config.photo, max_megapixels=config.max_megapixels)  # a bad photo fails before the heavy work
    require_writable(config.folder)
    yield Plan(f"Show what every layer of {config.network} gives for {config.photo.name}.")
    yield Progress("loading the network", 0, None)
    network = load(config.network).to(config.device)
    yield Progress("activations", 0, None)
    (found,) = layer_activations(network, config.photo, layers=list(config.layers) or None)
    yield Progress("writing the page", 0, None)
    folder = config.folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        report = folder / "report.html"
        write_whole(report, build_activation_sheet(found).encode())
        files = {"report": report, "npz": found.save(folder / "activations.npz")}
        files["json"] = found.save(folder / "activations.json")
        if config.pictures:
            files["pictures"] = found.save(folder / "pictures")
    except OSError as error:
        raise not_writable(folder, error.strerror or str(error)) from error
    yield Done(found, folder, files)
