"""What a network forgets, layer by layer: one photo painted again from each of several depths."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from striate import draw
from striate.data.files import write_whole
from striate.data.images import Images
from striate.draw.depth_sheet import DepthRow, draw_depth_sheet
from striate.errors import ConfigError
from striate.insight.inversion import Inversion
from striate.insight.inversion_prior import Prior
from striate.insight.inversion_schedule import Method
from striate.insight.inversion_subject import OUTPUT_NAME, Pictured, picture_of
from striate.insight.reconstruction import Reconstruction, plain, say_share, say_similarity
from striate.insight.store import pack_arrays, saved
from striate.models import Network
from striate.probe import Summary, summary

__all__ = ["InversionSheet", "describe_layers", "invert_depth"]

LOST_LIMIT = 0.5
"""Difference that gets the last color of the map of what is lost, the same in every row and for every photo."""


@dataclass(frozen=True, eq=False)
class InversionSheet:
    """Reconstructions from shallow to deep.

    Attributes:
        network: The network's name.
        photo_name: The photo's.
        rows: One reconstruction a layer.
        fields: For each layer its receptive field in words, such as `31×31`, `whole`, or nothing where it is unknown.
        provenance: Command, versions, weights, where a recipe made it.
    """

    network: str
    photo_name: str
    rows: tuple[Reconstruction, ...]
    fields: tuple[str, ...]
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Wall time of all layers."""
        return sum(row.seconds for row in self.rows)

    def photo(self) -> NDArray[np.uint8]:
        """The photo as the network saw it, uint8 `h w 3`."""
        return self.rows[0].photo_pixels()

    def lost_map(self, number: int) -> NDArray[np.uint8]:
        """Where a layer's samples differ from the photo, uint8 `h w 3`; one scale for all rows, 0 to 0.5."""
        return draw.colorize(self.rows[number].lost(), limits=(0.0, LOST_LIMIT))

    def facts(self, number: int) -> list[tuple[str, str]]:
        """A row's numbers for people: means over its samples."""
        row, numbers = self.rows[number], self.rows[number].numbers()
        lines = [("answer", "×".join(map(str, row.shape)))]
        if self.fields[number]:
            lines.append(("receptive field", self.fields[number]))
        lines.append(("representation error", say_share(numbers["representation_error"])))
        if np.isfinite(numbers["ssim"]):
            lines.append(("structure kept (SSIM)", say_similarity(numbers["ssim"])))
        lines.append(("pixels kept (PSNR)", f"{numbers['psnr_db']:.1f} dB"))
        if np.isfinite(numbers["color_error"]):
            lines.append(("color error", f"{numbers['color_error']:.3f}"))
        if np.isfinite(numbers["disagreement"]):
            lines.append(("samples differ by", say_share(numbers["disagreement"])))
        return lines

    def draw(self, *, theme: str = "light", tile: int = 0) -> NDArray[np.uint8]:
        """The sheet: the photo, then a row a layer with numbers, samples, and where they differ from the photo.

        Args:
            theme: `light` or `dark`.
            tile: Longer side of a picture; by default the picture's own size within 128 to 224 pixels.

        Returns:
            uint8 `H W 3`.
        """
        count = max(len(row.values) for row in self.rows)
        rows = []
        for number, row in enumerate(self.rows):
            pictures = [*row.pictures(), *[None] * (count - len(row.values))]
            rows.append(DepthRow(row.layer, self.facts(number), pictures, self.lost_map(number)))
        seeds = max((row.seeds for row in self.rows), key=len)
        return draw_depth_sheet(
            self.photo(),
            rows,
            title=f"What {self.network} keeps of {self.photo_name}",
            notes=self.notes(),
            columns=[f"from noise {seed}" for seed in seeds],
            last_column=f"difference, 0 to {LOST_LIMIT:g}",
            tile=tile,
            theme=theme,
        )

    def notes(self) -> list[str]:
        """What was done and how to read it, in sentences."""
        return [
            (
                "Each picture was painted from noise until the layer at its left answered as it answers to the photo; "
                "nothing else of the photo was used."
            ),
            (
                "What all pictures of a row share, the layer tells. Where they differ from each other and from the "
                "photo, it has forgotten, and the prior for smooth pictures fills in."
            ),
            (
                "Representation error: ‖Φ(x) − Φ₀‖ / ‖Φ₀‖. Where it is large the search fell short, and the picture "
                "shows less than the layer knows."
            ),
        ]

    def table(self) -> list[dict[str, Any]]:
        """The numbers of every row, as plain values."""
        return [
            {
                "layer": row.layer,
                "shape": list(row.shape),
                "receptive_field": field_,
                "samples": len(row.values),
                "seconds": round(row.seconds, 2),
                **plain(row.numbers()),
            }
            for row, field_ in zip(self.rows, self.fields, strict=True)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Everything but the pictures, as JSON values."""
        return {
            "network": self.network,
            "photo": self.photo_name,
            "fields": list(self.fields),
            "table": self.table(),
            "layers": [plain(row.settings()) for row in self.rows],
            "provenance": self.provenance,
        }

    def save(self, folder: str | Path) -> dict[str, Path]:
        """Write the sheet, every picture, the numbers and the arrays; `load` reads the folder.

        Returns:
            What was written, by name.

        Raises:
            OSError: It cannot be written.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        files = {
            "sheet": folder / "sheet.png",
            "data": folder / "inversion.json",
            "arrays": folder / "inversion.npz",
            "photo": folder / "photo.png",
        }
        write_whole(files["sheet"], draw.encode_png(self.draw()))
        write_whole(files["photo"], draw.encode_png(self.photo()))
        write_whole(files["data"], (json.dumps(self.to_dict(), indent=2) + "\n").encode())
        write_whole(files["arrays"], pack_arrays(*self._packed()))
        for number, row in enumerate(self.rows):
            layer = re.sub(r"[^\w.-]+", "_", row.layer)
            for seed, picture in zip(row.seeds, row.pictures(), strict=True):
                name = f"{number + 1:02d}-{layer}-{seed}"
                files[name] = folder / f"{name}.png"
                write_whole(files[name], draw.encode_png(picture))
        return files

    @classmethod
    def load(cls, folder: str | Path) -> "InversionSheet":
        """Read what `save` wrote.

        Raises:
            DataError: The folder holds no such data.
        """
        path = Path(folder) / "inversion.npz"
        with saved(path, "InversionSheet") as (settings, arrays):
            rows = []
            for number, own in enumerate(settings["rows"]):
                mark = f"{number}."
                mine = {name.removeprefix(mark): array for name, array in arrays.items() if name.startswith(mark)}
                rows.append(Reconstruction.restore(own, mine))
            fields = tuple(settings["fields"])
            return cls(settings["network"], settings["photo"], tuple(rows), fields, settings["provenance"])

    def _packed(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        arrays = {f"{n}.{name}": array for n, row in enumerate(self.rows) for name, array in row.arrays().items()}
        settings = {
            "network": self.network,
            "photo": self.photo_name,
            "fields": list(self.fields),
            "rows": [row.settings() for row in self.rows],
            "provenance": self.provenance,
        }
        return settings, arrays

    def _repr_png_(self) -> bytes:
        return draw.encode_png(self.draw())


def describe_layers(pictured: Pictured, layers: Iterable[str] | None = None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The layers to invert, from shallow to deep as given, and what each of their units sees of the picture.

    Args:
        pictured: The photo and the network.
        layers: Paths, or None for the end of every stage.

    Returns:
        Paths, and receptive fields in words.

    Raises:
        ConfigError: No layer, or one that is named twice.
    """
    shape = tuple(pictured.subject.prepare(pictured.photo).shape[1:])
    found = summary(pictured.subject.module, shape)
    chosen = tuple(layers) if layers is not None else tuple(stage.address for stage in found.stages)
    if not chosen or len(set(chosen)) != len(chosen):
        raise ConfigError(f"layers must be one or more different layers; got {list(chosen)}.")
    return chosen, tuple(_field(found, layer) for layer in chosen)


def invert_depth(
    network: Network | nn.Module,
    image: Images,
    *,
    layers: Iterable[str] | None = None,
    samples: int = 4,
    steps: int = 200,
    prior: str | Prior = "tv",
    optimizer: Method = "auto",
    size: int | tuple[int, int] | None = None,
    tolerance: float = 0.01,
    seed: int = 0,
) -> InversionSheet:
    """Invert several layers of a network for one photo: what each of them forgets.

    Args:
        network: As for `invert`, and so are all others but `layers`.
        image: One photo.
        layers: From shallow to deep; by default the end of every stage of `probe.summary`.
        samples: Pictures a layer.
        steps: At most so many for each picture.
        prior: A name of `PRIORS`, or a `Prior`.
        optimizer: See `invert`.
        size: Side of the picture in pixels, or `(h, w)`.
        tolerance: See `invert`.
        seed: Of the first noise, the same for every layer.

    Raises:
        StriateError: As for `invert`; ConfigError also for no layer, or one that is named twice.
    """
    pictured = picture_of(network, image, size=size)
    chosen, fields = describe_layers(pictured, layers)
    rows = []
    for layer in chosen:
        inversion = Inversion(
            network,
            pictured,
            layer=layer,
            samples=samples,
            steps=steps,
            prior=prior,
            optimizer=optimizer,
            tolerance=tolerance,
            seed=seed,
        )
        for _ in inversion.run():
            pass
        rows.append(inversion.result())
    name = Path(image).name if isinstance(image, str | Path) else "the photo"
    return InversionSheet(pictured.subject.name, name, tuple(rows), fields)


def _field(found: Summary, layer: str) -> str:
    row = found.row(layer) if layer != OUTPUT_NAME else None
    if row is None or row.field is None:
        return ""
    return "whole" if row.field.whole else "×".join(map(str, row.field.size))
