"""A sheet over depth: what is known above, then one row a layer with its numbers at the left and its pictures beside.

All pictures of a column stand exactly under each other and under the photo, so that the eye can compare places.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from striate.draw.checks import check_image
from striate.draw.font import load_font
from striate.draw.themes import RGB, theme_colors
from striate.errors import ConfigError, ShapeError

__all__ = ["DepthRow", "draw_depth_sheet"]

_MARGIN, _GAP, _LINE, _WORDS = 40, 12, 20, 216


@dataclass(frozen=True, slots=True, eq=False)
class DepthRow:
    """One layer.

    Attributes:
        title: Its name.
        facts: Lines of name and number.
        pictures: uint8 `h w 3`, all of the photo's size; None leaves a place empty.
        last: A map for the column that is set apart, or None.
    """

    title: str
    facts: Sequence[tuple[str, str]]
    pictures: Sequence[NDArray[np.uint8] | None]
    last: NDArray[np.uint8] | None = None


def draw_depth_sheet(
    photo: NDArray[np.uint8],
    rows: Sequence[DepthRow],
    *,
    title: str,
    notes: Sequence[str] = (),
    columns: Sequence[str] = (),
    last_column: str = "",
    tile: int = 0,
    theme: str = "light",
) -> NDArray[np.uint8]:
    """The sheet as uint8 `H W 3`.

    Args:
        photo: uint8 `h w 3`.
        rows: From the shallowest to the deepest layer, each with as many pictures.
        title: Above all.
        notes: Sentences beside the photo; wrapped.
        columns: What stands over each column of pictures.
        last_column: What stands over the maps.
        tile: Longer side of a picture in pixels; by default that of the photo, between 128 and 224. Smaller pictures
            are enlarged in whole steps, without smoothing.
        theme: `light` or `dark`.

    Raises:
        ShapeError: No rows, rows of different lengths, or pictures of another size than the photo.
        ConfigError: `tile` below 32, or an unknown theme.
    """
    colors = theme_colors(theme)
    height, width, _ = check_image(photo, name="photo").shape
    count = len(rows[0].pictures) if rows else 0
    if not count or any(len(row.pictures) != count for row in rows) or len(columns) not in (0, count):
        raise ShapeError("rows must be one or more, with as many pictures each as there are columns.")
    longest = max(height, width)
    wanted = tile or min(max(longest, 128), 224)
    if wanted < 32:
        raise ConfigError(f"tile must be at least 32 pixels; got {tile}.")
    scale = wanted / longest if wanted < longest else max(wanted // longest, 1)
    tile_w, tile_h = max(round(width * scale), 1), max(round(height * scale), 1)
    maps = any(row.last is not None for row in rows)
    left = _MARGIN + _WORDS
    lefts = [left + number * (tile_w + _GAP) for number in range(count)]
    map_left = lefts[-1] + tile_w + 2 * _GAP
    right = (map_left if maps else lefts[-1]) + tile_w
    large, bold, small = load_font(22.0), load_font(14.0), load_font(12.0)
    # The sentences stand right of the photo where there is room, else below it.
    beside = lefts[0] + tile_w + 2 * _GAP
    start, room = (beside, right - beside) if right - beside >= 260 else (_MARGIN, right - _MARGIN)
    lines = [line for note in notes for line in [*_wrapped(note, small, room), ""]][:-1]
    top = _MARGIN + 44
    words_top = top if start == beside else top + tile_h + 16
    head = max(top + tile_h, words_top + _LINE * len(lines)) + 28
    below = 30 if columns or last_column else 0
    step = max(tile_h, 24 + _LINE * max(len(row.facts) for row in rows)) + 22
    sheet = Image.new("RGB", (right + _MARGIN, head + below + step * len(rows) - 22 + _MARGIN), colors["paper"])
    pen = ImageDraw.Draw(sheet)
    pen.text((_MARGIN, _MARGIN + 12), _fitted(title, large, right - _MARGIN), colors["ink"], font=large, anchor="lm")
    pen.text((_MARGIN, top + 8), "photo", colors["ink"], font=bold, anchor="lm")
    pen.text((_MARGIN, top + 30), f"{width} × {height} px", colors["quiet"], font=small, anchor="lm")
    _paste(sheet, photo, (lefts[0], top), (tile_w, tile_h))
    for number, line in enumerate(lines):
        pen.text((start, words_top + _LINE * (number + 0.5)), line, colors["quiet"], font=small, anchor="lm")
    for x, heading in zip([*lefts, map_left], [*columns, last_column] if columns else [""] * count, strict=False):
        pen.text((x, head + 8), _fitted(heading, small, tile_w), colors["quiet"], font=small, anchor="lm")
    for number, row in enumerate(rows):
        y = head + below + number * step
        pen.line([(_MARGIN, y - 11), (right, y - 11)], fill=colors["line"])
        _words(pen, row, y, fonts=(bold, small), colors=colors)
        for x, picture in zip([*lefts, map_left], [*row.pictures, row.last], strict=True):
            if picture is not None:
                if check_image(picture, name="picture").shape != (height, width, 3):
                    raise ShapeError(f"pictures must have the photo's size, {height} × {width}; got {picture.shape}.")
                _paste(sheet, picture, (x, y), (tile_w, tile_h))
    return np.asarray(sheet)


def _words(
    pen: ImageDraw.ImageDraw,
    row: DepthRow,
    y: int,
    *,
    fonts: tuple[ImageFont.FreeTypeFont, ImageFont.FreeTypeFont],
    colors: dict[str, RGB],
) -> None:
    bold, small = fonts
    pen.text((_MARGIN, y + 8), _fitted(row.title, bold, _WORDS - 24), colors["ink"], font=bold, anchor="lm")
    for line, (name, value) in enumerate(row.facts):
        middle = y + 32 + _LINE * line
        pen.text((_MARGIN, middle), name, colors["quiet"], font=small, anchor="lm")
        pen.text((_MARGIN + _WORDS - 24, middle), value, colors["ink"], font=small, anchor="rm")


def _paste(sheet: Image.Image, image: NDArray[np.uint8], at: tuple[int, int], size: tuple[int, int]) -> None:
    picture = Image.fromarray(np.ascontiguousarray(image))
    larger = size[0] > picture.width
    sheet.paste(picture.resize(size, Image.Resampling.NEAREST if larger else Image.Resampling.LANCZOS), at)


def _fitted(text: str, font: ImageFont.FreeTypeFont, width: float) -> str:
    """The text, cut with an ellipsis where it would be too wide."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"


def _wrapped(text: str, font: ImageFont.FreeTypeFont, width: float) -> list[str]:
    """The text on as many lines as it takes."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
