"""Take the lines of ruled and squared paper out of a picture of ink, and leave the strokes that cross them.

A line of the paper is straight, thin, and goes through the whole page. Summed up along the right slope, it is a peak as
high as the page is wide, and no stroke of a figure is. A page is rarely photographed quite level, so some slopes are
tried (a Radon transform for a few degrees), and the one with the sharpest peaks is taken.
"""

import numpy as np
from jaxtyping import Bool, Int
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["without_lines"]

_STEEPEST = 0.12  # about 7 degrees
_SLOPES = 49
_THROUGH = 0.5  # of the width: a line is ink for at least so long
_SHARP = 0.25  # of the width: so much longer it is than what is inked just beside it
_FEWEST = 3  # lines: a figure may have one long stroke or two
_THICKEST = 0.015  # of the height: a line is not thicker


def without_lines(ink: Bool[np.ndarray, "h w"]) -> NDArray[np.bool_]:
    """The same ink without level and upright lines of the paper; unchanged where there are fewer than three.

    >>> page = np.zeros((200, 200), bool)
    >>> page[20::40] = True
    >>> page[65:155, 100:106] = True
    >>> int(without_lines(page).sum())
    540
    """
    level = _without_level_lines(ink)
    return _without_level_lines(level.T).T


def _without_level_lines(ink: Bool[np.ndarray, "h w"]) -> NDArray[np.bool_]:
    h, w = ink.shape
    y, x = np.nonzero(ink)
    if len(y) < _FEWEST * _THROUGH * w:
        return ink
    best, slope = -1.0, 0.0
    some = slice(None, None, 1 + len(y) // 30_000)
    for tried in np.linspace(-_STEEPEST, _STEEPEST, _SLOPES):
        counts = np.bincount(_rows(y[some], x[some], tried, ink.shape))
        sharpness = float((counts.astype(np.float64) ** 2).sum())
        if sharpness > best:
            best, slope = sharpness, float(tried)
    rows = _rows(y, x, slope, ink.shape)
    counts = np.bincount(rows)
    thickest = max(2, round(_THICKEST * h))
    ridge = counts - ndimage.grey_opening(counts, size=thickest + 1)  # what rises out of the counts and is thin
    lines = (counts >= _THROUGH * w) & (ridge >= _SHARP * w)
    bands, count = ndimage.label(lines)
    if count < _FEWEST:
        return ink
    thick = int(np.bincount(bands)[1:].max())
    lines = ndimage.binary_dilation(lines, iterations=2)  # the blurred edges of a line, and a bend of the page
    on_line = np.zeros_like(ink)
    on_line[y, x] = lines[rows]
    rest = ink & ~on_line
    # Where a stroke goes on above and below a line, it also goes through it.
    gap = thick + 6
    crossed = ndimage.binary_closing(np.pad(rest, gap), np.ones((gap + 1, 3)))[gap:-gap, gap:-gap]
    kept: NDArray[np.bool_] = rest | (ink & crossed)
    return kept


def _rows(y: Int[np.ndarray, " n"], x: Int[np.ndarray, " n"], slope: float, size: tuple[int, int]) -> NDArray[np.int64]:
    """The line of this slope that each pixel lies on, counted from 0."""
    first = int(_STEEPEST * size[1] / 2) + 1
    return np.floor(y - slope * (x - size[1] // 2) + (first + 0.5)).astype(np.int64)  # round() goes to even numbers
