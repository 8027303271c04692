"""A map laid over its photo so that both stay readable: light and shade from the photo, hue from the map.

Blending a heat map over a photo hides the photo where the map is strong and muddies the map's colors everywhere. Here
each pixel is taken apart in OKLab: the two color axes come from the map alone, lightness from the photo, moved towards
the map's own lightness by `SHARE`. Without that share the brightest color of a map (the pale yellow of `inferno`) turns
olive on a dark photo and no longer reads as the strongest.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.draw.checks import check_image
from striate.draw.colormap import UNSIGNED, colorize
from striate.draw.oklab import from_oklab, to_oklab
from striate.errors import ConfigError, ShapeError

__all__ = ["LIGHTNESS", "SHARE", "overlay"]

LIGHTNESS = (0.10, 0.95)
"""The photo's lightness 0…1 is squeezed into this range, inside which a screen can show color."""
SHARE = 0.45
"""How much of the lightness is the map's; the rest is the photo's."""


def overlay(
    photo: NDArray[np.uint8],
    values: NDArray[Any],
    *,
    colormap: str = UNSIGNED,
    limits: tuple[float, float] | None = None,
    opacity: float = 1.0,
) -> NDArray[np.uint8]:
    """The photo, tinted by a map of the same size.

    Args:
        photo: uint8 `h w 3`.
        values: Numbers, `h w`.
        colormap: As in `colorize`; its first (or, if it diverges, middle) color should be a neutral one.
        limits: As in `colorize`.
        opacity: 0 is the photo untouched, 1 all color from the map, between them a blend of these two.

    Returns:
        uint8 `h w 3`.

    Raises:
        ShapeError: The photo is not uint8 `h w 3`, or the map has another size.
        ConfigError: The opacity is outside [0, 1], or the limits are wrong.
    """
    check_image(photo, name="photo")
    if values.shape != photo.shape[:2]:
        raise ShapeError(f"values must have the photo's size {photo.shape[:2]}; got {values.shape}.")
    if not 0.0 <= opacity <= 1.0:
        raise ConfigError(f"opacity must be between 0 and 1; got {opacity}.")
    tinted = to_oklab(colorize(values, colormap=colormap, limits=limits))
    low, high = LIGHTNESS
    shade = low + (high - low) * to_oklab(photo)[..., 0]
    tinted[..., 0] = (1.0 - SHARE) * shade + SHARE * tinted[..., 0]
    blend = (1.0 - opacity) * photo + opacity * from_oklab(tinted)
    return np.rint(blend).astype(np.uint8)
