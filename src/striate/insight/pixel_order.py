"""In which order a map ranks the pixels: from any result, and for two maps that know nothing of the network."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.errors import ConfigError, ShapeError

__all__ = ["Maps", "as_maps", "center_map", "named_maps", "pixel_order"]

Maps = Any
"""A `Heatmap`, an `InputGradient`, an array `n h w` (or `n c h w`), or a mapping from names to these."""


def as_maps(given: Any, *, count: int, size: tuple[int, int] | None = None, name: str = "maps") -> NDArray[np.float64]:
    """The numbers `n h w` of a result or an array, larger for what matters more.

    Of `n c h w` a pixel's number is the sum over channels for integrated gradients, whose parts add up, and the largest
    magnitude over channels for every other gradient and for arrays.

    Raises:
        ShapeError: Another shape, or not one map for each of `count` images of `size`.
        ConfigError: A value that is not finite.
    """
    values = np.asarray(getattr(given, "values", given))
    if values.ndim == 4:
        summed = getattr(given, "method", "") == "integrated_gradients"
        values = values.sum(1) if summed else np.abs(values).max(1)
    if values.ndim != 3 or len(values) != count or (size is not None and values.shape[1:] != size):
        wanted = f"({count}, {size[0]}, {size[1]})" if size else f"({count}, h, w)"
        raise ShapeError(f"{name} must be 'n h w' {wanted}, one for each image at its size; got {values.shape}.")
    numbers = values.astype(np.float64)
    if not np.isfinite(numbers).all():
        raise ConfigError(f"{name} must have finite values; it has NaN or infinity.")
    return numbers


def named_maps(maps: Maps, *, count: int, size: tuple[int, int]) -> dict[str, NDArray[np.float64]]:
    """Every map by its name: the mapping's key, else the result's method, else `map`."""
    given = maps if isinstance(maps, Mapping) else {str(getattr(maps, "method", "map")): maps}
    if not given:
        raise ConfigError("maps must hold at least one map; got none.")
    return {
        str(name): as_maps(one, count=count, size=size, name=f"maps['{name}']" if maps is given else "maps")
        for name, one in given.items()
    }


def pixel_order(values: NDArray[np.floating[Any]], random: np.random.Generator) -> NDArray[np.int64]:
    """The rank of every pixel of a map `h w`, flat: 0 for the largest value. Equal values are ordered by chance.

    By the place in memory, which sorting gives, equal values (Grad-CAM's zeros, a coarse map enlarged) would go from
    the top left to the bottom right, which is an opinion about the picture.

    >>> pixel_order(np.array([[1.0, 5.0, 3.0]]), np.random.default_rng(0)).tolist()
    [2, 0, 1]
    """
    flat = values.ravel()
    order = np.lexsort((random.random(flat.size), -flat))
    ranks = np.empty(flat.size, np.int64)
    ranks[order] = np.arange(flat.size)
    return ranks


def center_map(size: tuple[int, int]) -> NDArray[np.float64]:
    """A map that always points to the middle, as photographers do: minus the distance to it, in half diagonals."""
    y, x = (np.arange(side) - (side - 1) / 2 for side in size)
    distance: NDArray[np.float64] = np.hypot(y[:, None], x[None])
    return -distance / max(float(distance.max()), 1.0)
