"""Tell a sheet of paper on a table from a figure on paper: both differ from what is around them.

A note on a dark table looks like light ink. But it is thicker than a pen would draw, it has four corners and no dents,
and something is written on it.
"""

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull

__all__ = ["find_sheet", "only_sheet"]

_SMALLEST = 0.15  # of the photo's longer side
_THICK = 0.12  # of the sheet's longer side: the largest circle beside the writing has at least this radius
_DENTED = 0.88  # of its convex hull: a sheet fills at least so much
_CORNERED = 0.9  # of the smallest rectangle around it: the hull fills at least so much; of a round figure's, π/4


def find_sheet(share: Float[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"] | None:
    """Where the sheet lies, with what is written on it; None if it is none.

    Args:
        share: What was found, as a share of ink.
    """
    figure = share > 0.5
    rows, columns = np.flatnonzero(figure.any(axis=1)), np.flatnonzero(figure.any(axis=0))
    whole: NDArray[np.bool_] = ndimage.binary_fill_holes(figure)
    if not len(rows) or whole.sum() == figure.sum():
        return None
    bounds = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    side = max(figure[bounds].shape)
    if side < _SMALLEST * max(figure.shape):
        return None
    thickness = float(ndimage.distance_transform_edt(figure[bounds]).max())
    hull, around = _hull_areas(whole[bounds])
    if thickness < _THICK * side or whole.sum() < _DENTED * hull or hull < _CORNERED * around:
        return None
    return whole


def only_sheet(levels: Float[np.ndarray, "h w 3"], sheet: Bool[np.ndarray, "h w"]) -> NDArray[np.float32]:
    """The picture with the color of the sheet everywhere around it, and its edges cut off."""
    within = ndimage.binary_erosion(sheet, iterations=max(2, round(0.01 * max(sheet.shape))))
    if not within.any():
        return levels
    color: NDArray[np.float32] = np.median(levels[within], axis=0)
    return np.where(within[..., None], levels, color)


def _hull_areas(mask: Bool[np.ndarray, "h w"]) -> tuple[float, float]:
    """The areas of the smallest convex shape and of the smallest rectangle, turned as it may be, around a mask."""
    rows = np.flatnonzero(mask.any(axis=1))
    first, last = mask[rows].argmax(axis=1), mask.shape[1] - mask[rows][:, ::-1].argmax(axis=1)
    corners = np.array(
        [(x, y + down) for y, *ends in zip(rows, first, last, strict=True) for x in ends for down in (0, 1)]
    )
    hull = ConvexHull(corners)
    outline = corners[hull.vertices]
    angles = np.deg2rad(np.arange(0, 90, 2))
    turns = np.stack([np.stack([np.cos(angles), np.sin(angles)]), np.stack([-np.sin(angles), np.cos(angles)])])
    spans = np.ptp(np.einsum("nc,dca->nda", outline, turns), axis=0)  # d a
    return float(hull.volume), float(spans.prod(axis=0).min())  # in two dimensions the hull's "volume" is its area
