"""All that is known of some units, each as one portrait: where it sits, what excites it, and where it is on a photo.

No single way of looking says what a unit does. Beside each other they correct one another: the kernel (first layer
only), the natural patches that excite it most, a picture that was made to excite it, its map on a photo of one's own,
and the gradient that says which pixels of that photo moved it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from striate import draw
from striate.data.files import write_whole
from striate.data.images import Images, read_photos
from striate.errors import ConfigError, DataError
from striate.insight.feature_result import FeaturePictures
from striate.insight.guided_backprop import guided_backprop
from striate.insight.heatmap import as_numpy
from striate.insight.input_gradient import InputGradient
from striate.insight.patches import TopPatches
from striate.insight.store import load_arrays, pack_arrays
from striate.insight.target import module_and_input
from striate.models import Network
from striate.probe import Summary, UnitAddress, capture, evaluating, require_layer

__all__ = ["UnitPortraits", "UnitView", "look_at_units", "read_units"]

NUMBERS, PATCHES, PICTURES, PHOTO = "units.json", "patches.npz", "pictures.npz", "photo.npz"


@dataclass(frozen=True, eq=False)
class UnitView:
    """What some units answer to one photo.

    Attributes:
        name: Of the photo.
        seen: uint8 `h w 3`, what the network saw of it.
        maps: Address → `h w`, the activations of that channel; `1 1` for a unit of a fully connected layer.
        gradient: Guided back-propagation from each unit's strongest place, one row a unit; None where the network has
            a mask that it cannot go through.
    """

    name: str
    seen: NDArray[np.uint8]
    maps: dict[str, NDArray[np.floating[Any]]]
    gradient: InputGradient | None


@dataclass(frozen=True, eq=False)
class UnitPortraits:
    """Units of one network, and what was found about each.

    Attributes:
        network: The network's name.
        weights: Of its weights, in a word; empty for a plain module.
        addresses: The units, `layer:channel`.
        summary: The layer table.
        patches: The natural patches that excite them most, or None without pictures to look through.
        pictures: A picture made for each, or None where that was not asked for.
        kernels: Address → `c h w`, for units of the layer that meets the picture.
        view: What they answer to a photo, or None without one.
        provenance: Versions, seconds, the command.
    """

    network: str
    weights: str
    addresses: tuple[str, ...]
    summary: Summary
    patches: TopPatches | None = None
    pictures: FeaturePictures | None = None
    kernels: dict[str, NDArray[np.floating[Any]]] = field(default_factory=dict)
    view: UnitView | None = None
    provenance: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the arrays, as plain JSON values."""
        return {
            "format": 1,
            "network": self.network,
            "weights": self.weights,
            "units": [self._facts(address) for address in self.addresses],
            "photo": None if self.view is None else self.view.name,
            "summary": self.summary.to_dict(),
            "provenance": self.provenance,
        }

    def _facts(self, text: str) -> dict[str, Any]:
        unit = UnitAddress.parse(text)
        row = self.summary.row(unit.layer)
        facts: dict[str, Any] = {"address": text, "shape": [] if row is None else list(row.output_shape[1:])}
        if self.patches is not None and unit.layer in self.patches.layers:
            found = self.patches[unit.layer]
            place = found.place_of(unit.channel or 0)
            values = found.values[place]
            facts["natural"] = [float(v) for v in values if np.isfinite(v)]
            facts["pictures"] = [self.patches.names[i] for i in found.pictures[place].tolist() if i >= 0]
        if self.pictures is not None:
            place = self.pictures.targets.index(text)
            facts["synthetic"] = float(self.pictures.activations[place])
            facts["excited"] = bool(self.pictures.excited[place])
        if self.view is not None:
            facts["on_photo"] = float(self.view.maps[text].max())
        return facts

    def save(self, folder: str | Path) -> dict[str, Path]:
        """Write `units.json` and the arrays (`patches.npz`, `pictures.npz`, `photo.npz`), each whole or not at all."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        written = {"json": folder / NUMBERS}
        if self.patches is not None:
            written["patches"] = self.patches.save(folder / PATCHES)
        if self.pictures is not None:
            written["pictures"] = self.pictures.save(folder / PICTURES)
        facts = self.to_dict()
        arrays: dict[str, Any] = {f"kernel {address}": kernel for address, kernel in self.kernels.items()}
        if self.view is not None:
            arrays |= {"seen": self.view.seen} | {f"map {a}": values for a, values in self.view.maps.items()}
            if self.view.gradient is not None:
                arrays |= {f"gradient {name}": array for name, array in self.view.gradient.arrays().items()}
                facts["gradient"] = self.view.gradient.settings()
        if arrays:
            written["photo"] = folder / PHOTO
            write_whole(written["photo"], pack_arrays({}, arrays))
        facts["files"] = sorted(path.name for path in written.values())
        write_whole(written["json"], json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False).encode())
        return written

    @classmethod
    def load(cls, folder: str | Path) -> "UnitPortraits":
        """Read back what `save` wrote.

        Raises:
            DataError: The folder lacks a file, or one is damaged.
        """
        folder = Path(folder)
        try:
            facts = json.loads((folder / NUMBERS).read_text(encoding="utf-8"))
            there = set(facts["files"])
            arrays: dict[str, NDArray[Any]] = {}
            if PHOTO in there:
                _, arrays = load_arrays(folder / PHOTO)
            view = None
            if facts["photo"] is not None:
                mine = {n.removeprefix("gradient "): a for n, a in arrays.items() if n.startswith("gradient ")}
                view = UnitView(
                    facts["photo"],
                    arrays["seen"],
                    {n.removeprefix("map "): a for n, a in arrays.items() if n.startswith("map ")},
                    InputGradient.restore(facts["gradient"], mine) if mine else None,
                )
            return cls(
                network=facts["network"],
                weights=facts["weights"],
                addresses=tuple(unit["address"] for unit in facts["units"]),
                summary=Summary.from_dict(facts["summary"]),
                patches=TopPatches.load(folder / PATCHES) if PATCHES in there else None,
                pictures=FeaturePictures.load(folder / PICTURES) if PICTURES in there else None,
                kernels={n.removeprefix("kernel "): a for n, a in arrays.items() if n.startswith("kernel ")},
                view=view,
                provenance=facts["provenance"],
            )
        except FileNotFoundError as error:
            raise DataError(
                f"{folder} holds no saved units: {Path(error.filename).name} is missing. "
                "`striate inspect NETWORK --units …` writes them."
            ) from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"{folder} holds damaged units ({error}). Make them again.") from error

    def draw(self, *, top: int = 9, theme: str = "light") -> NDArray[np.uint8]:
        """Pictures made for the units beside their natural patches, a unit a row: uint8 `H W 3`.

        Raises:
            ConfigError: There are neither.
        """
        if self.pictures is not None:
            return self.pictures.draw(top=top, theme=theme)
        if self.patches is None:
            raise ConfigError("there is nothing to draw: give pictures to look through, or have pictures made.")
        layers = list(self.patches.layers)
        return np.concatenate(
            [pad_to(self.patches.draw(layer, top=top, theme=theme), self.patches, layers, theme) for layer in layers]
        )


def pad_to(sheet: NDArray[np.uint8], patches: TopPatches, layers: Sequence[str], theme: str) -> NDArray[np.uint8]:
    """A sheet made as wide as the widest of several layers, in its own background."""
    width = max(patches.draw(layer, theme=theme).shape[1] for layer in layers) if len(layers) > 1 else sheet.shape[1]
    missing = max(width - sheet.shape[1], 0)
    return np.concatenate([sheet, np.broadcast_to(sheet[:1, :1], (len(sheet), missing, 3))], axis=1)


def read_units(network: Network | nn.Module, words: Sequence[str]) -> list[UnitAddress]:
    """Addresses from words such as `features.3:17,features.9`; a layer without a channel stands for its units.

    Raises:
        ConfigError: No address, or one with a place: a portrait is of the unit at every place.
        UnknownNameError: A layer that does not exist.
    """
    module = network.module if isinstance(network, Network) else network
    texts = [part.strip() for word in words for part in _parts(word) if part.strip()]
    if not texts:
        raise ConfigError("units is empty; name at least one, such as 'features.3:17' or a layer, 'features.3'.")
    found = []
    for text in texts:
        address = UnitAddress.parse(text)
        if address.position is not None:
            raise ConfigError(
                f"a portrait is of a channel at all its places: '{address.layer}:{address.channel}' instead of "
                f"'{text}'."
            )
        require_layer(module, address.layer.partition("#")[0])
        found.append(address)
    return list(dict.fromkeys(found))


def _parts(word: str) -> list[str]:
    """Cut at commas, but for the one inside a place: `a:1@2,3`."""
    parts: list[str] = []
    for part in word.split(","):
        if parts and "@" in parts[-1] and part.strip().isdecimal() and "," not in parts[-1]:
            parts[-1] += f",{part}"
        else:
            parts.append(part)
    return parts


def look_at_units(
    network: Network | nn.Module, images: Images, addresses: Sequence[str], *, name: str = ""
) -> UnitView:
    """What some units answer to one photo, and which of its pixels moved each.

    Args:
        network: A `Network` (the image is a photo) or any module (a tensor `1 c h w`).
        images: One photo.
        addresses: `layer:channel`.
        name: Of the photo.

    Raises:
        ConfigError: More than one photo, or a channel that the layer does not have.
        UnknownNameError: A layer that does not exist.
    """
    module, x = module_and_input(network, images)
    if len(x) != 1:
        raise ConfigError(f"images must be one photo; got {len(x)}.")
    units = [UnitAddress.parse(text) for text in addresses]
    with evaluating(module), torch.inference_mode():
        outputs = capture(module, x, dict.fromkeys(unit.layer for unit in units))
    maps = {}
    for text, unit in zip(addresses, units, strict=True):
        output = outputs[unit.layer][0]
        channel = unit.channel or 0
        if channel >= len(output):
            raise ConfigError(f"layer '{unit.layer}' has channels 0 to {len(output) - 1}; there is no {channel}.")
        maps[text] = as_numpy(output[channel]).reshape(output.shape[1:] or (1, 1))
    try:
        gradient = guided_backprop(network, images, target=list(addresses))
    except ConfigError:
        gradient = None
    if isinstance(network, Network) and not isinstance(images, Tensor):
        seen = network.preprocessing.view(read_photos(images)[0]).pixels
    else:  # what went in, its mean over the channels in gray
        seen = draw.colorize(as_numpy(x[0]).mean(0), colormap="gray", limits=(float(x.min()), float(x.max())))
    return UnitView(name, seen, maps, gradient)
