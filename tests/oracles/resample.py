"""Resizing as Pillow 13 does it, slowly and by the book: one output value at a time, one side after the other."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["resample"]


def _triangle(x: float) -> float:
    return max(0.0, 1 - abs(x))


def _cubic(x: float, a: float = -0.5) -> float:
    x = abs(x)
    if x < 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.0


def _lanczos(x: float) -> float:
    return float(np.sinc(x) * np.sinc(x / 3)) if abs(x) < 3 else 0.0


_FILTERS: dict[str, tuple[Callable[[float], float], int]] = {
    "bilinear": (_triangle, 1),
    "bicubic": (_cubic, 2),
    "lanczos": (_lanczos, 3),
}


def resample(picture: NDArray[np.float64], size: tuple[int, int], interpolation: str) -> NDArray[np.float64]:
    """`h w` in [0, 1] to `size`, clamped to [0, 1] after each of the two passes, with a wider filter to shrink."""
    (h, w), (new_h, new_w) = picture.shape, size
    if h > new_h and h - new_h > 2 * (w - new_w):  # much shorter: the rows first
        return _rows(_rows(picture, new_h, interpolation).T, new_w, interpolation).T
    return _rows(_rows(picture.T, new_w, interpolation).T, new_h, interpolation)


def _rows(picture: NDArray[np.float64], count: int, interpolation: str) -> NDArray[np.float64]:
    return np.stack([_line(column, count, interpolation) for column in picture.T], axis=1).clip(0, 1)


def _line(values: NDArray[np.float64], count: int, interpolation: str) -> NDArray[np.float64]:
    if len(values) == count:
        return values
    kernel, reach = _FILTERS[interpolation]
    scale = len(values) / count
    stretch = max(scale, 1.0)  # antialias: to shrink, the filter covers as many input pixels as one output pixel
    result = []
    for i in range(count):
        center = (i + 0.5) * scale
        first = max(math.floor(center - reach * stretch + 0.5), 0)
        last = min(math.floor(center + reach * stretch + 0.5), len(values))
        weights = [kernel((j + 0.5 - center) / stretch) for j in range(first, last)]
        result.append(sum(w * v for w, v in zip(weights, values[first:last], strict=True)) / sum(weights))
    return np.array(result)
