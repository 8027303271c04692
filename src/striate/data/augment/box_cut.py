"""Boxes go where their photo goes: through a cut, and back.

A cut takes a rectangle of the photo to a picture of some size, so a corner of a box moves by one scale and one shift
each way; where the cut mirrors, left and right corners change places:

    x′ = (x − left) · w ÷ (right − left)          y′ = (y − top) · h ÷ (bottom − top)          mirrored: w − x′
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from striate.data.augment.batches import check_range
from striate.data.augment.cut import Cut, inner_part
from striate.data.detections import Detections
from striate.errors import ShapeError

__all__ = ["cut_detections", "filled_size", "keep_visible", "map_boxes", "unmap_boxes"]

Boxes = NDArray[np.float32]


def map_boxes(boxes: Boxes, cut: Cut) -> Boxes:
    """Boxes of the photo as boxes of the picture that the cut makes of it; nothing is clipped.

    Args:
        boxes: float32 `n 4`, `xyxy` in photo pixels.
        cut: What was done to the photo.

    Returns:
        float32 `n 4`, `xyxy` in pixels of the result.

    Raises:
        ShapeError: If `boxes` is not `n 4`.

    >>> half = Cut((0.0, 0.0, 200.0, 100.0), (50, 100), flip=True)
    >>> map_boxes(np.array([[20, 10, 60, 90]], dtype=np.float32), half).tolist()
    [[70.0, 5.0, 90.0, 45.0]]
    """
    x_scale, y_scale = _scales(cut)
    corners = _corners("map_boxes", boxes)
    corners -= (cut.box[0], cut.box[1]) * 2
    corners *= (x_scale, y_scale) * 2
    return _mirrored(corners, cut).astype(np.float32)


def unmap_boxes(boxes: Boxes, cut: Cut) -> Boxes:
    """The way back: boxes of the picture that a cut made, as boxes of the photo; nothing is clipped.

    Args:
        boxes: float32 `n 4`, `xyxy` in pixels of the cut's result.
        cut: What was done to the photo.

    Returns:
        float32 `n 4`, `xyxy` in photo pixels.

    Raises:
        ShapeError: If `boxes` is not `n 4`.

    >>> half = Cut((0.0, 0.0, 200.0, 100.0), (50, 100), flip=True)
    >>> unmap_boxes(np.array([[70, 5, 90, 45]], dtype=np.float32), half).tolist()
    [[20.0, 10.0, 60.0, 90.0]]
    """
    x_scale, y_scale = _scales(cut)
    corners = _mirrored(_corners("unmap_boxes", boxes), cut)
    corners /= (x_scale, y_scale) * 2
    corners += (cut.box[0], cut.box[1]) * 2
    return corners.astype(np.float32)


def keep_visible(
    boxes: Boxes, size: tuple[int, int], *, min_visible: float = 0.25, min_side_px: float = 1.0
) -> tuple[Boxes, NDArray[np.bool_]]:
    """Boxes cut off at the border of a picture, and which of them still show enough to be learned from.

    Args:
        boxes: float32 `n 4`, `xyxy` in pixels of the picture.
        size: `(h, w)` of the picture.
        min_visible: The share of a box's area that must lie inside, from 0 to 1.
        min_side_px: How wide and how high what is left must be, in pixels, above 0.

    Returns:
        All `n` boxes, clipped to the picture, and a mask of those to keep. What is kept has a positive area.

    Raises:
        ConfigError: If a setting is outside its range.
        ShapeError: If `boxes` is not `n 4`.

    >>> boxes, kept = keep_visible(np.array([[-10, 0, 10, 9], [-90, 0, 10, 9]], dtype=np.float32), (50, 50))
    >>> boxes.tolist(), kept.tolist()
    ([[0.0, 0.0, 10.0, 9.0], [0.0, 0.0, 10.0, 9.0]], [True, False])
    """
    check_range("keep_visible: min_visible", min_visible, 0, 1)
    check_range("keep_visible: min_side_px", min_side_px, 1e-6, 1e6)
    corners = _corners("keep_visible", boxes)
    clipped = corners.clip(0, (size[1], size[0]) * 2)
    sides = clipped[:, 2:] - clipped[:, :2]
    area = (corners[:, 2:] - corners[:, :2]).prod(1)
    # The clip of a box that lies wholly inside is the box itself: one part in a million forgives float32 elsewhere.
    kept = (sides >= min_side_px).all(1) & (sides.prod(1) >= min_visible * (1 - 1e-6) * area)
    return clipped.astype(np.float32), kept


def cut_detections(truth: Detections, cut: Cut, *, min_visible: float = 0.25, min_side_px: float = 1.0) -> Detections:
    """What is marked on a photo as it is to be learned from the picture that a cut makes of it.

    What shows less than `min_visible` of itself, or is smaller than `min_side_px`, is marked `difficult`: it need not
    be found, and it is not background either. What does not show at all is left out.

    Args:
        truth: In photo pixels.
        cut: What was done to the photo.
        min_visible: See `keep_visible`.
        min_side_px: Likewise.

    Returns:
        In pixels of the result, clipped to it; every box has a positive area. Areas shrink with the clipped boxes.

    Raises:
        ConfigError: If a setting is outside its range.

    >>> truth = Detections.of([[0, 0, 40, 40], [90, 0, 130, 40]], [0, 1], ["cat", "dog"])
    >>> seen = cut_detections(truth, Cut((0.0, 0.0, 100.0, 100.0), (50, 50)), min_visible=0.5)
    >>> seen.boxes.tolist(), seen.difficult.tolist()
    ([[0.0, 0.0, 20.0, 20.0], [45.0, 0.0, 50.0, 20.0]], [False, True])
    """
    mapped = map_boxes(truth.boxes, cut)
    clipped, kept = keep_visible(mapped, cut.size, min_visible=min_visible, min_side_px=min_side_px)
    there = (clipped[:, 2:] > clipped[:, :2]).all(1)
    whole = (truth.boxes[:, 2:] - truth.boxes[:, :2]).prod(1)
    shrunk = np.divide((clipped[:, 2:] - clipped[:, :2]).prod(1), whole, out=np.zeros_like(whole), where=whole > 0)
    seen = replace(truth, boxes=clipped, difficult=truth.difficult | ~kept, areas=truth.areas * shrunk, size=cut.size)
    return seen if there.all() else seen.pick(there)


def filled_size(cut: Cut, size: tuple[int, int]) -> tuple[int, int]:
    """How much of a cut's result a photo fills, from the upper left corner on; the rest is black.

    Args:
        cut: What was done to the photo.
        size: `(h, w)` of the photo.

    Returns:
        `(h, w)`: rows and columns up to the last that show something of the photo.

    >>> filled_size(Cut((0.0, 0.0, 200.0, 200.0), (100, 100)), (80, 200))
    (40, 100)
    """
    _, (x0, _, x1, y1) = inner_part(size, cut)
    return max(y1, 0), max(cut.size[1] - x0 if cut.flip else x1, 0)


def _corners(name: str, boxes: Boxes) -> NDArray[np.float64]:
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ShapeError(f"{name}: boxes must be n 4 (xyxy), got {' '.join(map(str, boxes.shape))}.")
    return boxes.astype(np.float64)


def _scales(cut: Cut) -> tuple[float, float]:
    left, top, right, bottom = cut.box
    return cut.size[1] / (right - left), cut.size[0] / (bottom - top)


def _mirrored(corners: NDArray[np.float64], cut: Cut) -> NDArray[np.float64]:
    if not cut.flip:
        return corners
    return np.stack([cut.size[1] - corners[:, 2], corners[:, 1], cut.size[1] - corners[:, 0], corners[:, 3]], axis=1)
