"""A map over pictures: the result that saliency, occlusion and their neighbors give."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from striate import draw
from striate.errors import ConfigError, ShapeError
from striate.insight.store import json_bytes, pack_arrays, save_as, saved

__all__ = ["Heatmap", "as_numpy"]


@dataclass(frozen=True)
class Heatmap:
    """One number for every pixel of every picture, and how it was made.

    Attributes:
        values: `n h w`, float, at the size that the network got.
        method: The method's name: `saliency`, `occlusion`.
        unit: What a value means, such as `probability drop`.
        signed: True where the sign means something: drawn in a zero-centered diverging map.
        target: For each picture what was explained: a class index, or the address of a unit.
        parameters: Every setting that the values depend on.
        grid: For occlusion, the raw score at every window: `n gh gw k`, all classes kept.
        baseline: For occlusion, the score of the untouched picture: `n k`.
        seconds: Wall time it took.
    """

    values: NDArray[np.floating[Any]]
    method: str
    unit: str
    signed: bool
    target: tuple[int | str | None, ...]
    parameters: dict[str, Any] = field(default_factory=dict)
    grid: NDArray[np.floating[Any]] | None = None
    baseline: NDArray[np.floating[Any]] | None = None
    seconds: float = 0.0

    @property
    def limits(self) -> tuple[float, float]:
        """The values that get the first and the last color: `(0, m)`, or `(-m, m)` where the sign means something."""
        return draw.limits_of(self.values, signed=self.signed)

    def draw(self, photos: NDArray[np.uint8] | None = None, *, opacity: float = 1.0) -> NDArray[np.uint8]:
        """Pictures of the map, all on one scale (`limits`).

        Args:
            photos: uint8 `n h w 3` of the map's size to lay the map over, or None for the map alone.
            opacity: How strongly the map tints the photo, from 0 to 1.

        Returns:
            uint8 `n h w 3`.

        Raises:
            ShapeError: `photos` are not as many, or not of the map's size.
        """
        colormap = draw.SIGNED if self.signed else draw.UNSIGNED
        if photos is None:
            return np.stack([draw.colorize(v, colormap=colormap, limits=self.limits) for v in self.values])
        if photos.shape != (*self.values.shape, 3):
            raise ShapeError(f"photos must have the map's size {(*self.values.shape, 3)}; got {photos.shape}.")
        return np.stack(
            [
                draw.overlay(photo, v, colormap=colormap, limits=self.limits, opacity=opacity)
                for photo, v in zip(photos, self.values, strict=True)
            ]
        )

    def settings(self) -> dict[str, Any]:
        """Everything but the arrays, as plain JSON values."""
        return {
            "method": self.method,
            "unit": self.unit,
            "signed": self.signed,
            "target": list(self.target),
            "parameters": self.parameters,
            "seconds": self.seconds,
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays that there are, by name."""
        named = {"values": self.values, "grid": self.grid, "baseline": self.baseline}
        return {name: array for name, array in named.items() if array is not None}

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> "Heatmap":
        """The inverse of `settings` and `arrays`."""
        return cls(
            values=arrays["values"],
            grid=arrays.get("grid"),
            baseline=arrays.get("baseline"),
            **{**settings, "target": tuple(settings["target"])},
        )

    def save(self, path: str | Path) -> Path:
        """Write the map: `.npz` keeps every number (`load` reads it), `.json` the settings and values, `.png` draws it.

        Raises:
            ConfigError: Another ending, or several pictures for one PNG.
        """
        if Path(path).suffix.lower() == ".png" and len(self.values) != 1:
            raise ConfigError(f"a PNG shows one map; this result has {len(self.values)}. Save to .npz, or index it.")
        numbers = self.arrays()
        return save_as(
            path,
            {
                ".npz": lambda: pack_arrays(self.settings(), numbers),
                ".json": lambda: json_bytes({**self.settings(), **{n: array.tolist() for n, array in numbers.items()}}),
                ".png": lambda: draw.encode_png(self.draw()[0]),
            },
        )

    @classmethod
    def load(cls, path: str | Path) -> "Heatmap":
        """Read what `save` wrote to an `.npz`.

        Raises:
            DataError: The file is missing, damaged, or holds something else.
        """
        with saved(path, "Heatmap") as (settings, arrays):
            return cls.restore(settings, arrays)

    def _repr_png_(self) -> bytes:
        return draw.encode_png(draw.grid(list(self.draw()), gap=2))


def as_numpy(tensor: Tensor) -> NDArray[np.floating[Any]]:
    """A tensor's numbers; 16-bit floats, which NumPy or its users lack, become float32."""
    numbers = tensor.detach().cpu()
    array: NDArray[np.floating[Any]] = (numbers if numbers.element_size() >= 4 else numbers.float()).numpy()
    return array
