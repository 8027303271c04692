"""RoI pooling and RoI align, by the formulas and nothing else. Regions are `r 5`: picture, left, top, right, bottom."""

from itertools import product
from math import ceil, floor
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["roi_align", "roi_pool"]


def roi_pool(
    input: NDArray[Any], regions: NDArray[Any], output_size: tuple[int, int], spatial_scale: float = 1.0
) -> NDArray[np.float64]:
    """The largest number of each bin of each region, in double precision; 0 for a bin outside of the map.

    Args:
        input: `n c h w`, no NaN.
        regions: `r 5`.
        output_size: Bins along y and x.
        spatial_scale: What corners are multiplied with.
    """
    _, c, h, w = input.shape
    p, q = output_size
    out = np.zeros((len(regions), c, p, q))
    for r, (n, *corners) in enumerate(regions.astype(np.float64)):
        x1, y1, x2, y2 = (_round_half_away(v * spatial_scale) for v in corners)
        tall, wide = max(y2 - y1 + 1, 1) / p, max(x2 - x1 + 1, 1) / q
        for a, b in product(range(p), range(q)):
            ys = [y for y in range(y1 + floor(a * tall), y1 + ceil((a + 1) * tall)) if 0 <= y < h]
            xs = [x for x in range(x1 + floor(b * wide), x1 + ceil((b + 1) * wide)) if 0 <= x < w]
            for k in range(c):
                out[r, k, a, b] = max((input[int(n), k, y, x] for y in ys for x in xs), default=0.0)
    return out


def roi_align(
    input: NDArray[Any],
    regions: NDArray[Any],
    output_size: tuple[int, int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    *,
    aligned: bool = False,
) -> NDArray[np.float64]:
    """The mean of a grid of bilinear samples in each bin of each region, in double precision.

    Args:
        input: `n c h w`.
        regions: `r 5`.
        output_size: Bins along y and x.
        spatial_scale: What corners are multiplied with.
        sampling_ratio: Points a bin along each axis; 0 or less: by the bin's size.
        aligned: Whether a pixel's middle lies at .5.
    """
    _, c, _, _ = input.shape
    p, q = output_size
    out = np.zeros((len(regions), c, p, q))
    for r, (n, *corners) in enumerate(regions.astype(np.float64)):
        x1, y1, x2, y2 = (v * spatial_scale - (0.5 if aligned else 0.0) for v in corners)
        tall, wide = (y2 - y1, x2 - x1) if aligned else (max(y2 - y1, 1.0), max(x2 - x1, 1.0))
        tall, wide = tall / p, wide / q
        down = sampling_ratio if sampling_ratio > 0 else max(ceil(tall), 0)
        across = sampling_ratio if sampling_ratio > 0 else max(ceil(wide), 0)
        for a, b, k in product(range(p), range(q), range(c)):
            for i, j in product(range(down), range(across)):
                y, x = y1 + a * tall + (i + 0.5) * tall / down, x1 + b * wide + (j + 0.5) * wide / across
                out[r, k, a, b] += _bilinear(input[int(n), k], y, x) / (down * across)
    return out


def _bilinear(map: NDArray[Any], y: float, x: float) -> float:
    """Four pixels, weighted by how near they are; 0 more than a pixel outside, the border's pixel within that."""
    h, w = map.shape
    if not (-1 <= y <= h and -1 <= x <= w):
        return 0.0
    y, x = min(max(y, 0.0), h - 1.0), min(max(x, 0.0), w - 1.0)
    top, left = floor(y), floor(x)
    rows = ((top, 1 - (y - top)), (min(top + 1, h - 1), y - top))
    columns = ((left, 1 - (x - left)), (min(left + 1, w - 1), x - left))
    total = 0.0
    for (row, near_y), (column, near_x) in product(rows, columns):
        total += near_y * near_x * float(map[row, column])
    return total


def _round_half_away(x: float) -> int:
    return floor(x + 0.5) if x >= 0 else ceil(x - 0.5)
