"""Batches out of one array of pictures in a single step: 60,000 digits are no work for a loop in Python."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from striate.data.augment.cut import Geometry, Shifts
from striate.data.augment.draws import Draws
from striate.data.image_set import ImageSet
from striate.data.stores import ArrayStore

__all__ = ["cut_array", "cut_rows", "fits_array"]

Pixels = NDArray[np.uint8]


def fits_array(images: ImageSet, geometry: Geometry, draws: Draws) -> bool:
    """Whether the pictures lie in one array and nothing has to be resized."""
    store = images.store
    if not isinstance(store, ArrayStore) or geometry.views != 1 or (geometry.gray and store.array.ndim == 4):
        return False
    return geometry.shifts((store.array.shape[1], store.array.shape[2]), draws) is not None


def cut_array(images: ImageSet, geometry: Geometry, draws: Draws) -> Pixels | None:
    """The cuts of a whole batch, `n h w` (gray) or `n h w 3`, as `geometry` makes them one by one.

    None where `fits_array` is false.
    """
    store = images.store
    if not isinstance(store, ArrayStore):
        return None
    shifts = geometry.shifts((store.array.shape[1], store.array.shape[2]), draws)
    if shifts is None:
        return None
    pictures = store.take(draws.indices)
    size = geometry.result_size() or (pictures.shape[1], pictures.shape[2])
    cuts = cut_rows(pictures, shifts, size)
    for row in np.flatnonzero(~geometry.takes_as_is(pictures)).tolist():
        drawn = geometry(store.read(int(draws.indices[row])), draws, row)
        cuts[row] = drawn[..., 0] if cuts.ndim == 3 else drawn
    return cuts


def cut_rows(pictures: Pixels, shifts: Shifts, size: tuple[int, int]) -> Pixels:
    """Cuts of one size out of `n h w` or `n h w 3`, each at its own place; beyond the picture as `Shifts` says.

    >>> here = Shifts(np.array([-1]), np.array([1]), np.array([True]))
    >>> cut_rows(np.array([[[1, 2], [3, 4]]], dtype=np.uint8), here, (2, 2)).tolist()
    [[[0, 0], [0, 2]]]
    """
    n, h, w = pictures.shape[:3]
    (new_h, new_w), top, left = size, shifts.top, shifts.left
    if n == 0:
        return np.zeros((0, new_h, new_w, *pictures.shape[3:]), dtype=np.uint8)
    low = (max(-int(top.min()), 0), max(-int(left.min()), 0))
    high = (max(int(top.max()) + new_h - h, 0), max(int(left.max()) + new_w - w, 0))
    if any(low + high):
        around: tuple[tuple[int, int], ...] = ((0, 0), (low[0], high[0]), (low[1], high[1]))
        around += ((0, 0),) * (pictures.ndim - 3)
        pictures = np.pad(pictures, around, mode="edge" if shifts.outside == "edge" else "constant")
    y, x = top + low[0], left + low[1]
    if (y == y[0]).all() and (x == x[0]).all():
        pictures = pictures[:, y[0] : y[0] + new_h, x[0] : x[0] + new_w]
    else:
        windows = sliding_window_view(pictures, size, axis=(1, 2))  # n tops lefts [3] new_h new_w
        pictures = windows[np.arange(n), y, x]
        if pictures.ndim == 4:
            pictures = pictures.transpose(0, 2, 3, 1)
    if shifts.flip.any():
        turned = shifts.flip.reshape((n,) + (1,) * (pictures.ndim - 1))
        pictures = np.where(turned, pictures[:, :, ::-1], pictures)
    return np.ascontiguousarray(pictures)
