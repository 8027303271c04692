"""What every layer gives for one picture: all channels, all places, as numbers and as pictures.

Source: Yosinski et al. 2015, "Understanding neural networks through deep visualization", arXiv:1506.06579, section 2.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from striate import draw
from striate.arithmetic import Field
from striate.data.files import write_whole
from striate.draw.channel_grid import draw_channels
from striate.errors import ConfigError, DataError, ShapeError, StriateError, UnknownNameError, nearest
from striate.insight.heatmap import as_numpy
from striate.insight.listed_layers import list_layers
from striate.insight.numbers_in_words import short
from striate.insight.picture_stream import Pictures, PictureStream
from striate.insight.store import json_bytes, pack_arrays, save_as, saved
from striate.models import Network
from striate.probe import capture, evaluating, summary

__all__ = ["LayerActivations", "LayerMaps", "layer_activations"]


@dataclass(frozen=True, eq=False)
class LayerMaps:
    """What one layer gives.

    Attributes:
        layer: The layer's address.
        kind: Its class.
        detail: Its settings in words.
        maps: `c h w`, as the layer gave it, before anything else wrote there; a vector is `c 1 1`.
        field: What its units see, or None where that cannot be followed.
    """

    layer: str
    kind: str
    detail: str
    maps: NDArray[np.floating[Any]]
    field: Field | None = None

    @property
    def minimum(self) -> NDArray[np.floating[Any]]:
        """`c`."""
        return np.asarray(self.maps.min(axis=(1, 2)))

    @property
    def maximum(self) -> NDArray[np.floating[Any]]:
        """`c`."""
        return np.asarray(self.maps.max(axis=(1, 2)))

    @property
    def mean(self) -> NDArray[np.floating[Any]]:
        """`c`."""
        return np.asarray(self.maps.mean(axis=(1, 2), dtype=np.float64))

    @property
    def zeros(self) -> NDArray[np.floating[Any]]:
        """`c`, the share of places that are exactly zero."""
        return np.asarray((self.maps == 0).mean(axis=(1, 2)))

    @property
    def signed(self) -> bool:
        """Whether any value is below zero."""
        return bool((self.maps < 0).any())

    @property
    def limits(self) -> tuple[float, float]:
        """Values of the first and the last color, the same for all channels of the layer."""
        return draw.limits_of(self.maps, signed=self.signed)

    def draw(self, *, theme: str = "light", width: int = 1500) -> NDArray[np.uint8]:
        """All channels with their numbers on one scale: uint8 `H W 3`."""
        c, h, w = self.maps.shape
        note = f"{self.kind}{f' {self.detail}' if self.detail else ''} · {c} channels of {h} × {w}"
        note += f" · {100 * float(self.zeros.mean()):.0f} % zeros · values {short(float(self.maps.min()))} to "
        note += short(float(self.maps.max()))
        return draw_channels(self.maps, title=self.layer, note=note, limits=self.limits, theme=theme, width=width)


@dataclass(frozen=True, eq=False)
class LayerActivations:
    """What every layer gives for one picture; index it with a layer's address.

    Attributes:
        layers: Layer → its maps, in the order of the pass.
        seen: uint8 `h w 3`, what the network saw.
        photo_name: The picture's name.
        network: The network's name.
        parameters: The settings.
        seconds: Wall time it took.
    """

    layers: dict[str, LayerMaps]
    seen: NDArray[np.uint8]
    photo_name: str = ""
    network: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    def __getitem__(self, layer: str) -> LayerMaps:
        if layer not in self.layers:
            raise UnknownNameError(f"No activations of a layer '{layer}'. {nearest(layer, self.layers)}")
        return self.layers[layer]

    def draw(self, layer: str | None = None, *, theme: str = "light", width: int = 1500) -> NDArray[np.uint8]:
        """All channels of one layer, numbered, on one scale: uint8 `H W 3`.

        Raises:
            ConfigError: Several layers and none named.
            UnknownNameError: No such layer.
        """
        if layer is None and len(self.layers) != 1:
            raise ConfigError(f"name one of the layers to draw: {', '.join(list(self.layers)[:8])}…")
        return self[layer or next(iter(self.layers))].draw(theme=theme, width=width)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the maps, with the statistics of every channel, as plain JSON values."""
        return {
            "network": self.network,
            "photo_name": self.photo_name,
            "parameters": self.parameters,
            "seconds": self.seconds,
            "layers": [
                {
                    "layer": one.layer,
                    "kind": one.kind,
                    "detail": one.detail,
                    "shape": list(one.maps.shape),
                    "field": _field_values(one.field),
                    **{n: getattr(one, n).tolist() for n in ("minimum", "maximum", "mean", "zeros")},
                }
                for one in self.layers.values()
            ],
        }

    def pictures(self) -> Iterator[tuple[str, NDArray[np.uint8]]]:
        """A file name and a picture for every layer, in the order of the pass."""
        for number, one in enumerate(self.layers.values()):
            yield f"{number:03d}_{one.layer.replace('#', '_call')}", one.draw()

    def save(self, path: str | Path) -> Path:
        """Write the result: `.npz` with every number (`load` reads it), or `.json` with statistics of every channel.

        A path without an ending is a folder: a PNG for every layer, `activations.npz` and `activations.json`.

        Raises:
            ConfigError: Another ending.
        """
        path = Path(path)
        if not path.suffix:
            path.mkdir(parents=True, exist_ok=True)
            for name, picture in self.pictures():
                write_whole(path / f"{name}.png", draw.encode_png(picture))
            self.save(path / "activations.npz")
            self.save(path / "activations.json")
            return path
        arrays = {f"{i}/maps": one.maps for i, one in enumerate(self.layers.values())}
        return save_as(
            path,
            {
                ".npz": lambda: pack_arrays(self.to_dict(), {"seen": self.seen, **arrays}),
                ".json": lambda: json_bytes(self.to_dict()),
            },
        )

    @classmethod
    def load(cls, path: str | Path) -> "LayerActivations":
        """Read what `save` wrote to an `.npz`.

        Raises:
            DataError: The file is missing, damaged, or holds something else.
        """
        with saved(path, "LayerActivations") as (facts, arrays):
            return cls(
                layers={
                    one["layer"]: LayerMaps(
                        layer=one["layer"],
                        kind=one["kind"],
                        detail=one["detail"],
                        maps=arrays[f"{number}/maps"],
                        field=None if one["field"] is None else Field(**_tuples(one["field"])),
                    )
                    for number, one in enumerate(facts["layers"])
                },
                seen=arrays["seen"],
                photo_name=facts["photo_name"],
                network=facts["network"],
                parameters=facts["parameters"],
                seconds=facts["seconds"],
            )


def layer_activations(
    network: Network | nn.Module, images: Pictures, *, layers: Sequence[str] | None = None
) -> list[LayerActivations]:
    """Everything that every layer gives, for each picture.

    What a layer gave is taken in the middle of the pass, before an activation in place writes over it. A block that
    ends with a functional activation is a layer of the list, too. One picture goes through at a time: a large network
    has a hundred megabytes of activations for each.

    Args:
        network: A `Network` (images are photos), or any module (images are tensors, fed as they are).
        images: One photo or several, a folder, or a tensor `n c h w`.
        layers: Addresses; by default all that make something new (see `unit_statistics`).

    Raises:
        ConfigError: `layers` is empty.
        UnknownNameError: There is no such layer, or the pass does not call it.
        ShapeError: A layer gives neither `n c h w` nor `n c`.
        DataError: A photo cannot be read.

    >>> import torch
    >>> net = nn.Sequential(nn.Identity(), nn.ReLU(inplace=True))
    >>> layer_activations(net, torch.tensor([[[[2.0, -1.0]]]]))[0]["1"].zeros.tolist()
    [0.5]
    """
    if layers is not None and not len(layers):
        raise ConfigError("layers is empty; name at least one, or leave it out for all of them.")
    module = network.module if isinstance(network, Network) else network
    found = []
    with evaluating(module):
        for batch in PictureStream(network, images, batch_size=1, workers=0):
            if batch.problems:
                raise DataError(batch.problems[0].removesuffix(" It was left out."))
            began = time.perf_counter()
            named = list(layers) if layers is not None else list_layers(module, batch.x)
            with torch.inference_mode():
                outputs = capture(module, batch.x, named)
            facts = _facts(module, batch.x)
            seen = batch.show(0)
            found.append(
                LayerActivations(
                    layers={n: _maps(module, n, out, facts.get(n)) for n, out in outputs.items()},
                    seen=seen.pixels,
                    photo_name=seen.name,
                    network=network.name if isinstance(network, Network) else type(network).__name__,
                    parameters={"layers": named},
                    seconds=time.perf_counter() - began,
                )
            )
    return found


def _facts(module: nn.Module, x: Tensor) -> dict[str, tuple[str, Field | None]]:
    try:
        rows = summary(module, tuple(x.shape[1:])).rows
    except (StriateError, RuntimeError):  # a pass that cannot be followed has no fields
        return {}
    return {row.address: (row.detail, row.field) for row in rows}


def _maps(module: nn.Module, layer: str, output: Tensor, facts: tuple[str, Field | None] | None) -> LayerMaps:
    if output.dim() not in (2, 4):
        raise ShapeError(f"layer '{layer}' gives {tuple(output.shape)}; units need maps 'n c h w', or 'n c'.")
    part = module.get_submodule(layer.partition("#")[0])
    detail, seen = facts or ("", None)
    maps = as_numpy(output[0] if output.dim() == 4 else output[0, :, None, None])  # c h w
    return LayerMaps(layer, type(part).__name__, detail, maps, seen)


def _field_values(seen: Field | None) -> dict[str, Any] | None:
    if seen is None:
        return None
    return {
        "size": list(seen.size),
        "stride": [float(n) for n in seen.stride],
        "start": [float(n) for n in seen.start],
        "whole": seen.whole,
    }


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {
        "size": tuple(values["size"]),
        "stride": tuple(_exact(n) for n in values["stride"]),
        "start": tuple(_exact(n) for n in values["start"]),
        "whole": values["whole"],
    }


def _exact(number: float) -> int | Fraction:
    """The fraction that was written as a float."""
    return int(number) if float(number).is_integer() else Fraction(number).limit_denominator(4096)
