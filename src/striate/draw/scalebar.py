"""A color bar with its numbers: no map without the scale that reads it."""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from striate.draw.colormap import UNSIGNED, colormap_table
from striate.draw.font import load_font
from striate.draw.themes import RGB, THEMES
from striate.errors import ConfigError

__all__ = ["draw_scalebar", "format_tick"]


def format_tick(value: float, step: float) -> str:
    """A finite number with as many decimals as a scale of this step needs, and a true minus sign.

    >>> format_tick(0.25, 0.25), format_tick(-2.0, 1.0), format_tick(1500.0, 500.0), format_tick(2e-6, 1e-6)
    ('0.25', '−2', '1500', '2e−6')
    """
    if value == 0:
        return "0"
    if step < 1e-4 or step >= 1e6:
        mantissa, exponent = f"{value:.2e}".split("e")
        return f"{float(mantissa):g}e{int(exponent)}".replace("-", "−")
    text = f"{value:.{max(0, math.ceil(-math.log10(step) - 1e-9) + 1)}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text.replace("-", "−")


def draw_scalebar(
    limits: tuple[float, float],
    *,
    colormap: str = UNSIGNED,
    width: int = 256,
    height: int = 12,
    label: str = "",
    foreground: RGB = THEMES["light"]["ink"],
    background: RGB = THEMES["light"]["paper"],
) -> NDArray[np.uint8]:
    """A horizontal color bar; the lower limit, the middle and the upper limit stand below it, the label under those.

    Args:
        limits: The values of the first and the last color.
        colormap: As in `colorize`.
        width: Of the bar and the picture, in pixels.
        height: Of the bar alone; the text below it is as large.
        label: What the numbers mean, with the unit.
        foreground: RGB of the text.
        background: RGB behind the text.

    Returns:
        uint8 `h width 3`.

    Raises:
        ConfigError: The limits are not finite and ascending, or the bar is too small to be read.
        UnknownNameError: No such colormap.
    """
    low, high = limits
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ConfigError(f"limits must be two finite numbers, the lower first; got ({low}, {high}).")
    if width < 64 or height < 8:
        raise ConfigError(f"a scale bar must be at least 64 x 8 pixels; got {width} x {height}.")
    line = round(height * 1.5)
    picture = Image.new("RGB", (width, height + line * (2 if label else 1) + 2), background)
    colors = colormap_table(colormap)[np.minimum(np.arange(width) * 256 // width, 255)]
    picture.paste(Image.fromarray(np.broadcast_to(colors, (height, width, 3)).copy()), (0, 0))
    pen = ImageDraw.Draw(picture)
    font = load_font(float(height))
    step = (high - low) / 2.0
    y = height + line // 2 + 2
    pen.text((0, y), format_tick(low, step), foreground, font=font, anchor="lm")
    pen.text((width / 2, y), format_tick(low + step, step), foreground, font=font, anchor="mm")
    pen.text((width, y), format_tick(high, step), foreground, font=font, anchor="rm")
    if label:
        pen.text((0, y + line), label, foreground, font=font, anchor="lm")
    return np.asarray(picture)
