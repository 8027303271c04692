"""How far each pixel of a photo of paper is from the paper, whatever light falls on it.

The paper is estimated twice: a surface of second degree follows the light over the whole photo, and what the brighter
pixels around a place (for light ink the darker ones) still differ from it is the edge of a shadow. What a stroke takes
away is then counted as a share of the way from the paper to black, or to white, so that ink in the shade is as black as
ink in the light:

    s = (paper − photo) / paper   (dark ink),        s = (photo − paper) / (1 − paper)   (light ink)
"""

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

__all__ = ["along_ink", "ink_contrast", "is_paper"]

_THUMBNAIL_PX = 72  # the longer side on which the paper is estimated
_WINDOW = 0.35  # of the shorter side: the paper under a stroke is looked for that far away
_SHADOW = (0.5, 1.6)  # how much the paper may differ from the smooth surface by a shadow's edge
_LEAST_ROOM = 0.3  # of full white: contrast is counted in a range of at least this
_NEARLY_PAPER = 0.15  # contrasts below this are light and grain

Map = Float[np.ndarray, "h w"]
Colors = Float[np.ndarray, "h w 3"]


def ink_contrast(levels: Colors) -> tuple[NDArray[np.float32], bool]:
    """The contrast of each pixel and channel with the paper, and whether the ink is darker than the paper.

    Args:
        levels: A photo, float32 RGB in [0, 1].

    Returns:
        float32 `h w 3`: about 0 on paper, 1 at black (for light ink at white), below 0 beyond the paper.

    >>> page = np.full((60, 80, 3), 0.8, np.float32)
    >>> page[20:40, 30:35] = 0.2
    >>> contrast, dark = ink_contrast(page)
    >>> contrast[30, 32].round(2).tolist(), dark
    ([0.75, 0.75, 0.75], True)
    """
    surface = _lit_surface(levels)
    dark = _is_dark(levels, surface)
    return _contrast(levels, surface, dark=dark), dark


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


def _lit_surface(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    """The paper's light, as a polynomial of second degree in x and y for each channel, `h w 3`.

    Least squares again and again, each time with less weight for what lies far off: strokes lose their say. It starts
    at the middle level of the rim or of the whole, whichever more of the rim and of the whole is near to. One level
    comes first, then a slope, then a bend, or the bend would lean towards a dark table at the side.
    """
    small = _thumbnail(levels)
    rim = np.pad(np.zeros([max(side - 2, 0) for side in small.shape[:2]], bool), 1, constant_values=True)
    rim = rim[: small.shape[0], : small.shape[1]].ravel()
    terms, values = _polynomial(small.shape[:2]).reshape(-1, 6), small.reshape(-1, 3)

    def near(level: NDArray[np.float32]) -> float:
        close = np.abs(values - level).max(axis=1) < 0.1
        return float(close[rim].mean() + close.mean())

    fitted = np.zeros((6, 3))
    fitted[0] = max(np.median(values[rim], axis=0), np.median(values, axis=0), key=near)
    for used in (1, 1, 3, 3, 3, 6, 6, 6, 6, 6):
        away = np.abs(values - terms @ fitted).max(axis=1, keepdims=True)
        spread = max(1.5 * float(min(np.median(away[rim]), np.median(away))), 0.01)
        weight = 1 / (1 + (away / spread) ** 2)
        fitted[:used] = np.linalg.lstsq(terms[:, :used] * weight, values * weight, rcond=None)[0]
    everywhere = (_polynomial(levels.shape[:2]).reshape(-1, 6) @ fitted).reshape(levels.shape)
    surface: NDArray[np.float32] = np.clip(everywhere, 0.02, 1.0).astype(np.float32)
    return surface


def _polynomial(size: tuple[int, int]) -> NDArray[np.float64]:
    h, w = size
    y, x = np.meshgrid((np.arange(h) + 0.5) / h - 0.5, (np.arange(w) + 0.5) / w - 0.5, indexing="ij")
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=2)


def _is_dark(levels: NDArray[np.float32], surface: NDArray[np.float32]) -> bool:
    """Whether more lies far below the paper than far above it."""
    away = (levels - surface).mean(axis=2)
    return float((away * away * away).sum(dtype=np.float64)) <= 0


def _contrast(levels: NDArray[np.float32], surface: NDArray[np.float32], *, dark: bool) -> NDArray[np.float32]:
    """The share of the way from the paper to black or white, for each channel: about 0 on paper, below 0 beyond it."""
    flat = levels / surface
    small = _thumbnail(flat)
    window = max(3, round(_WINDOW * min(small.shape[:2])))
    h, w = levels.shape[:2]
    paper = np.empty_like(levels)
    for c in range(3):  # the paper beside the strokes: the brighter pixels around (for light ink the darker ones)
        near = ndimage.percentile_filter(small[..., c], 85 if dark else 15, size=window, mode="nearest")
        near = ndimage.gaussian_filter(near, window / 4, mode="nearest").clip(*_SHADOW)
        paper[..., c] = _resized(near.astype(np.float32), (w, h), Image.Resampling.BILINEAR) * surface[..., c]
    # White ink on white paper, or black on black, would be a division of grain by nothing.
    room = np.maximum(paper if dark else 1 - paper, _LEAST_ROOM)
    contrast = (paper - levels if dark else levels - paper) / room
    contrast -= np.median(contrast[is_paper(contrast.max(axis=2))], axis=0)
    return contrast.astype(np.float32)


def _thumbnail(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    h, w, channels = levels.shape
    factor = max(1.0, max(h, w) / _THUMBNAIL_PX)
    size = (max(1, round(w / factor)), max(1, round(h / factor)))
    return np.stack([_resized(levels[..., c], size, Image.Resampling.BOX) for c in range(channels)], axis=2)


def _resized(values: Map, size: tuple[int, int], how: Image.Resampling) -> NDArray[np.float32]:
    return np.asarray(Image.fromarray(values).resize(size, how))
