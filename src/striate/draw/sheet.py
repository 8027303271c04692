"""A contact sheet with words: pictures of one size in rows, each with its name above and a note below."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from striate.draw.checks import check_image
from striate.draw.font import load_font
from striate.draw.themes import RGB, theme_colors
from striate.errors import ConfigError, ShapeError

__all__ = ["Tile", "draw_sheet"]


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """One picture of a sheet.

    Attributes:
        image: uint8 `h w 3`.
        title: Its name.
        note: What its numbers mean, where there is no scale; may be empty.
        bar: Colors of its scale from the lowest to the highest, uint8 `n 3`; None without one.
        ends: What stands at the two ends of the scale: its lowest and its highest number.
    """

    image: NDArray[np.uint8]
    title: str
    note: str = ""
    bar: NDArray[np.uint8] | None = None
    ends: tuple[str, str] = ("", "")


def draw_sheet(
    tiles: Sequence[Tile], *, columns: int | None = None, gap: int = 24, theme: str = "light"
) -> NDArray[np.uint8]:
    """Pictures in rows with their names.

    Args:
        tiles: All of one size.
        columns: Pictures in a row; by default so many that the sheet is about as wide as a page (1,500 pixels).
        gap: Pixels between pictures and around the sheet.
        theme: `light` or `dark`.

    Returns:
        uint8 `H W 3`.

    Raises:
        ShapeError: No pictures, or pictures of different sizes.
        ConfigError: `columns` below 1, `gap` below 0, or an unknown theme.
    """
    if not tiles:
        raise ShapeError("tiles must hold at least one picture; got none.")
    colors = theme_colors(theme)
    height, width, _ = check_image(tiles[0].image, name="tiles[0].image").shape
    columns = min(columns if columns is not None else max(round(1500 / (width + gap)), 1), len(tiles))
    if columns < 1 or gap < 0:
        raise ConfigError(f"columns must be at least 1 and gap at least 0; got {columns} and {gap}.")
    size = min(max(width // 20, 11), 16)
    line = round(size * 1.5)
    below = line + 8 if any(tile.bar is not None or tile.note for tile in tiles) else 0
    cell_height = line + 4 + height + below
    rows = ceil(len(tiles) / columns)
    sheet = Image.new(
        "RGB",
        (columns * (width + gap) + gap, rows * (cell_height + gap) + gap),
        colors["paper"],
    )
    pen = ImageDraw.Draw(sheet)
    name, small = load_font(float(size)), load_font(float(max(size - 3, 10)))
    for number, tile in enumerate(tiles):
        if check_image(tile.image, name=f"tiles[{number}].image").shape != (height, width, 3):
            raise ShapeError(
                f"tiles must all have one size; the first is {height} x {width}, number {number} is "
                f"{tile.image.shape[0]} x {tile.image.shape[1]}."
            )
        left = gap + number % columns * (width + gap)
        top = gap + number // columns * (cell_height + gap)
        pen.text((left, top + line / 2), _fit(tile.title, name, width), colors["ink"], font=name, anchor="lm")
        sheet.paste(Image.fromarray(tile.image), (left, top + line + 4))
        under = top + line + 4 + height
        middle = under + 6 + line / 2
        if tile.bar is not None:
            _draw_bar(
                sheet,
                pen,
                tile.bar,
                tile.ends,
                left=left,
                middle=middle,
                width=width,
                font=small,
                color=colors["quiet"],
            )
        elif tile.note:
            pen.text((left, middle), _fit(tile.note, small, width), colors["quiet"], font=small, anchor="lm")
    return np.asarray(sheet)


def _draw_bar(
    sheet: Image.Image,
    pen: ImageDraw.ImageDraw,
    bar: NDArray[np.uint8],
    ends: tuple[str, str],
    *,
    left: int,
    middle: float,
    width: int,
    font: ImageFont.FreeTypeFont,
    color: RGB,
) -> None:
    """The scale between its two numbers."""
    low, high = ends
    start = left + round(pen.textlength(low, font=font)) + 6
    end = left + width - round(pen.textlength(high, font=font)) - 6
    pen.text((left, middle), low, color, font=font, anchor="lm")
    pen.text((left + width, middle), high, color, font=font, anchor="rm")
    if end - start >= 8:
        places = np.arange(end - start) * len(bar) // (end - start)
        strip = np.broadcast_to(bar[places], (5, end - start, 3))
        sheet.paste(Image.fromarray(np.ascontiguousarray(strip)), (start, round(middle) - 2))


def _fit(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """The text, cut with an ellipsis where it would be too wide."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"
