"""Kernels as pictures: what a first layer looks for can be seen, since its inputs are the colors of a photo.

A weight of zero is mid grey. On a shared scale the largest magnitude of the whole layer reaches black or white, so that
weak kernels look weak; on a scale of their own each kernel shows its pattern, however weak.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from striate.draw.colormap import SIGNED, colorize
from striate.errors import ConfigError, ShapeError

__all__ = ["draw_kernels"]


def draw_kernels(
    weights: NDArray[Any], *, channels: str = "RGB", scale: Literal["shared", "each"] = "shared"
) -> NDArray[np.uint8]:
    """Pictures of a convolution's weights, one pixel a weight.

    Args:
        weights: `k c h w`.
        channels: What the `c` axis means: `RGB` or `BGR` (three channels, drawn as one color picture), anything else
            (each input channel is drawn by itself in the signed map, zero white).
        scale: `shared`: one scale for all kernels. `each`: every kernel fills the range.

    Returns:
        uint8 `k t h w 3`; `t` is 1 for color kernels and `c` otherwise.

    Raises:
        ShapeError: The weights are not `k c h w`, or are empty.
        ConfigError: `scale` is not one of the two, or a weight is not finite.
    """
    array = np.asarray(weights, dtype=np.float64)
    if array.ndim != 4 or 0 in array.shape:
        raise ShapeError(f"weights must be 'k c h w' with at least one kernel; got shape {array.shape}.")
    if scale not in ("shared", "each"):
        raise ConfigError(f"scale must be 'shared' or 'each'; got {scale!r}.")
    if not np.isfinite(array).all():
        raise ConfigError("weights must be finite numbers; some are infinite or not a number.")
    size = np.abs(array).max(axis=(1, 2, 3) if scale == "each" else None, keepdims=True)
    place = array / np.where(size > 0, size, 1.0)  # in [-1, 1], zero stays zero
    if array.shape[1] == 3 and channels in ("RGB", "BGR"):
        place = place[:, ::-1] if channels == "BGR" else place
        return np.rint(127.5 + 127.5 * place).astype(np.uint8).transpose(0, 2, 3, 1)[:, None]
    k, c, h, w = array.shape
    return colorize(place.reshape(k * c * h, w), colormap=SIGNED, limits=(-1.0, 1.0)).reshape(k, c, h, w, 3)
