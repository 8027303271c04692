"""The pointing game: does the highest point of a map lie on the object?

    hit         some pixel of the object is nearer than the tolerance to the map's highest point
    accuracy    mean over classes of  hits / (hits + misses)

Large objects in the middle are hit by anything, so the same is asked of the picture's middle, and of a point at random.

Source: Zhang, Lin, Brandt, Shen, Sclaroff 2016, "Top-down neural attention by excitation backprop", arXiv:1608.00507,
section 4.1 (tolerance 15 px). TorchRay's `pointing_game.py` is the reference implementation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from striate import draw
from striate.errors import ConfigError, ShapeError
from striate.insight.pixel_order import as_maps
from striate.insight.store import json_bytes, pack_arrays, save_as, saved

__all__ = ["PointingGame", "boxes_in_view", "pointing_game"]

Label = int | str


@dataclass(frozen=True)
class PointingGame:
    """Who hit what.

    Attributes:
        values: `n`, bool: whether each map's highest point hit its object.
        points: `n 2`: row and column of the highest points.
        labels: The class of each map.
        center: `n`, bool: whether the picture's middle would have hit.
        chance: `n`: the share of the picture whose points would have hit.
        regions: `n h w`, bool: the objects.
        tolerance: In pixels.
    """

    values: NDArray[np.bool_]
    points: NDArray[np.int64]
    labels: tuple[Label, ...]
    center: NDArray[np.bool_]
    chance: NDArray[np.float64]
    regions: NDArray[np.bool_]
    tolerance: float

    @property
    def class_accuracies(self) -> dict[Label, float]:
        """Share of hits of each class that occurs."""
        return self._by_class(self.values)

    @property
    def accuracy(self) -> float:
        """The mean of the classes' shares of hits."""
        return _mean(self.class_accuracies)

    @property
    def center_accuracy(self) -> float:
        """The same for the middle of every picture."""
        return _mean(self._by_class(self.center))

    @property
    def chance_accuracy(self) -> float:
        """The same for a point at random."""
        return _mean(self._by_class(self.chance))

    def _by_class(self, values: NDArray[Any]) -> dict[Label, float]:
        names = dict.fromkeys(self.labels)
        held = np.array([list(names).index(label) for label in self.labels])
        return {name: float(values[held == i].mean()) for i, name in enumerate(names)}

    def draw(self, photos: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Each photo (uint8 `n h w 3`, of the maps' size) with its object outlined and the point marked: `n h w 3`.

        Raises:
            ShapeError: Photos that are not as many, or of another size.
        """
        if photos.shape != (*self.regions.shape, 3):
            raise ShapeError(f"photos must have the maps' size {(*self.regions.shape, 3)}; got {photos.shape}.")
        drawn = []
        for photo, region, (y, x) in zip(photos, self.regions, self.points, strict=True):
            picture = draw.draw_outline(photo, region, dim=0.35)
            rows, columns = np.mgrid[: photo.shape[0], : photo.shape[1]]
            distance, size = np.hypot(rows - y, columns - x), max(3.0, min(photo.shape[:2]) / 60)
            picture[distance <= size + 1.5] = 255
            picture[distance <= size] = (23, 24, 26)
            drawn.append(picture)
        return np.stack(drawn)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the regions, as plain JSON values."""
        return {
            "accuracy": self.accuracy,
            "center_accuracy": self.center_accuracy,
            "chance_accuracy": self.chance_accuracy,
            "classes": [[label, share] for label, share in self.class_accuracies.items()],
            "hits": self.values.tolist(),
            "points": self.points.tolist(),
            "labels": list(self.labels),
            "center": self.center.tolist(),
            "chance": self.chance.tolist(),
            "tolerance": self.tolerance,
        }

    def save(self, path: str | Path) -> Path:
        """Write it: `.npz` keeps all (`load` reads it), `.json` all but the regions.

        Raises:
            ConfigError: Another ending.
        """
        return save_as(
            path,
            {
                ".npz": lambda: pack_arrays(self.to_dict(), {"regions": self.regions}),
                ".json": lambda: json_bytes(self.to_dict()),
            },
        )

    @classmethod
    def load(cls, path: str | Path) -> "PointingGame":
        """Read what `save` wrote to an `.npz`.

        Raises:
            DataError: The file is missing, damaged, or holds something else.
        """
        with saved(path, "PointingGame") as (settings, arrays):
            regions = arrays["regions"]
            return cls(
                values=np.array(settings["hits"], dtype=np.bool_),
                points=np.array(settings["points"], dtype=np.int64),
                labels=tuple(settings["labels"]),
                center=np.array(settings["center"], dtype=np.bool_),
                chance=np.array(settings["chance"], dtype=np.float64),
                regions=regions,
                tolerance=settings["tolerance"],
            )


def pointing_game(
    maps: Any,
    regions: Sequence[Any] | NDArray[Any],
    *,
    labels: Sequence[Label] | None = None,
    tolerance: float = 15.0,
) -> PointingGame:
    """How often the highest point of a map lies on the object that it is about.

    Args:
        maps: A `Heatmap`, an `InputGradient` or an array `n h w`: one map for each picture and class asked about.
        regions: For each map, all objects of its class: boxes `m 4` (`x0 y0 x1 y1` in pixels of the map, ends not
            included), or a mask, bool `h w`. Boxes in the pixels of the photo go through `boxes_in_view` first.
        labels: The class of each map, for the mean over classes; by default the targets of the maps, or one class for
            all where there are none.
        tolerance: A point that is nearer than this many pixels to the object hits it; 0: only a point on it. For
            pictures much smaller than 224 px, take a smaller one than the paper's 15.

    Returns:
        Hits, and what the middle and chance would have hit.

    Raises:
        ShapeError: Not one region for each map, or a region that is neither boxes nor a mask of the map's size.
        ConfigError: An object without a pixel in the picture, or a negative tolerance.

    Source:
        Zhang et al. 2016, arXiv:1608.00507, section 4.1; TorchRay for the rule.

    Differs:
        The mean is over the classes that occur; TorchRay counts the others as 0.

    >>> heat = np.zeros((1, 60, 60))
    >>> heat[0, 20, 40] = 1
    >>> [pointing_game(heat, [[(0, 0, right, 30)]]).accuracy for right in (30, 26, 25)]
    [1.0, 0.0, 0.0]
    """
    numbers = np.asarray(getattr(maps, "values", maps))
    values = as_maps(maps, count=len(numbers))
    if tolerance < 0:
        raise ConfigError(f"tolerance must be 0 pixels or more; got {tolerance}.")
    if len(regions) != len(values):
        raise ShapeError(f"regions must be one for each of the {len(values)} maps; got {len(regions)}.")
    names = labels if labels is not None else getattr(maps, "target", None) or (0,) * len(values)
    if len(names) != len(values):
        raise ShapeError(f"labels must be one for each of the {len(values)} maps; got {len(names)}.")
    size = (values.shape[1], values.shape[2])
    masks = np.stack([_mask(region, size, index) for index, region in enumerate(regions)])
    points = np.stack(np.unravel_index(values.reshape(len(values), -1).argmax(1), size), axis=1).astype(np.int64)
    near = np.stack([_near(mask, tolerance) for mask in masks])
    each = np.arange(len(values))
    return PointingGame(
        values=near[each, points[:, 0], points[:, 1]],
        points=points,
        labels=tuple(names),
        center=near[:, size[0] // 2, size[1] // 2],
        chance=near.mean((1, 2)),
        regions=masks,
        tolerance=float(tolerance),
    )


def boxes_in_view(boxes: Any, crop: tuple[float, float, float, float], size: tuple[int, int]) -> NDArray[np.float64]:
    """Boxes `m 4` of a photo in the pixels that a network saw of it.

    Args:
        boxes: `x0 y0 x1 y1` in pixels of the photo.
        crop: The part that the network saw, as `data.View` has it.
        size: Height and width of what it saw.

    >>> boxes_in_view([(100, 50, 300, 150)], (100.0, 0.0, 500.0, 400.0), (200, 200)).tolist()
    [[0.0, 25.0, 100.0, 75.0]]
    """
    given = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    x0, y0, x1, y1 = crop
    scale = np.array([size[1] / (x1 - x0), size[0] / (y1 - y0)] * 2)
    moved: NDArray[np.float64] = (given - np.array([x0, y0, x0, y0])) * scale
    return moved


def _mask(region: Any, size: tuple[int, int], index: int) -> NDArray[np.bool_]:
    given = np.asarray(region)
    if given.dtype == np.bool_ and given.shape == size:
        mask: NDArray[np.bool_] = given
    elif given.ndim == 2 and given.shape[1] == 4 and given.dtype != np.bool_:
        mask = np.zeros(size, np.bool_)
        for x0, y0, x1, y1 in given.astype(np.float64):
            left, top = max(int(np.floor(x0)), 0), max(int(np.floor(y0)), 0)
            mask[top : max(int(np.ceil(y1)), 0), left : max(int(np.ceil(x1)), 0)] = True
    else:
        raise ShapeError(
            f"regions[{index}] must be boxes 'm 4' or a bool mask of the map's size {size}; got {given.dtype} with "
            f"shape {given.shape}."
        )
    if not mask.any():
        raise ConfigError(
            f"regions[{index}] has no pixel in the picture, so that nothing could hit it. Leave this map out."
        )
    return mask


def _near(mask: NDArray[np.bool_], tolerance: float) -> NDArray[np.bool_]:
    """The points that would hit: on the object, or nearer to one of its pixels than the tolerance."""
    distance = ndimage.distance_transform_edt(~mask)
    near: NDArray[np.bool_] = mask | (np.rint(distance**2) < tolerance**2)
    return near


def _mean(shares: dict[Label, float]) -> float:
    return float(np.mean(list(shares.values())))
