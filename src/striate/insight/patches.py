"""The patches that excite units most: what a pass over many pictures found, as numbers, places and pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate import draw
from striate.draw.patch_rows import Patch, PatchRow, draw_patch_rows
from striate.errors import ConfigError, UnknownNameError, nearest
from striate.insight.field_boxes import Sight, inside_of
from striate.insight.numbers_in_words import short
from striate.insight.store import json_bytes, pack_arrays, save_as, saved

__all__ = ["LayerPatches", "TopPatches", "fitting_tile"]

_PER_LAYER = (
    "channels", "values", "pictures", "positions", "boxes", "crops", "peak_mean", "peak_std",
)  # fmt: skip


def fitting_tile(side: int) -> int:
    """The side of a tile for patches of `side` pixels: a whole multiple of it near 84, or 84 for large ones.

    >>> fitting_tile(3), fitting_tile(23), fitting_tile(63), fitting_tile(207)
    (84, 92, 63, 84)
    """
    return side * max(round(84 / side), 1) if side <= 112 else 84


@dataclass(frozen=True, eq=False)
class LayerPatches:
    """The strongest places of `u` units (channels) of one layer, `k` each.

    Attributes:
        layer: The layer's address.
        shape: `c h w` of its output.
        channels: `u`, which channels.
        values: `u k`, the activations, largest first; NaN where there were fewer pictures.
        pictures: `u k`, places in `TopPatches.names`; −1 where there is none.
        positions: `u k 2`, `(y, x)` of the unit in its map.
        boxes: `u k 4`, `xyxy`, half-open: its receptive field in pixels of what the network saw. It reaches beyond the
            picture where the unit sees padding.
        crops: uint8 `u k h w 3`, the part of the picture in the box, or the whole picture (see `sight`); black where
            the box lies outside.
        crop_step: Pixels of the picture along one pixel of a crop: 1, or more where all crops together would take too
            much memory.
        sight: What the units see.
        peak_mean: `u`, mean over all pictures of the unit's largest value in a picture.
        peak_std: `u`, standard deviation of the same.
    """

    layer: str
    shape: tuple[int, int, int]
    channels: NDArray[np.int64]
    values: NDArray[np.floating[Any]]
    pictures: NDArray[np.int64]
    positions: NDArray[np.int64]
    boxes: NDArray[np.int64]
    crops: NDArray[np.uint8]
    crop_step: int
    sight: Sight
    peak_mean: NDArray[np.floating[Any]]
    peak_std: NDArray[np.floating[Any]]

    @property
    def selectivity(self) -> NDArray[np.floating[Any]]:
        """`u`: (mean of a unit's list − `peak_mean`) / `peak_std`, how far its best stand out; NaN without a spread."""
        with np.errstate(invalid="ignore", divide="ignore"):
            found = (np.nanmean(self.values, axis=1) - self.peak_mean) / self.peak_std
        return np.where(self.peak_std > 0, found, np.nan)

    @property
    def silent(self) -> NDArray[np.bool_]:
        """`u`: which units were never above zero."""
        return np.asarray(~(self.values[:, 0] > 0))

    def most_selective(self, count: int) -> list[int]:
        """The `count` channels with the largest `selectivity`, silent ones left out; ties go to the lower channel."""
        worth = np.where(np.isnan(self.selectivity) | self.silent, -np.inf, self.selectivity)
        order = [i for i in np.argsort(-worth, kind="stable").tolist() if np.isfinite(worth[i])]
        return [int(self.channels[i]) for i in order[:count]]

    def place_of(self, channel: int) -> int:
        """Where a channel stands along the axis `u`.

        Raises:
            UnknownNameError: It was not followed.
        """
        found = np.flatnonzero(self.channels == channel)
        if not len(found):
            few = ", ".join(map(str, self.channels[:6].tolist())) + ("…" if len(self.channels) > 6 else "")
            raise UnknownNameError(f"channel {channel} of '{self.layer}' was not followed; there are {few}.")
        return int(found[0])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays by name."""
        return {name: getattr(self, name) for name in _PER_LAYER}


@dataclass(frozen=True, eq=False)
class TopPatches:
    """What one pass over many pictures found; index it with a layer's address.

    Attributes:
        layers: Layer → its units' strongest patches.
        names: `p` names of the pictures in the lists.
        numbers: `p`, their places in the source.
        seen_sizes: `p 2`, `(h, w)` of what the network saw.
        photo_crops: `p 4`, the part of the photo that it saw, `xyxy` in photo pixels.
        photo_sizes: `p 2`, `(h, w)` of the photos.
        count: Pictures that were looked at.
        network: The network's name.
        problems: Pictures that were left out, a sentence each.
        parameters: Every setting that the lists depend on.
        seconds: Wall time of the pass.
    """

    layers: dict[str, LayerPatches]
    names: tuple[str, ...]
    numbers: NDArray[np.int64]
    seen_sizes: NDArray[np.int64]
    photo_crops: NDArray[np.floating[Any]]
    photo_sizes: NDArray[np.int64]
    count: int
    network: str = ""
    problems: tuple[str, ...] = ()
    parameters: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    def __getitem__(self, layer: str) -> LayerPatches:
        if layer not in self.layers:
            raise UnknownNameError(f"No patches of a layer '{layer}'. {nearest(layer, self.layers)}")
        return self.layers[layer]

    def photo_boxes(self, layer: str) -> NDArray[np.float64]:
        """`u k 4`: the boxes in pixels of the original photos, `xyxy`; NaN where there is no patch."""
        found = self[layer]
        at = found.pictures
        there = at >= 0
        crop = self.photo_crops[np.where(there, at, 0)]  # u k 4
        size = self.seen_sizes[np.where(there, at, 0)][..., ::-1].astype(np.float64)  # u k 2, (w, h)
        scale = (crop[..., 2:] - crop[..., :2]) / size
        corners = [crop[..., :2] + found.boxes[..., i : i + 2] * scale for i in (0, 2)]
        return np.where(there[..., None], np.concatenate(corners, axis=-1), np.nan)

    def patches(self, layer: str, channel: int, *, top: int = 9) -> list[Patch]:
        """The strongest patches of one unit, ready to be drawn."""
        found = self[layer]
        unit = found.place_of(channel)
        drawn = []
        for rank in range(min(top, found.values.shape[1])):
            picture = int(found.pictures[unit, rank])
            if picture < 0:
                break
            crop = found.crops[unit, rank]
            h, w = (int(n) for n in self.seen_sizes[picture])
            box = found.boxes[unit, rank]
            if found.sight.sees in ("picture", "unknown"):
                box = np.array([0, 0, w, h])
            inside = inside_of(box, (h, w), (crop.shape[0], crop.shape[1]), found.crop_step)
            drawn.append(Patch(crop, inside, short(float(found.values[unit, rank]))))
        return drawn

    def row(self, layer: str, channel: int, *, top: int = 9) -> PatchRow:
        """One unit as a row of `draw`."""
        found = self[layer]
        unit = found.place_of(channel)
        selective = float(found.selectivity[unit])
        notes = ["never above 0"] if found.silent[unit] else []
        notes += [f"stands out by {short(selective)} σ"] if np.isfinite(selective) else ["the same for all pictures"]
        return PatchRow(f"{layer}:{channel}", notes, self.patches(layer, channel, top=top))

    def draw(
        self,
        layer: str | None = None,
        *,
        channels: Sequence[int] | None = None,
        top: int = 9,
        tile: int | None = None,
        theme: str = "light",
    ) -> NDArray[np.uint8]:
        """Rows of the strongest patches, a unit a row; below each the activation.

        Args:
            layer: Which layer; the only one by default.
            channels: Which units; by default the 12 most selective.
            top: Patches a unit.
            tile: Side of a patch's square in pixels; by default about 84, so that a small patch is enlarged by a whole
                factor.
            theme: `light` or `dark`.

        Returns:
            uint8 `H W 3`.

        Raises:
            ConfigError: Several layers and none named, or `top` below 1.
            UnknownNameError: No such layer, or a channel that was not followed.
        """
        if layer is None:
            if len(self.layers) != 1:
                raise ConfigError(f"name one of the layers to draw: {', '.join(self.layers)}.")
            (layer,) = self.layers
        if top < 1:
            raise ConfigError(f"top must be at least 1; got {top}.")
        found = self[layer]
        chosen = list(channels) if channels is not None else found.most_selective(12) or found.channels[:12].tolist()
        sentence = found.sight.sentence()
        each = int(self.parameters.get("per_image", 1))
        places = "one place" if each == 1 else f"at most {each} places"
        notes = [
            f"The strongest of {self.count:,} pictures, {places} a picture, the activation below each: {sentence}."
        ]
        if found.crop_step > 1:
            notes.append(f"One pixel of a patch is the mean of {found.crop_step} × {found.crop_step} pixels.")
        title = f"What excites {layer}" + (f" of {self.network}" if self.network else "")
        rows = [self.row(layer, channel, top=top) for channel in chosen]
        tile = tile or fitting_tile(max(found.crops.shape[2:4]))
        return draw_patch_rows(rows, title=title, notes=notes, tile=tile, theme=theme)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the arrays, as plain JSON values."""
        return {
            "network": self.network,
            "count": self.count,
            "names": list(self.names),
            "problems": list(self.problems),
            "parameters": self.parameters,
            "seconds": self.seconds,
            "layers": [
                {
                    "layer": found.layer,
                    "shape": list(found.shape),
                    "crop_step": found.crop_step,
                    "sees": found.sight.sees,
                    "field": list(found.sight.size),
                }
                for found in self.layers.values()
            ],
        }

    def save(self, path: str | Path) -> Path:
        """Write the result: `.npz` keeps everything (`load` reads it), `.json` all but the crops, `.png` draws it.

        Raises:
            ConfigError: Another ending, or several layers for one PNG.
        """
        shared = {name: getattr(self, name) for name in ("numbers", "seen_sizes", "photo_crops", "photo_sizes")}
        named = {f"{i}/{n}": a for i, one in enumerate(self.layers.values()) for n, a in one.arrays().items()}
        return save_as(
            path,
            {
                ".npz": lambda: pack_arrays(self.to_dict(), {**shared, **named}),
                ".json": lambda: json_bytes({**self._numbers(), **{n: array.tolist() for n, array in shared.items()}}),
                ".png": lambda: draw.encode_png(self.draw()),
            },
        )

    def _numbers(self) -> dict[str, Any]:
        """`to_dict` with the arrays of every layer, but for the crops."""
        values = self.to_dict()
        for facts, one in zip(values["layers"], self.layers.values(), strict=True):
            facts |= {name: array.tolist() for name, array in one.arrays().items() if name != "crops"}
        return values

    @classmethod
    def load(cls, path: str | Path) -> "TopPatches":
        """Read what `save` wrote to an `.npz`.

        Raises:
            DataError: The file is missing, damaged, or holds something else.
        """
        with saved(path, "TopPatches") as (facts, arrays):
            layers = {}
            for number, one in enumerate(facts["layers"]):
                layers[one["layer"]] = LayerPatches(
                    layer=one["layer"],
                    shape=(one["shape"][0], one["shape"][1], one["shape"][2]),
                    crop_step=one["crop_step"],
                    sight=Sight(one["sees"], (one["field"][0], one["field"][1])),
                    **{name: arrays[f"{number}/{name}"] for name in _PER_LAYER},
                )
            return cls(
                layers=layers,
                names=tuple(facts["names"]),
                problems=tuple(facts["problems"]),
                count=facts["count"],
                network=facts["network"],
                parameters=facts["parameters"],
                seconds=facts["seconds"],
                numbers=arrays["numbers"],
                seen_sizes=arrays["seen_sizes"],
                photo_crops=arrays["photo_crops"],
                photo_sizes=arrays["photo_sizes"],
            )

    def _repr_png_(self) -> bytes:
        return draw.encode_png(self.draw(next(iter(self.layers))))
