"""How alike maps stay while weights are drawn anew: the result that `randomization` gives."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate import draw
from striate.errors import ConfigError
from striate.insight.store import json_bytes, pack_arrays, save_as, saved

__all__ = ["RandomizationCheck"]

NAMES = {
    "rank": "rank correlation",
    "rank_absolute": "rank correlation, magnitudes",
    "ssim": "SSIM",
    "hog": "HOG correlation",
}


@dataclass(frozen=True)
class RandomizationCheck:
    """Similarities to the map of the trained network, step by step.

    Attributes:
        method: The method's name.
        mode: `cascading` (from the last layer down) or `independent` (one layer at a time).
        layers: The layer that each step ended with; the first step, the trained network, has none.
        similarities: Measure → `s+1 n`, 1 for the trained network itself: `rank` (Spearman's, with signs),
            `rank_absolute` (of magnitudes), `ssim`, `hog`.
        maps: `s+1 n h w`, float32: magnitudes as they are looked at, from 0 to 1.
        target: What was explained, for each image.
        parameters: Every setting that the numbers depend on.
        seconds: Wall time it took.
    """

    method: str
    mode: str
    layers: tuple[str, ...]
    similarities: dict[str, NDArray[np.float64]]
    maps: NDArray[np.float32]
    target: tuple[int | str, ...]
    parameters: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def values(self) -> NDArray[np.float64]:
        """Mean over images, `measures s+1`, in the order of `similarities`."""
        return np.stack([rows.mean(1) for rows in self.similarities.values()])

    @property
    def final(self) -> dict[str, float]:
        """Measure → similarity after the last step, mean over images: with `cascading`, all weights are random then."""
        return {name: float(rows[-1].mean()) for name, rows in self.similarities.items()}

    @property
    def average(self) -> dict[str, float]:
        """Measure → similarity averaged over all steps but the first, and over images."""
        return {name: float(rows[1:].mean()) for name, rows in self.similarities.items()}

    @property
    def passes(self) -> bool:
        """Whether the map has changed by the time that the upper half of the layers is random.

        True where the rank correlation with the trained network's map, mean over images, is then below one half. The
        limit is ours (the paper draws the curves and leaves the judgment to the reader): gradients are near 0 there,
        guided back-propagation above .9.

        Raises:
            ConfigError: The mode is not `cascading`.
        """
        if self.mode != "cascading":
            raise ConfigError(f"passes needs mode='cascading', in which layers stay random; this is '{self.mode}'.")
        half = 1 + (len(self.layers) - 1) // 2
        return bool(self.similarities["rank"][half].mean() < 0.5)

    def draw(self, *, theme: str = "light", width: int = 900, height: int = 460) -> NDArray[np.uint8]:
        """Similarities against layers, mean over images: uint8 `h w 3`."""
        how = "from the last layer down" if self.mode == "cascading" else "one layer at a time"
        count = len(self.target)
        return draw.draw_similarity_curves(
            ["trained", *self.layers],
            {NAMES.get(name, name): rows.mean(1) for name, rows in self.similarities.items()},
            title=f"{self.method}: how alike its map stays as weights are drawn anew, {how}",
            note="" if count == 1 else f"mean of {count} pictures",
            theme=theme,
            width=width,
            height=height,
        )

    def draw_maps(self, index: int = 0, *, theme: str = "light") -> NDArray[np.uint8]:
        """The maps of one image side by side with their layers, trained first, each on its own scale: uint8 `h w 3`."""
        rank = self.similarities["rank"][:, index]
        tiles = [
            draw.Tile(draw.colorize(one, limits=(0.0, 1.0)), name or "network", note=f"rank correlation {value:.2f}")
            for one, name, value in zip(self.maps[:, index], ("trained", *self.layers), rank, strict=True)
        ]
        return draw.draw_sheet(tiles, theme=theme)

    def settings(self) -> dict[str, Any]:
        """Everything but the arrays, as plain JSON values."""
        return {
            "method": self.method,
            "mode": self.mode,
            "layers": list(self.layers),
            "measures": list(self.similarities),
            "target": list(self.target),
            "parameters": self.parameters,
            "seconds": self.seconds,
        }

    def save(self, path: str | Path) -> Path:
        """Write it: `.npz` keeps all (`load` reads it), `.json` the similarities, `.png` draws them.

        Raises:
            ConfigError: Another ending.
        """
        rows = self.similarities.items()
        return save_as(
            path,
            {
                ".npz": lambda: pack_arrays(self.settings(), {"maps": self.maps} | {f"of_{n}": row for n, row in rows}),
                ".json": lambda: json_bytes({**self.settings(), "similarities": {n: row.tolist() for n, row in rows}}),
                ".png": lambda: draw.encode_png(self.draw()),
            },
        )

    @classmethod
    def load(cls, path: str | Path) -> "RandomizationCheck":
        """Read what `save` wrote to an `.npz`.

        Raises:
            DataError: The file is missing, damaged, or holds something else.
        """
        with saved(path, "RandomizationCheck") as (settings, arrays):
            return cls(
                method=settings["method"],
                mode=settings["mode"],
                layers=tuple(settings["layers"]),
                similarities={name: arrays[f"of_{name}"] for name in settings["measures"]},
                maps=arrays["maps"],
                target=tuple(settings["target"]),
                parameters=settings["parameters"],
                seconds=settings["seconds"],
            )

    def _repr_png_(self) -> bytes:
        return draw.encode_png(self.draw())
