"""Effective receptive fields: what units use of the pictures, how large that is, drawn beside the fields on paper.

`effective_field` measures them.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate import draw
from striate.draw.field_tiles import FieldTile, draw_field_tiles
from striate.errors import ConfigError, UnknownNameError, nearest
from striate.insight.numbers_in_words import short
from striate.insight.store import pack_arrays, save_as, saved

__all__ = ["EffectiveField", "EffectiveFields"]

LUO = 1 - 0.9545
"""A pixel counts where its gradient is more than this share of the largest (Luo et al. 2016, section 3.1)."""


@dataclass(frozen=True, eq=False)
class EffectiveField:
    """What the middle unit of one layer uses.

    Attributes:
        layer: The layer's address.
        energy: `h w`, the mean squared gradient at every pixel of what the network gets.
        position: `(y, x)` of the unit in its map.
        box: Its field on paper, `xyxy`, half-open, beyond the picture where it reaches.
        whole: Whether the unit also depends on the whole picture by gates or statistics, or the field is not known.
    """

    layer: str
    energy: NDArray[np.floating[Any]]
    position: tuple[int, int]
    box: tuple[int, int, int, int]
    whole: bool

    @property
    def size(self) -> tuple[int, int]:
        """`(h, w)` of the field on paper."""
        return self.box[3] - self.box[1], self.box[2] - self.box[0]

    @property
    def center(self) -> tuple[float, float]:
        """`(y, x)`, the mean place of the energy."""
        p = self._shares()
        y, x = np.indices(p.shape)
        return float((p * y).sum()), float((p * x).sum())

    @property
    def std(self) -> tuple[float, float]:
        """`(y, x)`, the standard deviation of the energy's place, in pixels."""
        p = self._shares()
        (y, x), (cy, cx) = np.indices(p.shape), self.center
        return float(np.sqrt((p * (y - cy) ** 2).sum())), float(np.sqrt((p * (x - cx) ** 2).sum()))

    @property
    def inside(self) -> float:
        """The share of the energy in the box: 1, unless the unit also depends on the whole picture."""
        left, top, right, bottom = self.box
        return float(self._shares()[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)].sum())

    @property
    def luo_size(self) -> float:
        """√ of the number of pixels whose gradient is more than 4.55 % of the largest.

        Differs: of the largest instead of the middle one, which a trained network may ignore.
        """
        size = np.sqrt(self.energy)
        return float(np.sqrt((size > LUO * size.max()).sum()))

    @property
    def gaussian(self) -> float:
        """How like a Gaussian the energy is: cosine with the one of the same center and deviation, 1 where equal."""
        p, (cy, cx), (sy, sx) = self._shares(), self.center, self.std
        y, x = np.indices(p.shape)
        if not sy or not sx:
            return 0.0
        bell = np.exp(-0.5 * (((y - cy) / sy) ** 2 + ((x - cx) / sx) ** 2))
        return float((p * bell).sum() / np.sqrt((p**2).sum() * (bell**2).sum()))

    def square(self, share: float = 0.95) -> tuple[float, float, float, float]:
        """`xyxy` of the smallest square around the middle of the field that holds this share of the energy.

        Raises:
            ConfigError: `share` is outside of (0, 1].
        """
        if not 0 < share <= 1:
            raise ConfigError(f"share must be above 0 and at most 1; got {share}.")
        p = self._shares()
        cy, cx = (self.box[1] + self.box[3] - 1) / 2, (self.box[0] + self.box[2] - 1) / 2
        y, x = np.indices(p.shape)
        away = np.maximum(np.abs(y - cy), np.abs(x - cx))
        distances, place = np.unique(away, return_inverse=True)
        held = np.cumsum(np.bincount(place.ravel(), weights=p.ravel()))
        reach = float(distances[min(int(np.searchsorted(held, share - 1e-12)), len(distances) - 1)])
        return cx - reach, cy - reach, cx + reach + 1, cy + reach + 1

    def _shares(self) -> NDArray[np.float64]:
        energy = self.energy.astype(np.float64)
        total = float(energy.sum())
        return energy / total if total > 0 else np.full_like(energy, 1 / energy.size)

    def to_dict(self) -> dict[str, Any]:
        """The numbers, as plain JSON values."""
        left, _, right, _ = self.square()
        return {
            "layer": self.layer,
            "position": list(self.position),
            "box": list(self.box),
            "whole": self.whole,
            "std": list(self.std),
            "side_95": right - left,
            "inside": self.inside,
            "luo_size": self.luo_size,
            "gaussian": self.gaussian,
        }


@dataclass(frozen=True, eq=False)
class EffectiveFields:
    """The effective fields of several layers; index it with a layer's address.

    Attributes:
        layers: Layer → its field, in the order asked for.
        count: Pictures that were averaged.
        network: The network's name.
        parameters: The settings.
        seconds: Wall time it took.
    """

    layers: dict[str, EffectiveField]
    count: int
    network: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    def __getitem__(self, layer: str) -> EffectiveField:
        if layer not in self.layers:
            raise UnknownNameError(f"No effective field of a layer '{layer}'. {nearest(layer, self.layers)}")
        return self.layers[layer]

    def draw(self, *, theme: str = "light", width: int = 1400) -> NDArray[np.uint8]:
        """Each layer's map with both boxes and its numbers: uint8 `H W 3`."""
        tiles = []
        for one in self.layers.values():
            left, _, right, _ = one.square()
            field_words = "the whole picture" if one.whole else f"{one.size[0]} × {one.size[1]} px"
            area = 100 * (right - left) ** 2 / (one.size[0] * one.size[1])
            notes = (
                f"field {field_words}",
                f"95 % in {right - left:.0f} px, σ {short(sum(one.std) / 2)} px",
                f"{area:.0f} % of the area, like a Gaussian {one.gaussian:.2f}",
            )
            tiles.append(FieldTile(np.sqrt(one.energy), one.box, one.square(), one.layer, notes))
        return draw_field_tiles(
            tiles,
            title=f"Effective receptive fields{f' of {self.network}' if self.network else ''}",
            note=f"Size of the gradient of the middle unit, {self.count} pictures, each map on its own scale. "
            "White: the field on paper. Ochre: the square with 95 % of the squared gradient.",
            theme=theme,
            width=width,
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything but the maps, as plain JSON values."""
        return {
            "network": self.network,
            "count": self.count,
            "parameters": self.parameters,
            "seconds": self.seconds,
            "layers": [one.to_dict() for one in self.layers.values()],
        }

    def save(self, path: str | Path) -> Path:
        """Write the result: `.npz` (`load` reads it) or `.png`.

        Raises:
            ConfigError: Another ending.
        """
        return save_as(
            path,
            {
                ".npz": lambda: pack_arrays(
                    self.to_dict(), {f"{i}/energy": one.energy for i, one in enumerate(self.layers.values())}
                ),
                ".png": self._repr_png_,
            },
        )

    @classmethod
    def load(cls, path: str | Path) -> "EffectiveFields":
        """Read what `save` wrote to an `.npz`.

        Raises:
            DataError: The file is missing, damaged, or holds something else.
        """
        with saved(path, "EffectiveFields") as (facts, arrays):
            layers = {
                one["layer"]: EffectiveField(
                    one["layer"],
                    arrays[f"{number}/energy"],
                    (one["position"][0], one["position"][1]),
                    (one["box"][0], one["box"][1], one["box"][2], one["box"][3]),
                    one["whole"],
                )
                for number, one in enumerate(facts["layers"])
            }
            return cls(layers, facts["count"], facts["network"], facts["parameters"], facts["seconds"])

    def _repr_png_(self) -> bytes:
        return draw.encode_png(self.draw())
