"""A matrix as a picture: one square a number, blocks set apart by hairlines, and the scale that reads the colors.

Signed numbers take the signed map, zero white. A matrix too large for its picture is reduced by taking, of all numbers
that fall on one pixel, the one of the largest magnitude: a thin band stays visible, no number is made up, and the
words below say so.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.draw.checks import check_map
from striate.draw.colormap import SIGNED, colorize, limits_of
from striate.draw.enlarge import enlarge
from striate.draw.scalebar import draw_scalebar
from striate.draw.themes import THEMES
from striate.errors import ConfigError

__all__ = ["draw_matrix"]

_LINE = (154, 150, 142)
_GAP = 12
_NARROWEST, _WIDEST = 260, 400
"""Pixels of the scale: room for its numbers and words, and not wider than it needs."""


def draw_matrix(
    values: NDArray[Any],
    *,
    row_block: int | None = None,
    column_block: int | None = None,
    width_px: int = 900,
    largest_cell_px: int = 16,
    scale: bool = True,
) -> NDArray[np.uint8]:
    """The picture of a matrix.

    Args:
        values: Numbers, `rows columns`.
        row_block: Rows of one block (the places of one output channel); None: no lines between rows. Lines are drawn
            where a number has 3 pixels or more.
        column_block: Columns of one block (the places of one input channel).
        width_px: The matrix is at most this wide and twice as high.
        largest_cell_px: Side of the square of one number where there is room.
        scale: Whether the color bar with its numbers stands below; it is at least 260 pixels wide.

    Returns:
        uint8 `h w 3`.

    Raises:
        ShapeError: Not a matrix, or an empty one.
        ConfigError: A size below 1, or a block that does not divide.

    >>> draw_matrix(np.eye(3), largest_cell_px=4, scale=False).shape
    (12, 12, 3)
    """
    array = check_map(values, name="values")
    rows, columns = array.shape
    for name, block, whole in (("row_block", row_block, rows), ("column_block", column_block, columns)):
        if block is not None and (block < 1 or whole % block):
            raise ConfigError(f"{name} must divide the {whole} it stands for, got {block}.")
    if width_px < 1 or largest_cell_px < 1:
        raise ConfigError(f"width_px and largest_cell_px must be at least 1, got {width_px} and {largest_cell_px}.")
    cell = min(width_px // columns, 2 * width_px // rows, largest_cell_px)
    limits = limits_of(array, signed=True)
    if cell < 1:
        factor = max(-(-columns // width_px), -(-rows // (2 * width_px)))
        reduced = colorize(_strongest(array, factor), colormap=SIGNED, limits=limits)
        return _with_scale(reduced, limits, f"one pixel: the strongest of {factor}×{factor}") if scale else reduced
    picture = enlarge(colorize(array, colormap=SIGNED, limits=limits), cell)
    if cell >= 3:
        for block, axis, whole in ((row_block, 0, rows), (column_block, 1, columns)):
            for line in range(block or whole, whole, block or whole):
                cut = (slice(line * cell - 1, line * cell), slice(None))
                picture[cut if axis == 0 else cut[::-1]] = _LINE
    return _with_scale(picture, limits, "") if scale else picture


def _with_scale(picture: NDArray[np.uint8], limits: tuple[float, float], label: str) -> NDArray[np.uint8]:
    """The picture on paper, its color bar below."""
    height, width = picture.shape[:2]
    bar = draw_scalebar(limits, colormap=SIGNED, width=min(max(width, _NARROWEST), _WIDEST), label=label)
    size = (height + _GAP + bar.shape[0], max(width, bar.shape[1]), 3)
    sheet = np.full(size, THEMES["light"]["paper"], dtype=np.uint8)
    sheet[:height, :width] = picture
    sheet[height + _GAP :, : bar.shape[1]] = bar
    return sheet


def _strongest(array: NDArray[np.float64], factor: int) -> NDArray[np.float64]:
    """Of each square of `factor` x `factor` numbers the one of the largest magnitude."""
    rows, columns = (-(-n // factor) * factor for n in array.shape)
    padded = np.zeros((rows, columns))
    padded[: array.shape[0], : array.shape[1]] = array
    squares = padded.reshape(rows // factor, factor, columns // factor, factor).transpose(0, 2, 1, 3)
    numbers = squares.reshape(rows // factor, columns // factor, factor * factor)
    strongest = np.abs(numbers).argmax(axis=2)
    return np.asarray(np.take_along_axis(numbers, strongest[..., None], axis=2)[..., 0])
