"""All channels of one layer on a sheet: every map with its number, one scale for all of them."""

from collections.abc import Sequence
from math import ceil

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from striate.draw.colormap import SIGNED, UNSIGNED, colorize, limits_of
from striate.draw.font import load_font
from striate.draw.scalebar import draw_scalebar
from striate.draw.themes import theme_colors
from striate.errors import ConfigError, ShapeError

__all__ = ["draw_channels"]

_MARGIN, _LABEL = 32, 15


def draw_channels(
    maps: NDArray[np.floating],
    *,
    channels: Sequence[int] | None = None,
    title: str = "",
    note: str = "",
    unit: str = "activation",
    limits: tuple[float, float] | None = None,
    width: int = 1500,
    theme: str = "light",
) -> NDArray[np.uint8]:
    """The maps side by side, each enlarged by the same whole factor, pixel for pixel; large ones are not made smaller.

    Args:
        maps: `c h w`, finite.
        channels: Their numbers; counted from 0 by default.
        title: What stands above, such as the layer's address.
        note: A quieter line below it.
        unit: What a value is, for the scale.
        limits: Values of the first and the last color; by default `(0, max)`, or symmetric where a value is below zero
            (then in the signed map).
        width: Of the sheet, about; wider where one map is.
        theme: `light` or `dark`.

    Returns:
        uint8 `H W 3`.

    Raises:
        ShapeError: The maps are not `c h w`, or their numbers are not as many.
        ConfigError: The limits are not finite and ascending, or an unknown theme.
    """
    array = np.asarray(maps)
    if array.ndim != 3 or 0 in array.shape:
        raise ShapeError(f"maps must be 'c h w' with at least one value; got shape {array.shape}.")
    numbers = list(channels) if channels is not None else list(range(len(array)))
    if len(numbers) != len(array):
        raise ShapeError(f"channels must have one number for each of the {len(array)} maps; got {len(numbers)}.")
    if width < 320:
        raise ConfigError(f"width must be at least 320 pixels; got {width}.")
    colors = theme_colors(theme)
    signed = bool(limits[0] < 0 if limits is not None else (array < 0).any())
    low_high = limits if limits is not None else limits_of(array, signed=signed)
    colormap = SIGNED if signed else UNSIGNED
    count, h, w = array.shape
    factor = max(1, round(_tile_side(count) / max(h, w)))
    name = load_font(10.0)
    wide = max(w * factor, round(name.getlength(str(max(numbers)))) + 2)
    gap = max(4, min(10, w * factor // 10))
    columns = min(count, max(1, (width - 2 * _MARGIN + gap) // (wide + gap)))
    rows = ceil(count / columns)
    head = 66 if title else 44
    full = max(columns * (wide + gap) - gap, 420)
    sheet = Image.new(
        "RGB",
        (2 * _MARGIN + full, _MARGIN + head + rows * (h * factor + _LABEL + gap) - gap + _MARGIN),
        colors["paper"],
    )
    pen = ImageDraw.Draw(sheet)
    if title:
        pen.text((_MARGIN, _MARGIN + 8), title, colors["ink"], load_font(19.0), anchor="lm")
    pen.text((_MARGIN, _MARGIN + (34 if title else 8)), note, colors["quiet"], load_font(12.0), anchor="lm")
    bar = draw_scalebar(
        low_high,
        colormap=colormap,
        width=200,
        height=10,
        label=unit,
        foreground=colors["quiet"],
        background=colors["paper"],
    )
    sheet.paste(Image.fromarray(bar), (_MARGIN + full - 200, _MARGIN - 4))
    for place, (number, values) in enumerate(zip(numbers, array, strict=True)):
        left = _MARGIN + place % columns * (wide + gap)
        top = _MARGIN + head + place // columns * (h * factor + _LABEL + gap)
        pen.text((left, top + _LABEL / 2 - 1), str(number), colors["quiet"], name, anchor="lm")
        picture = colorize(values, colormap=colormap, limits=low_high).repeat(factor, 0).repeat(factor, 1)
        sheet.paste(Image.fromarray(picture), (left, top + _LABEL))
    return np.asarray(sheet)


def _tile_side(count: int) -> int:
    """About how large a tile shall be: few channels are shown large."""
    return 160 if count <= 16 else 112 if count <= 64 else 84 if count <= 256 else 64
