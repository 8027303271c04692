"""Photos of paper with something written on it, drawn for the tests."""

from functools import cache
from io import BytesIO

import numpy as np
from matplotlib import font_manager
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

U8 = NDArray[np.uint8]
MASK = NDArray[np.float32]
WHITE, BLACK = (0.93, 0.93, 0.91), (0.1, 0.1, 0.14)


@cache
def written(
    text: str = "5", *, height: int = 160, size: tuple[int, int] = (300, 400), at: tuple[int, int] = (60, 90)
) -> MASK:
    """How much of each pixel is ink: `text` in a bold face, its box from `at` (y, x) on and about `height` high."""
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans:bold"), round(height / 0.74))
    page = Image.new("L", (size[1], size[0]))
    pen = ImageDraw.Draw(page)
    left, top, _, _ = pen.textbbox((0, 0), text, font=font)
    pen.text((at[1] - left, at[0] - top), text, fill=255, font=font)
    return np.asarray(page, dtype=np.float32) / 255


def photo(
    ink: MASK,
    *,
    paper: tuple[float, float, float] = WHITE,
    pen: tuple[float, float, float] = BLACK,
    shadow: float = 0.0,
    edge: float = 0.0,
    grain: float = 0.0,
    jpeg: int | None = None,
    seed: int = 0,
) -> U8:
    """uint8 `h w 3`: `shadow` darkens slowly to the right, `edge` at once below the middle, `grain` is noise."""
    h, w = ink.shape
    y, x = np.mgrid[:h, :w]
    light = (1 - shadow * x / w) * (1 - edge / (1 + np.exp(-(y - h / 2) / 3)))
    picture = (np.array(paper) + (np.array(pen) - np.array(paper)) * ink[:, :, None]) * light[:, :, None]
    picture = picture + np.random.default_rng(seed).normal(0, grain, picture.shape) if grain else picture
    pixels = np.round(255 * np.clip(picture, 0, 1)).astype(np.uint8)
    if jpeg is None:
        return pixels
    file = BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=jpeg)
    return np.asarray(Image.open(file))


def box_of(ink: MASK) -> tuple[int, int, int, int]:
    """`xyxy` of what is more than half ink."""
    rows, columns = np.flatnonzero((ink > 0.5).any(1)), np.flatnonzero((ink > 0.5).any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
