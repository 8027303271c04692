"""R-CNN's crop by its rules, one region and one pixel at a time."""

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["warp_region"]


def warp_region(
    image: NDArray[np.float64], box: tuple[float, float, float, float], crop: int, context: int
) -> NDArray[np.float64]:
    """`c h w` and one box to `c s s`: grow, round, clip, resize the part that exists, put it where it belongs."""
    channels, h, w = image.shape
    result = np.zeros((channels, crop, crop))
    scale = crop / (crop - 2 * context)
    half_w, half_h = max(box[2] - box[0], 0) / 2, max(box[3] - box[1], 0) / 2
    center_x, center_y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    x1, x2 = _round(center_x - half_w * scale), _round(center_x + half_w * scale)
    y1, y2 = _round(center_y - half_h * scale), _round(center_y + half_h * scale)
    unclipped_w, unclipped_h = x2 - x1, y2 - y1
    cx1, cx2 = min(max(x1, 0), w), min(max(x2, 0), w)
    cy1, cy2 = min(max(y1, 0), h), min(max(y2, 0), h)
    window = image[:, cy1:cy2, cx1:cx2]
    if window.size == 0:
        return result
    scale_x, scale_y = crop / unclipped_w, crop / unclipped_h
    pad_x, pad_y = _round((cx1 - x1) * scale_x), _round((cy1 - y1) * scale_y)
    width = min(_round((cx2 - cx1) * scale_x), crop - pad_x)
    height = min(_round((cy2 - cy1) * scale_y), crop - pad_y)
    if width < 1 or height < 1:
        return result
    result[:, pad_y : pad_y + height, pad_x : pad_x + width] = _resized(window, height, width)
    return result


def _resized(window: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    """Bilinear, without antialias, pixels counted by their centers, edge pixels repeated."""
    _, h, w = window.shape
    out = np.zeros((len(window), height, width))
    for i in range(height):
        for j in range(width):
            y = min(max((i + 0.5) * h / height - 0.5, 0), h - 1)
            x = min(max((j + 0.5) * w / width - 0.5, 0), w - 1)
            y0, x0 = math.floor(y), math.floor(x)
            y1, x1 = min(y0 + 1, h - 1), min(x0 + 1, w - 1)
            above = window[:, y0, x0] * (x0 + 1 - x) + window[:, y0, x1] * (x - x0)
            below = window[:, y1, x0] * (x0 + 1 - x) + window[:, y1, x1] * (x - x0)
            out[:, i, j] = above * (y0 + 1 - y) + below * (y - y0)
    return out


def _round(value: float) -> int:
    return math.floor(value + 0.5)
