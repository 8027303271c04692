"""The rules that every picture function holds its input to."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.errors import ShapeError

__all__ = ["check_image", "check_map"]


def check_image(image: NDArray[Any], *, name: str) -> NDArray[np.uint8]:
    """The image itself, if it is uint8 `h w 3` with at least one pixel.

    Raises:
        ShapeError: It is anything else.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ShapeError(f"{name} must be a uint8 picture 'h w 3'; got {image.dtype} with shape {image.shape}.")
    return image


def check_map(values: NDArray[Any], *, name: str) -> NDArray[np.float64]:
    """The map in float64, if it is `h w` with at least one value.

    Raises:
        ShapeError: It has other axes or none of its values.
    """
    if values.ndim != 2 or 0 in values.shape:
        raise ShapeError(f"{name} must be a map 'h w'; got shape {values.shape}.")
    return np.asarray(values, dtype=np.float64)
