"""Which pixels of a photo belong to the object: the result that `grabcut` gives."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate import draw
from striate.errors import ConfigError, ShapeError
from striate.insight.store import json_bytes, pack_arrays, save_as, saved

__all__ = ["Segmentation"]


@dataclass(frozen=True)
class Segmentation:
    """A mask and a box for every picture, and how they were made.

    Attributes:
        masks: For each picture, bool `h w`: True on the object. One connected region.
        seeds: For each picture, uint8 `h w`: 0 given as background, 1 given as object, 2 left open.
        pictures: For each, the uint8 `h w 3` that was cut.
        target: The class (or unit) that was segmented, for each picture.
        crops: For each, where `pictures` lies in the photo, `x0 y0 x1 y1` in photo pixels.
        photo_sizes: For each, `(h, w)` of the photo.
        parameters: Every setting that the masks depend on.
        seconds: Wall time it took.
    """

    masks: tuple[NDArray[np.bool_], ...]
    seeds: tuple[NDArray[np.uint8], ...]
    pictures: tuple[NDArray[np.uint8], ...]
    target: tuple[Any, ...]
    crops: tuple[tuple[float, float, float, float], ...]
    photo_sizes: tuple[tuple[int, int], ...]
    parameters: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def values(self) -> NDArray[np.bool_]:
        """The masks as one array `n h w`.

        Raises:
            ShapeError: The pictures have different sizes.
        """
        if len({mask.shape for mask in self.masks}) != 1:
            sizes = ", ".join(f"{h} × {w}" for h, w in sorted({mask.shape for mask in self.masks}))
            raise ShapeError(f"values needs masks of one size; these are {sizes}. Take them one by one from .masks.")
        return np.stack(self.masks)

    @property
    def boxes(self) -> NDArray[np.int64]:
        """The smallest box around each mask: `n 4`, `x0 y0 x1 y1` in pixels of `pictures`, the ends not included."""
        return np.array([_box(mask) for mask in self.masks], dtype=np.int64)

    def photo_mask(self, index: int = 0) -> NDArray[np.bool_]:
        """The mask in the pixels of the original photo, False where the network did not look.

        Each photo pixel takes the value of the mask's pixel that its center falls into.
        """
        (height, width), (x0, y0, x1, y1) = self.photo_sizes[index], self.crops[index]
        mask = self.masks[index]
        rows = np.floor((np.arange(height) + 0.5 - y0) * mask.shape[0] / (y1 - y0)).astype(np.int64)
        columns = np.floor((np.arange(width) + 0.5 - x0) * mask.shape[1] / (x1 - x0)).astype(np.int64)
        inside = ((rows >= 0) & (rows < mask.shape[0]))[:, None] & ((columns >= 0) & (columns < mask.shape[1]))[None]
        rows, columns = rows.clip(0, mask.shape[0] - 1), columns.clip(0, mask.shape[1] - 1)
        found: NDArray[np.bool_] = mask[rows[:, None], columns[None]] & inside
        return found

    def photo_box(self, index: int = 0) -> tuple[float, float, float, float]:
        """The box in the pixels of the original photo, `x0 y0 x1 y1`, cut at the photo's edges."""
        (height, width), (x0, y0, x1, y1) = self.photo_sizes[index], self.crops[index]
        left, top, right, bottom = _box(self.masks[index])
        across, down = (x1 - x0) / self.masks[index].shape[1], (y1 - y0) / self.masks[index].shape[0]
        ends = (x0 + left * across, y0 + top * down, x0 + right * across, y0 + bottom * down)
        return (
            min(max(ends[0], 0.0), float(width)),
            min(max(ends[1], 0.0), float(height)),
            min(max(ends[2], 0.0), float(width)),
            min(max(ends[3], 0.0), float(height)),
        )

    def draw(self, *, box: bool = True, dim: float = 0.55) -> list[NDArray[np.uint8]]:
        """Each picture with the object bright, its outline and, if `box`, its box: uint8 `h w 3`."""
        return [
            draw.draw_outline(picture, mask, box=_box(mask) if box else None, dim=dim)
            for picture, mask in zip(self.pictures, self.masks, strict=True)
        ]

    def draw_seeds(self) -> list[NDArray[np.uint8]]:
        """What the cut was told: pixels given as object in orange, as background in blue, the rest as it is."""
        drawn = []
        for picture, seeds in zip(self.pictures, self.seeds, strict=True):
            tinted = picture.astype(np.float64)
            for value, color in ((0, (60, 110, 190)), (1, (235, 130, 50))):
                tinted[seeds == value] = 0.35 * tinted[seeds == value] + 0.65 * np.array(color, np.float64)
            drawn.append(np.rint(tinted).astype(np.uint8))
        return drawn

    def settings(self) -> dict[str, Any]:
        """Everything but the arrays, as plain JSON values."""
        return {
            "target": list(self.target),
            "crops": [list(crop) for crop in self.crops],
            "photo_sizes": [list(size) for size in self.photo_sizes],
            "boxes": self.boxes.tolist(),
            "parameters": self.parameters,
            "seconds": self.seconds,
        }

    def save(self, path: str | Path) -> Path:
        """Write it: `.npz` keeps all (`load` reads it), `.json` the settings and boxes, `.png` the mask of one picture.

        The PNG is the mask itself, white on black, in the pixels of the original photo.

        Raises:
            ConfigError: Another ending, or several pictures for one PNG.
        """
        if Path(path).suffix.lower() == ".png" and len(self.masks) != 1:
            raise ConfigError(f"a PNG holds one mask; this result has {len(self.masks)}. Save to .npz instead.")
        arrays: dict[str, NDArray[Any]] = {}
        for i, parts in enumerate(zip(self.masks, self.seeds, self.pictures, strict=True)):
            arrays |= {f"{name}_{i}": part for name, part in zip(("mask", "seeds", "picture"), parts, strict=True)}
        return save_as(
            path,
            {
                ".npz": lambda: pack_arrays(self.settings(), arrays),
                ".json": lambda: json_bytes(self.settings()),
                ".png": lambda: draw.encode_png(
                    np.repeat(self.photo_mask()[..., None].astype(np.uint8) * 255, 3, axis=2)
                ),
            },
        )

    @classmethod
    def load(cls, path: str | Path) -> "Segmentation":
        """Read what `save` wrote to an `.npz`.

        Raises:
            DataError: The file is missing, damaged, or holds something else.
        """
        with saved(path, "Segmentation") as (settings, arrays):
            count = len(settings["target"])
            return cls(
                masks=tuple(arrays[f"mask_{i}"] for i in range(count)),
                seeds=tuple(arrays[f"seeds_{i}"] for i in range(count)),
                pictures=tuple(arrays[f"picture_{i}"] for i in range(count)),
                target=tuple(settings["target"]),
                crops=tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in settings["crops"]),
                photo_sizes=tuple((int(h), int(w)) for h, w in settings["photo_sizes"]),
                parameters=settings["parameters"],
                seconds=settings["seconds"],
            )

    def _repr_png_(self) -> bytes:
        drawn = self.draw()
        same = len({picture.shape for picture in drawn}) == 1
        return draw.encode_png(draw.grid(drawn, gap=2) if same else drawn[0])


def _box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not rows.size:
        return 0, 0, 0, 0
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
