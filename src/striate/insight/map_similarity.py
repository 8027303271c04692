"""How alike two maps are: by the order of their values, by what the eye sees, and by their edges.

Three measures, because each is blind to something: the rank correlation to where things are, structural similarity to a
change of scale, histograms of gradients to all but edges.

Source: Adebayo et al. 2018, "Sanity checks for saliency maps", arXiv:1810.03292, section 3 (these three). SSIM: Wang,
Bovik, Sheikh, Simoncelli 2004, "Image quality assessment: from error visibility to structural similarity". HOG: Dalal,
Triggs 2005, "Histograms of oriented gradients for human detection".
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from striate.errors import ShapeError

__all__ = ["hog_similarity", "oriented_gradients", "rank_correlation", "structural_similarity", "to_unit_range"]


def rank_correlation(a: NDArray[np.floating[Any]], b: NDArray[np.floating[Any]]) -> float:
    """Spearman's rank correlation of two arrays of one shape, from -1 to 1; 0 if one of them is constant.

    >>> rank_correlation(np.array([1.0, 2.0, 9.0]), np.array([0.1, 0.2, 0.3]))
    1.0
    """
    from scipy import stats  # takes half a second, which only this check shall cost

    _same(a, b)
    first, second = (stats.rankdata(x.ravel()) for x in (a, b))
    first, second = first - first.mean(), second - second.mean()
    size = float(np.sqrt((first @ first) * (second @ second)))
    return float(first @ second) / size if size else 0.0


def structural_similarity(
    a: NDArray[np.floating[Any]], b: NDArray[np.floating[Any]], *, window: int = 5, value_range: float = 1.0
) -> float:
    """SSIM of two maps `h w`, from -1 to 1: local means, contrasts and covariances in windows, averaged.

    Args:
        a: A map with values within `value_range`.
        b: Another of the same shape.
        window: Side of the square window; all of its pixels weigh the same.
        value_range: The largest possible difference of two values.

    Raises:
        ShapeError: Two shapes, or maps smaller than the window.

    Source:
        Wang et al. 2004, equation 13, with K1 = .01 and K2 = .03.
    """
    _same(a, b)
    if min(a.shape) < window:
        raise ShapeError(f"maps must be at least {window} × {window} for SSIM; got {a.shape}.")
    x, y = a.astype(np.float64), b.astype(np.float64)

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        edge = window // 2
        inside: NDArray[np.float64] = ndimage.uniform_filter(values, window)[
            edge : values.shape[0] - (window - 1 - edge), edge : values.shape[1] - (window - 1 - edge)
        ]
        return inside

    unbiased = window**2 / (window**2 - 1)
    mx, my = mean(x), mean(y)
    vx, vy = unbiased * (mean(x * x) - mx * mx), unbiased * (mean(y * y) - my * my)
    both = unbiased * (mean(x * y) - mx * my)
    c1, c2 = (0.01 * value_range) ** 2, (0.03 * value_range) ** 2
    found = ((2 * mx * my + c1) * (2 * both + c2)) / ((mx * mx + my * my + c1) * (vx + vy + c2))
    return float(found.mean())


def hog_similarity(a: NDArray[np.floating[Any]], b: NDArray[np.floating[Any]], *, cell: int | None = None) -> float:
    """Pearson's correlation of the histograms of oriented gradients of two maps `h w`; 0 if one of them has no edges.

    Args:
        a: A map.
        b: Another of the same shape.
        cell: Side of a cell in pixels; by default a fourteenth of the shorter side: 16 at 224.
    """
    _same(a, b)
    side = cell or max(1, round(min(a.shape) / 14))
    first, second = (oriented_gradients(x, cell=side).ravel() for x in (a, b))
    first, second = first - first.mean(), second - second.mean()
    size = float(np.sqrt((first @ first) * (second @ second)))
    return float(first @ second) / size if size else 0.0


def oriented_gradients(
    values: NDArray[np.floating[Any]], *, cell: int, directions: int = 9, block: int = 3
) -> NDArray[np.float64]:
    """Histograms of unsigned gradient directions in cells, each block of cells normalized.

    Args:
        values: A map `h w`.
        cell: Side of a cell in pixels; pixels beyond the last whole cell are left out.
        directions: Bins over 180 degrees.
        block: Side of a block in cells, at most what there are.

    Returns:
        `rows columns block block directions`.

    Raises:
        ShapeError: The map is smaller than a cell.

    Source:
        Dalal and Triggs 2005, section 6: centered differences, no smoothing, L2-Hys (clipped at .2).
    """
    if min(values.shape) < cell:
        raise ShapeError(f"values must be at least one cell of {cell} × {cell}; got {values.shape}.")
    v = values.astype(np.float64)
    dy, dx = np.zeros_like(v), np.zeros_like(v)
    dy[1:-1], dx[:, 1:-1] = v[2:] - v[:-2], v[:, 2:] - v[:, :-2]
    strength, angle = np.hypot(dx, dy), np.rad2deg(np.arctan2(dy, dx)) % 180
    bins = np.minimum((angle / (180 / directions)).astype(np.int64), directions - 1)
    rows, columns = v.shape[0] // cell, v.shape[1] // cell
    cells = np.stack(
        [
            np.where(bins == i, strength, 0.0)[: rows * cell, : columns * cell]
            .reshape(rows, cell, columns, cell)
            .mean((1, 3))
            for i in range(directions)
        ],
        axis=2,
    )
    side = min(block, rows, columns)
    blocks = np.lib.stride_tricks.sliding_window_view(cells, (side, side), axis=(0, 1))  # rows columns d side side
    blocks = blocks.transpose(0, 1, 3, 4, 2)

    def unit(x: NDArray[np.float64]) -> NDArray[np.float64]:
        scaled: NDArray[np.float64] = x / np.sqrt((x * x).sum((2, 3, 4), keepdims=True) + 1e-10)
        return scaled

    return unit(np.minimum(unit(blocks), 0.2))


def to_unit_range(values: NDArray[np.floating[Any]], *, percentile: float = 99.0) -> NDArray[np.float64]:
    """A map as it is looked at: its least value is 0, that percentile is 1, what lies above is 1; flat maps are 0."""
    low, high = float(values.min()), float(np.percentile(values, percentile))
    if high <= low:
        high = float(values.max())
    if high <= low:
        return np.zeros(values.shape)
    return np.clip((values.astype(np.float64) - low) / (high - low), 0.0, 1.0)


def _same(a: NDArray[Any], b: NDArray[Any]) -> None:
    if a.shape != b.shape or not a.size:
        raise ShapeError(f"two maps must have one shape to be compared; got {a.shape} and {b.shape}.")
