"""A figure as the MNIST digits are: 20 pixels in its longer side, its center of mass in the middle of 28 × 28.

The pictures of the MNIST set are bilevel scans, scaled with their proportions to fit 20 × 20 (which makes them gray, by
antialiasing) and shifted by whole pixels until the center of mass lies in the middle of a field of 28 × 28. A network
that was trained on them wants the same of any other digit: bright ink, black ground, that size, that place.

Source: LeCun, Bottou, Bengio and Haffner 1998, section III-A; the page of the MNIST database.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from striate.data.ink import Ink, find_ink

__all__ = ["DigitField", "draw_field", "is_field"]

_BOX = 20 / 28  # of the field's side: the figure's longer side
_BLACK = 32  # of 255: the rim of a picture that is a field already is darker
_THINNEST = 1.8  # pixels of 28: a thinner pen is made so thick; of the MNIST digits one in ten is thinner
_FULL = 0.9  # the share of its ink pixels under which a figure's brightest pixels are made white


@dataclass(frozen=True, eq=False)
class DigitField:
    """A figure in the middle of a black field.

    Attributes:
        pixels: uint8 `h w`, bright ink on black.
        crop: The part of the photo that the field covers, `xyxy` in photo pixels.
        steps: What was done, in sentences.
    """

    pixels: NDArray[np.uint8]
    crop: tuple[float, float, float, float]
    steps: tuple[str, ...]


def is_field(image: NDArray[np.uint8], sizes: set[tuple[int, int]]) -> bool:
    """Whether a picture (uint8 `h w 3`) is a digit that was prepared already: of such a size, with a black rim.

    >>> is_field(np.zeros((28, 28, 3), np.uint8), {(28, 28)})
    True
    """
    if image.shape[:2] not in sizes:
        return False
    rim = np.concatenate([image[0], image[-1], image[1:-1, 0], image[1:-1, -1]])
    return float(np.median(rim.max(axis=1))) < _BLACK


def draw_field(image: NDArray[np.uint8], *, side: int, size: tuple[int, int]) -> DigitField | None:
    """Find the figure on a photo and draw it as an MNIST digit, or None where there is only paper.

    Args:
        image: uint8 `h w 3`, RGB.
        side: Side of the field, 28 for the MNIST digits.
        size: `(h, w)` of the picture that is wanted; the field is in its middle.

    Differs: from the recipe of 1998, whose scans were black and white: the ink keeps its grays. A pen thinner than 1.8
    of 28 pixels is made so thick, because a hairline, shrunk, would be a faint gray that no scan ever gave.
    """
    ink = find_ink(image)
    if ink is None:
        return None
    left, top, right, bottom = ink.box
    box_px = side * _BOX
    factor = max(right - left, bottom - top) / box_px  # pixels of `share` in one pixel of the field
    share, thicker = _thickened(ink.share, thinnest=_THINNEST * side / 28 * factor)
    grown = max(0, round(thicker))
    left, top, right, bottom = left - grown, top - grown, right + grown, bottom + grown
    factor = max(right - left, bottom - top) / box_px
    figure, corner = _scaled(share, (left, top, right, bottom), factor)
    bright = figure[figure > 0.1]
    peak = float(np.quantile(bright, _FULL)) if len(bright) else 1.0
    figure = np.clip(figure / max(peak, 0.2), 0, 1)
    pixels, (y, x) = _centered(figure, size)
    across, down = factor * ink.scale[0], factor * ink.scale[1]
    start = ((corner[0] - x * factor) * ink.scale[0], (corner[1] - y * factor) * ink.scale[1])
    crop = (start[0], start[1], start[0] + size[1] * across, start[1] + size[0] * down)
    return DigitField(pixels, crop, _steps(ink, side=side, size=size, thicker=grown > 0))


def _thickened(share: Float[np.ndarray, "h w"], *, thinnest: float) -> tuple[NDArray[np.float32], float]:
    """The figure with strokes of at least `thinnest` pixels, and by how much they grew on each side.

    A stroke of length l and width t has the area l·t and about the outline 2·l.
    """
    padded = np.pad(share, 1)
    outline = np.pi / 4 * (np.abs(np.diff(padded, axis=0)).sum() + np.abs(np.diff(padded, axis=1)).sum())
    width = 2 * float(share.sum()) / max(float(outline), 1e-6)
    radius = (thinnest - width) / 2
    if radius < 0.5:
        return share.astype(np.float32), 0.0
    reach = int(np.ceil(radius))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return ndimage.grey_dilation(share, footprint=y * y + x * x <= radius * radius).astype(np.float32), radius


def _scaled(
    share: Float[np.ndarray, "h w"], box: tuple[int, int, int, int], factor: float
) -> tuple[NDArray[np.float32], tuple[float, float]]:
    """The box, smaller by `factor` in both directions (antialiased), and where its first pixel begins, x and y."""
    left, top, right, bottom = box
    new_w, new_h = max(1, round((right - left) / factor)), max(1, round((bottom - top) / factor))
    # Whole pixels are cut, so the cut reaches a little beyond the box, or the proportions would be off.
    x0, y0 = (left + right - new_w * factor) / 2, (top + bottom - new_h * factor) / 2
    margin = int(np.ceil(factor)) + max(right - left, bottom - top)
    around = np.pad(share, margin)
    cut = (x0 + margin, y0 + margin, x0 + margin + new_w * factor, y0 + margin + new_h * factor)
    kind = Image.Resampling.BOX if factor > 2 else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(around).resize((new_w, new_h), kind, box=cut)), (x0, y0)


def _centered(figure: Float[np.ndarray, "h w"], size: tuple[int, int]) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """The figure on black with its center of mass in the middle, by whole pixels; and where its corner came to lie.

    The middle is the pixel ⌊side / 2⌋: the mean center of the MNIST digits is (14.0, 14.0), counted from 0.
    """
    field = np.zeros(size, np.uint8)
    total = max(float(figure.sum()), 1e-6)
    starts = []
    for axis in (0, 1):
        center = float(figure.sum(axis=1 - axis) @ np.arange(figure.shape[axis])) / total
        start = int(np.floor(size[axis] // 2 - center + 0.5))
        starts.append(min(max(start, 0), size[axis] - figure.shape[axis]))
    y, x = starts
    field[y : y + figure.shape[0], x : x + figure.shape[1]] = np.round(255 * figure)
    return field, (y, x)


def _steps(ink: Ink, *, side: int, size: tuple[int, int], thicker: bool) -> tuple[str, ...]:
    kind = "Dark ink on light paper: inverted" if ink.dark else "Light ink on dark paper: kept"
    steps = [f"{kind}, with the paper’s light and shadow taken away."]
    if ink.others:
        found = "one more figure was" if ink.others == 1 else f"{ink.others} more figures were"
        steps.append(f"The figure with the most ink was taken; {found} left out.")
    if thicker:
        steps.append("The thin strokes were made as thick as those of a scan.")
    steps.append(
        f"The figure’s box scaled to {round(side * _BOX)} px in its longer side (antialiased), its center of mass "
        f"put in the middle of {side}\u00a0×\u00a0{side}."
    )
    if size != (side, side):
        steps.append(f"Padded with black to {size[1]}\u00a0×\u00a0{size[0]}.")
    return tuple(steps)
