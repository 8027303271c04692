"""A sheet of rows to read from left to right: one thing a row, what becomes of it in columns, words under each picture.

The first columns are set apart from the others by a wider gap with a hairline: what is, and what is made of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from striate.draw.checks import check_image
from striate.draw.font import load_font
from striate.draw.themes import theme_colors
from striate.errors import ConfigError, ShapeError

__all__ = ["Shown", "draw_row_sheet"]

_MARGIN, _GAP, _APART = 40, 16, 40
_LINE = 20


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """One picture of a row.

    Attributes:
        image: uint8 `h w 3`, any size: it is fitted into the tile, small ones in whole steps without smoothing.
        words: One line of ink below it.
        quiet: A second line, quieter.
    """

    image: NDArray[np.uint8]
    words: str = ""
    quiet: str = ""


def draw_row_sheet(
    rows: Sequence[Sequence[Shown]],
    *,
    title: str,
    notes: Sequence[str] = (),
    columns: Sequence[str] = (),
    apart: int = 0,
    tile: int = 168,
    theme: str = "light",
) -> NDArray[np.uint8]:
    """The sheet as uint8 `H W 3`.

    Args:
        rows: All of one length.
        title: Above all.
        notes: Sentences below the title; wrapped.
        columns: A heading for each column, or none.
        apart: So many first columns are set apart.
        tile: Side of the square for each picture, in pixels.
        theme: `light` or `dark`.

    Raises:
        ShapeError: No rows, or rows or headings of different lengths, or a picture that is none.
        ConfigError: `tile` below 32, or an unknown theme.
    """
    if not rows or len({len(row) for row in rows}) != 1 or not rows[0] or len(columns) not in {0, len(rows[0])}:
        raise ShapeError("rows must be rows of pictures of one length, with as many headings or none.")
    if tile < 32:
        raise ConfigError(f"tile must be at least 32 pixels; got {tile}.")
    colors = theme_colors(theme)
    large, words, small = load_font(22.0), load_font(13.0), load_font(12.0)
    count = len(rows[0])
    lefts = [_MARGIN + c * (tile + _GAP) + (_APART - _GAP if apart and c >= apart else 0) for c in range(count)]
    width = lefts[-1] + tile + _MARGIN
    lines = [line for note in notes for line in _wrapped(note, small, width - 2 * _MARGIN)]
    top = _MARGIN + 34 + _LINE * len(lines) + (_LINE + 20 if columns else 12)
    two = any(shown.quiet for row in rows for shown in row)
    height_of_row = tile + 10 + _LINE * (2 if two else 1) + 18
    sheet = Image.new("RGB", (width, top + height_of_row * len(rows) - 18 + _MARGIN), colors["paper"])
    pen = ImageDraw.Draw(sheet)
    pen.text(
        (_MARGIN, _MARGIN + 12), _fitted(title, large, width - 2 * _MARGIN), colors["ink"], font=large, anchor="lm"
    )
    for number, line in enumerate(lines):
        pen.text((_MARGIN, _MARGIN + 34 + _LINE * (number + 0.5)), line, colors["quiet"], font=small, anchor="lm")
    for left, heading in zip(lefts, columns, strict=False):
        pen.text((left, top - 14), _fitted(heading, small, tile), colors["quiet"], font=small, anchor="lm")
    if 0 < apart < count:
        x = (lefts[apart - 1] + tile + lefts[apart]) // 2
        pen.line([(x, top - _LINE - 4), (x, sheet.height - _MARGIN)], fill=colors["line"])
    for number, row in enumerate(rows):
        y = top + number * height_of_row
        for left, shown in zip(lefts, row, strict=True):
            pen.rectangle((left - 1, y - 1, left + tile, y + tile), fill=colors["pad"], outline=colors["line"])
            picture = _fit_picture(check_image(shown.image, name="image"), tile)
            sheet.paste(picture, (left + (tile - picture.width) // 2, y + (tile - picture.height) // 2))
            below = y + tile + 8 + _LINE / 2
            pen.text((left, below), _fitted(shown.words, words, tile), colors["ink"], font=words, anchor="lm")
            if shown.quiet:
                pen.text(
                    (left, below + _LINE), _fitted(shown.quiet, small, tile), colors["quiet"], font=small, anchor="lm"
                )
    return np.asarray(sheet)


def _fit_picture(image: NDArray[np.uint8], tile: int) -> Image.Image:
    """The picture as large as the tile allows; small ones by a whole factor, pixel for pixel."""
    picture = Image.fromarray(np.ascontiguousarray(image))
    longest = max(picture.size)
    if longest > tile:
        size = (max(round(side * tile / longest), 1) for side in picture.size)
        w, h = size
        return picture.resize((w, h), Image.Resampling.LANCZOS, reducing_gap=3.0)
    factor = tile // longest
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)


def _fitted(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """The text, cut with an ellipsis where it would be too wide."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"


def _wrapped(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """The text on as many lines as it takes."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
