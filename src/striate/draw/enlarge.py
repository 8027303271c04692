"""Larger pixels, nothing between them: a 7 x 7 map stays a 7 x 7 map when it is drawn large."""

import numpy as np
from numpy.typing import NDArray

from striate.draw.checks import check_image
from striate.errors import ConfigError

__all__ = ["enlarge"]


def enlarge(image: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Every pixel becomes a square of `factor` x `factor` pixels (nearest neighbor).

    Raises:
        ShapeError: `image` is not uint8 `h w 3`.
        ConfigError: `factor` is below 1.

    >>> enlarge(np.zeros((2, 3, 3), np.uint8), 4).shape
    (8, 12, 3)
    """
    check_image(image, name="image")
    if factor < 1:
        raise ConfigError(f"factor must be a whole number of at least 1; got {factor}.")
    return image.repeat(factor, axis=0).repeat(factor, axis=1)
