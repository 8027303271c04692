"""How far each pixel of a photo of paper is from the paper, whatever light falls on it.

A threshold on gray levels finds the shadow. So the paper is estimated under the ink: a stroke is thin and dark, and a
closing (the largest value within a window, then the smallest of those) fills everything that is dark and thinner than
the window, and leaves the slope of the light and the edge of a shadow where they are, because these are wide. For light
ink on dark paper, an opening does the same the other way around.

Which of the two it is: without its ink, paper is smooth. Of the closed and the opened photo, the one that varies less
in all has lost the ink.

What a stroke takes away is counted as a share of the way from the paper to black, or to white, so that ink in the shade
is as black as ink in the light:

    s = (paper − photo) / paper   (dark ink),        s = (photo − paper) / (1 − paper)   (light ink)
"""

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

__all__ = ["along_ink", "ink_contrast", "is_paper"]

_THUMBNAIL_PX = 400  # the longer side on which the paper is estimated
_WINDOW = 0.4  # of the shorter side: strokes are thinner
_LEAST_ROOM = 0.3  # of full white: contrast is counted in a range of at least this
_NEARLY_PAPER = 0.15  # contrasts below this are light and grain

Map = Float[np.ndarray, "h w"]
Colors = Float[np.ndarray, "h w 3"]


def ink_contrast(levels: Colors, *, goes_on: bool = True) -> tuple[NDArray[np.float32], bool]:
    """The contrast of each pixel and channel with the paper, and whether the ink is darker than the paper.

    Args:
        levels: A photo, float32 RGB in [0, 1].
        goes_on: Whether what lies at the edge of the picture goes on beyond it, as a shadow does; else there is paper,
            so that a stroke along the edge is no wider than it looks.

    Returns:
        float32 `h w 3`: about 0 on paper, 1 at black (for light ink at white), below 0 beyond the paper.

    >>> page = np.full((60, 80, 3), 0.8, np.float32)
    >>> page[20:40, 30:35] = 0.2
    >>> contrast, dark = ink_contrast(page)
    >>> contrast[30, 32].round(2).tolist(), dark
    ([0.75, 0.75, 0.75], True)

    Source: the top-hat transform of mathematical morphology (Meyer 1979; Serra 1982).
    """
    h, w = levels.shape[:2]
    factor = max(1.0, max(h, w) / _THUMBNAIL_PX)
    size = (max(1, round(w / factor)), max(1, round(h / factor)))
    small = np.stack([_resized(levels[..., c], size, Image.Resampling.BOX) for c in range(3)], axis=2)
    grain = 1.5 * max(size) / _THUMBNAIL_PX  # it has extremes, too
    small = ndimage.gaussian_filter(small, (grain, grain, 0), mode="nearest")
    window = (*(max(3, round(_WINDOW * min(size))),) * 2, 1)
    closed = ndimage.grey_closing(small, size=window, mode="nearest")
    opened = ndimage.grey_opening(small, size=window, mode="nearest")
    dark = _variation(closed) <= _variation(opened)
    bare = closed if dark else opened
    if not goes_on:
        change = ndimage.grey_closing if dark else ndimage.grey_opening
        bare = change(small, size=window, mode="constant", cval=1.0 if dark else 0.0)
    paper = np.stack([_resized(bare[..., c], (w, h), Image.Resampling.BILINEAR) for c in range(3)], axis=2)
    # White ink on white paper, or black on black, would be a division of grain by nothing.
    room = np.maximum(paper if dark else 1 - paper, _LEAST_ROOM)
    contrast = (paper - levels if dark else levels - paper) / room
    contrast -= np.median(contrast[is_paper(contrast.max(axis=2))], axis=0)
    return contrast.astype(np.float32), dark


def along_ink(contrast: NDArray[np.float32], *, sigma: float) -> NDArray[np.float32]:
    """One number a pixel: the channels added up in the direction in which the strongest two percent differ.

    Args:
        contrast: Of `ink_contrast`.
        sigma: The contrast is smoothed by so many pixels first; a few tenths are none.
    """
    if sigma > 0.3:
        contrast = np.stack([ndimage.gaussian_filter(contrast[..., c], sigma) for c in range(3)], axis=2)
    total = contrast.sum(axis=2)
    direction = contrast[total >= np.quantile(total, 0.98)].mean(axis=0).clip(min=0)
    if not direction.any():
        return np.zeros(total.shape, np.float32)
    along: NDArray[np.float32] = contrast @ (direction / direction.sum())
    return along


def is_paper(contrast: Map) -> Bool[np.ndarray, "h w"]:
    """The pixels that are surely paper; all where none is. Bold ink may cover more than half of a picture."""
    paper = np.abs(contrast) < _NEARLY_PAPER
    return paper if paper.any() else np.ones_like(paper)


def _variation(picture: Colors) -> float:
    """The sum of all steps from pixel to pixel."""
    return float(np.abs(np.diff(picture, axis=0)).sum() + np.abs(np.diff(picture, axis=1)).sum())


def _resized(values: Map, size: tuple[int, int], how: Image.Resampling) -> NDArray[np.float32]:
    return np.asarray(Image.fromarray(np.ascontiguousarray(values)).resize(size, how))
