"""Receptive fields on paper and in effect, side by side: a map with two outlines a layer."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from striate.draw.checks import check_map
from striate.draw.colormap import colorize
from striate.draw.font import load_font
from striate.draw.themes import theme_colors
from striate.errors import ShapeError

__all__ = ["FieldTile", "draw_field_tiles"]

_MARGIN, _GAP, _LINE, _SIDE = 36, 24, 16, 240


@dataclass(frozen=True, slots=True, eq=False)
class FieldTile:
    """One layer.

    Attributes:
        values: `h w`, one number a pixel of the picture.
        box: `xyxy` of the first outline, in pixels of the map; it may reach beyond.
        square: `xyxy` of the second, in the accent color.
        title: Above the map.
        notes: Lines below it.
    """

    values: NDArray[Any]
    box: tuple[float, float, float, float]
    square: tuple[float, float, float, float]
    title: str
    notes: Sequence[str] = ()


def draw_field_tiles(
    tiles: Sequence[FieldTile], *, title: str = "", note: str = "", theme: str = "light", width: int = 1400
) -> NDArray[np.uint8]:
    """The maps in rows, each on a scale of its own from 0: uint8 `H W 3`.

    Raises:
        ShapeError: No tiles, or one that is no map.
        ConfigError: An unknown theme.
    """
    if not tiles:
        raise ShapeError("tiles must hold at least one map; got none.")
    colors = theme_colors(theme)
    columns = max(1, min(len(tiles), (width - 2 * _MARGIN + _GAP) // (_SIDE + _GAP)))
    lines = max(len(tile.notes) for tile in tiles)
    cell = _SIDE + 24 + _LINE * lines + _GAP
    head = _MARGIN + (34 if title else 0) + (24 if note else 0)
    full = max(columns * (_SIDE + _GAP) - _GAP, 520)
    small, words = load_font(11.0), load_font(13.0)
    notes = _wrapped(note, full, load_font(12.0)) if note else []
    head += _LINE * max(len(notes) - 1, 0)
    sheet = Image.new(
        "RGB", (full + 2 * _MARGIN, head + ceil(len(tiles) / columns) * cell - _GAP + _MARGIN), colors["paper"]
    )
    pen = ImageDraw.Draw(sheet)
    if title:
        pen.text((_MARGIN, _MARGIN + 8), title, colors["ink"], load_font(20.0), anchor="lm")
    for place, line in enumerate(notes):
        y = _MARGIN + (34 if title else 0) + _LINE * place
        pen.text((_MARGIN, y), line, colors["quiet"], load_font(12.0), anchor="lm")
    for place, tile in enumerate(tiles):
        left, top = _MARGIN + place % columns * (_SIDE + _GAP), head + place // columns * cell
        pen.text((left, top + 8), tile.title, colors["ink"], words, anchor="lm")
        sheet.paste(_tile(tile, colors), (left, top + 20))
        for number, line in enumerate(tile.notes):
            pen.text((left, top + _SIDE + 30 + _LINE * number), line, colors["quiet"], small, anchor="lm")
    return np.asarray(sheet)


def _tile(tile: FieldTile, colors: dict[str, tuple[int, int, int]]) -> Image.Image:
    """The part of the map around the first outline, or all of it, as large as the square allows."""
    values = check_map(tile.values, name="values")
    h, w = values.shape
    top, bottom = _around(tile.box[1], tile.box[3], h)
    left, right = _around(tile.box[0], tile.box[2], w)
    part = values[top:bottom, left:right]
    scale = _SIDE / max(part.shape)
    size = (max(round(part.shape[1] * scale), 1), max(round(part.shape[0] * scale), 1))
    how = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.BOX
    colored = colorize(part, limits=(0.0, float(values.max()) or 1.0))
    ground = Image.new("RGB", (_SIDE, _SIDE), colors["pad"])
    ground.paste(Image.fromarray(colored).resize(size, how), (0, 0))
    pen = ImageDraw.Draw(ground)
    for box, color, thick in ((tile.box, (255, 255, 255), 1), (tile.square, (224, 147, 90), 2)):
        x0, y0, x1, y1 = (round((edge - (left, top)[i % 2]) * scale) for i, edge in enumerate(box))
        pen.rectangle((x0, y0, x1 - 1, y1 - 1), outline=color, width=thick)
    return ground


def _around(low: float, high: float, extent: int) -> tuple[int, int]:
    """A run of pixels with some room on both sides of an outline, inside the picture."""
    room = max(2, round(0.15 * (high - low)))
    first, end = max(int(low) - room, 0), min(int(high) + room, extent)
    return (first, end) if first < end else (0, extent)


def _wrapped(text: str, width: int, font: Any) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
