"""Numbers to colors: a value's place between two limits picks one of 256 colors.

Unsigned maps (saliency, activations) use `inferno`, which is perceptually uniform, readable by the color-blind and in
grey; signed maps use `RdBu_r` with limits symmetric about zero, so that zero is always the neutral middle.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.draw.checks import check_map
from striate.errors import ConfigError, UnknownNameError, nearest

__all__ = ["MISSING", "SIGNED", "UNSIGNED", "colorize", "colormap_table", "limits_of"]

UNSIGNED = "inferno"
SIGNED = "RdBu_r"
MISSING = (128, 128, 128)
"""Color of values that are not finite: a mid grey that neither map contains."""


@lru_cache(maxsize=16)
def colormap_table(name: str) -> NDArray[np.uint8]:
    """The 256 colors of one of matplotlib's maps: uint8 `256 3`, read-only.

    Raises:
        UnknownNameError: matplotlib has no map of this name.
    """
    from matplotlib import colormaps  # not pyplot: no figure, no backend, no state

    if name not in colormaps:
        raise UnknownNameError(f"No colormap named {name!r}. {nearest(name, sorted(colormaps))}")
    table: NDArray[np.uint8] = np.rint(colormaps[name](np.linspace(0.0, 1.0, 256))[:, :3] * 255.0).astype(np.uint8)
    table.setflags(write=False)
    return table


def limits_of(values: NDArray[Any], *, signed: bool, percentile: float = 100.0) -> tuple[float, float]:
    """Limits for `colorize` that fit these values.

    Args:
        values: Any shape; values that are not finite are left out.
        signed: True gives `(-m, m)`, False gives `(0, m)`.
        percentile: `m` is this percentile of the magnitudes, so that a few outliers do not turn the rest black; 100
            takes the largest. Say so beside the picture where it is less.

    Returns:
        The limits; `m` is 1 where there is nothing above zero, so that an empty map is drawn empty.

    Raises:
        ConfigError: The percentile is outside (0, 100].
    """
    if not 0.0 < percentile <= 100.0:
        raise ConfigError(f"percentile must be above 0 and at most 100; got {percentile}.")
    array = np.asarray(values, dtype=np.float64)
    array = array[np.isfinite(array)]
    size = np.abs(array) if signed else np.maximum(array, 0.0)
    top = float(np.percentile(size, percentile)) if size.size else 0.0
    if top == 0.0 and size.size:
        top = float(size.max())  # so sparse that the percentile is zero
    top = top or 1.0
    return (-top if signed else 0.0, top)


def colorize(
    values: NDArray[Any], *, colormap: str = UNSIGNED, limits: tuple[float, float] | None = None
) -> NDArray[np.uint8]:
    """Colors for a map of numbers.

    Args:
        values: Numbers, `h w`.
        colormap: The name of one of matplotlib's maps.
        limits: The values that get the first and the last color; by default `(0, max)`. Values outside take the color
            of the nearer limit.

    Returns:
        uint8 `h w 3`. Values that are not finite are mid grey (`MISSING`).

    Raises:
        ShapeError: `values` is not `h w`.
        ConfigError: The limits are not finite and ascending.
        UnknownNameError: No such colormap.

    >>> colorize(np.array([[0.0, 1.0]]), colormap="gray").tolist()
    [[[0, 0, 0], [255, 255, 255]]]
    """
    array = check_map(values, name="values")
    low, high = limits_of(array, signed=False) if limits is None else limits
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise ConfigError(f"limits must be two finite numbers, the lower first; got ({low}, {high}).")
    finite = np.isfinite(array)
    place = np.clip((np.where(finite, array, low) - low) / (high - low), 0.0, 1.0)
    picture = colormap_table(colormap)[np.minimum((place * 256.0).astype(np.intp), 255)]
    picture[~finite] = MISSING
    return picture
