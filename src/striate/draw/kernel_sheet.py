"""The kernels of one layer on a sheet, each with its number, all on one scale.

Kernels over colors are pictures. A deeper kernel has a plane for each input channel: a row is a kernel, a column an
input channel. Kernels of one weight a plane are a matrix.
"""

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from striate.draw.colormap import SIGNED, limits_of
from striate.draw.font import load_font
from striate.draw.kernels import draw_kernels
from striate.draw.matrix import draw_matrix
from striate.draw.scalebar import draw_scalebar
from striate.draw.themes import theme_colors
from striate.errors import ShapeError

__all__ = ["draw_kernel_sheet"]

_MARGIN, _LINE = 36, 18


def draw_kernel_sheet(
    weights: NDArray[Any],
    *,
    channels: str = "maps",
    kernels: Sequence[int] | None = None,
    inputs: Sequence[str] | None = None,
    rows: Sequence[str] | None = None,
    title: str = "",
    notes: Sequence[str] = (),
    width: int = 1400,
    theme: str = "light",
) -> NDArray[np.uint8]:
    """The sheet, every weight a square.

    Args:
        weights: `k c h w`.
        channels: As in `draw_kernels`: `RGB` and `BGR` make color pictures.
        kernels: The kernels' numbers; counted from 0 by default.
        inputs: A heading for each input channel; counted from 0 by default.
        rows: What stands before each row of planes; the kernels' numbers by default.
        title: Above all.
        notes: Quieter lines below it.
        width: About, in pixels; tiles get larger or smaller by whole factors.
        theme: `light` or `dark`.

    Returns:
        uint8 `H W 3`.

    Raises:
        ShapeError: The weights are not `k c h w`, or there are not as many numbers or headings.
        ConfigError: An unknown theme, or a weight that is not finite.
    """
    array = np.asarray(weights, np.float64)
    if array.ndim != 4 or 0 in array.shape:
        raise ShapeError(f"weights must be 'k c h w' with at least one kernel; got shape {array.shape}.")
    k, c, h, w = array.shape
    numbers = [str(n) for n in (kernels if kernels is not None else range(k))]
    heads = list(inputs) if inputs is not None else [str(n) for n in range(c)]
    if len(numbers) != k or len(heads) != c or (rows is not None and len(rows) != k):
        raise ShapeError(
            f"numbers and headings must be as many as the weights {array.shape}; got {len(numbers)}, {len(heads)}."
        )
    colors = theme_colors(theme)
    color = c == 3 and channels in ("RGB", "BGR")
    if h == w == 1 and not color and c > 1:
        body = _matrix(array[:, :, 0, 0], width, colors)
    elif color or c == 1:
        body = _grid(draw_kernels(array, channels=channels)[:, 0], numbers, width, colors)
    else:
        body = _planes(draw_kernels(array, channels=channels), list(rows or numbers), heads, width, colors)
    head = _MARGIN + (30 if title else 0) + _LINE * len(notes) + 10
    full = max(body.width + 2 * _MARGIN, 620)
    sheet = Image.new("RGB", (full, head + body.height + _MARGIN), colors["paper"])
    pen = ImageDraw.Draw(sheet)
    pen.text((_MARGIN, _MARGIN + 6), title, colors["ink"], load_font(19.0), anchor="lm")
    for place, note in enumerate(notes):
        y = _MARGIN + (30 if title else 0) + _LINE * (place + 0.5)
        pen.text((_MARGIN, y), note, colors["quiet"], load_font(12.0), anchor="lm")
    if not color:
        bar = draw_scalebar(
            limits_of(array, signed=True),
            colormap=SIGNED,
            width=180,
            height=10,
            label="weight",
            foreground=colors["quiet"],
            background=colors["paper"],
        )
        sheet.paste(Image.fromarray(bar), (full - _MARGIN - 180, 12))
    sheet.paste(body, (_MARGIN, head))
    return np.asarray(sheet)


def _matrix(values: NDArray[np.float64], width: int, colors: dict[str, tuple[int, int, int]]) -> Image.Image:
    """Rows are kernels, columns input channels."""
    picture = Image.fromarray(draw_matrix(values, width_px=width - 2 * _MARGIN - 40, scale=False))
    body = Image.new("RGB", (picture.width + 40, picture.height + 24), colors["paper"])
    pen, font = ImageDraw.Draw(body), load_font(11.0)
    body.paste(picture, (40, 20))
    pen.text((40, 8), f"input channels 0 to {values.shape[1] - 1} →", colors["quiet"], font, anchor="lm")
    down = Image.new("RGB", (max(picture.height, 120), 16), colors["paper"])
    words = f"← kernels 0 to {values.shape[0] - 1}"
    ImageDraw.Draw(down).text((down.width, 8), words, colors["quiet"], font, anchor="rm")
    body.paste(down.rotate(90, expand=True).crop((0, 0, 16, picture.height)), (16, 20))
    return body


def _grid(
    tiles: NDArray[np.uint8], numbers: Sequence[str], width: int, colors: dict[str, tuple[int, int, int]]
) -> Image.Image:
    """One picture a kernel."""
    count, h, w = tiles.shape[:3]
    side = 96 if count <= 32 else 72 if count <= 128 else 48
    factor = max(1, round(side / max(h, w)))
    gap, label, font = 8, 15, load_font(10.0)
    wide = max(w * factor, 22)
    columns = min(count, max(1, (width - 2 * _MARGIN + gap) // (wide + gap)))
    size = (columns * (wide + gap) - gap, ceil(count / columns) * (h * factor + label + gap) - gap)
    body = Image.new("RGB", size, colors["paper"])
    pen = ImageDraw.Draw(body)
    for place, (number, tile) in enumerate(zip(numbers, tiles, strict=True)):
        left, top = place % columns * (wide + gap), place // columns * (h * factor + label + gap)
        pen.text((left, top + 6), number, colors["quiet"], font, anchor="lm")
        body.paste(_larger(tile, factor), (left, top + label))
    return body


def _planes(
    tiles: NDArray[np.uint8],
    rows: Sequence[str],
    heads: Sequence[str],
    width: int,
    colors: dict[str, tuple[int, int, int]],
) -> Image.Image:
    """A row a kernel, a column an input channel."""
    k, c, h, w = tiles.shape[:4]
    font = load_font(10.0)
    names = ceil(max(font.getlength(row) for row in rows)) + 12
    room = (width - 2 * _MARGIN - names) / c - 4
    factor = max(1, min(int(room // w), 48 // max(h, w)))
    gap = 4
    body = Image.new("RGB", (names + c * (w * factor + gap), 16 + k * (h * factor + gap)), colors["paper"])
    pen = ImageDraw.Draw(body)
    every = max(1, ceil((max(font.getlength(head) for head in heads) + 4) / (w * factor + gap)))
    for place in range(0, c, every):
        pen.text((names + place * (w * factor + gap), 6), heads[place], colors["quiet"], font, anchor="lm")
    for number, row in enumerate(rows):
        top = 16 + number * (h * factor + gap)
        pen.text((0, top + h * factor / 2), row, colors["quiet"], font, anchor="lm")
        for place in range(c):
            body.paste(_larger(tiles[number, place], factor), (names + place * (w * factor + gap), top))
    return body


def _larger(tile: NDArray[np.uint8], factor: int) -> Image.Image:
    return Image.fromarray(tile.repeat(factor, axis=0).repeat(factor, axis=1))
