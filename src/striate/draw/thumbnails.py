"""Small square pictures, many at once: brought to one size, and laid side by side in one sheet (a sprite)."""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.errors import ShapeError

__all__ = ["resized_squares", "sprite"]


def resized_squares(thumbnails: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Thumbnails uint8 `n t t 3` as `n side side 3`; small ones are enlarged without smoothing.

    Raises:
        ShapeError: They are no square pictures.
    """
    if thumbnails.ndim != 4 or thumbnails.shape[1] != thumbnails.shape[2] or thumbnails.shape[3] != 3:
        raise ShapeError(f"thumbnails must be uint8 'n t t 3', squares; got {thumbnails.shape}.")
    if thumbnails.shape[1] == side:
        return thumbnails
    if not len(thumbnails):
        return np.zeros((0, side, side, 3), np.uint8)
    how = Image.Resampling.LANCZOS if thumbnails.shape[1] > side else Image.Resampling.NEAREST
    return np.stack([np.asarray(Image.fromarray(one).resize((side, side), how)) for one in thumbnails])


def sprite(thumbnails: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], int]:
    """All thumbnails in one nearly square sheet, row by row.

    Returns:
        uint8 `H W 3`, and the number of columns. What is left over at the end is gray.

    >>> sheet, columns = sprite(np.zeros((5, 4, 4, 3), np.uint8))
    >>> sheet.shape, columns
    ((8, 12, 3), 3)
    """
    count, side = thumbnails.shape[:2]
    columns = max(math.ceil(math.sqrt(count)), 1)
    rows = max(-(-count // columns), 1)
    sheet = np.full((rows * columns, side, side, 3), 128, np.uint8)
    sheet[:count] = thumbnails
    tall = sheet.reshape(rows, columns, side, side, 3).swapaxes(1, 2)  # rows side columns side 3
    return np.ascontiguousarray(tall.reshape(rows * side, columns * side, 3)), columns
