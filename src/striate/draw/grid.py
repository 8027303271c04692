"""Contact sheets: many pictures of one size in rows, with gaps."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from striate.draw.checks import check_image
from striate.errors import ConfigError, ShapeError

__all__ = ["grid"]


def grid(
    images: Sequence[NDArray[np.uint8]] | NDArray[np.uint8],
    *,
    columns: int | None = None,
    gap: int = 1,
    background: tuple[int, int, int] = (255, 255, 255),
) -> NDArray[np.uint8]:
    """Pictures side by side, row by row.

    Args:
        images: uint8 `h w 3`, all of one size (an array `n h w 3` also does).
        columns: Pictures in a row; by default as near to a square as their number allows.
        gap: Pixels of background between pictures; there is none around the sheet.
        background: RGB of the gaps and of the places left over in the last row.

    Returns:
        uint8 `H W 3`.

    Raises:
        ShapeError: There are no pictures, or they differ in size.
        ConfigError: `columns` is below 1 or `gap` below 0.
    """
    if len(images) == 0:
        raise ShapeError("images must hold at least one picture; got none.")
    height, width, _ = check_image(images[0], name="images[0]").shape
    if columns is None:
        columns = math.ceil(math.sqrt(len(images)))
    if columns < 1 or gap < 0:
        raise ConfigError(f"columns must be at least 1 and gap at least 0; got {columns} and {gap}.")
    columns = min(columns, len(images))
    rows = math.ceil(len(images) / columns)
    sheet = np.empty((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), np.uint8)
    sheet[:] = background
    for index, image in enumerate(images):
        if check_image(image, name=f"images[{index}]").shape != (height, width, 3):
            raise ShapeError(
                f"images must all have one size; images[0] is {height} x {width}, "
                f"images[{index}] is {image.shape[0]} x {image.shape[1]}."
            )
        y, x = (index // columns) * (height + gap), (index % columns) * (width + gap)
        sheet[y : y + height, x : x + width] = image
    return sheet
