"""Windows of every size at every place: proposals that need no look at the picture.

What came before selective search. A window must overlap an object well to be of use, so its side may miss the object's
by a factor and its place by a share of the side: a grid that is geometric in size and shape, and as fine in place as
the window is large. There are many of them, and most hold nothing.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from striate.errors import ConfigError, ShapeError

__all__ = ["sliding_windows"]


def sliding_windows(
    size: tuple[int, int],
    *,
    max_boxes: int = 2000,
    min_side_px: float = 20.0,
    ratios: Sequence[float] = (0.5, 1.0, 2.0),
    sizes_per_octave: int = 2,
) -> NDArray[np.float32]:
    """Windows on a picture of `size` `(h, w)`, the largest first.

    Args:
        size: `(h, w)` of the picture.
        max_boxes: The most windows that are given.
        min_side_px: No window has a shorter side, but where the picture itself does.
        ratios: Height ÷ width of the windows.
        sizes_per_octave: From one size to that of the double side.

    Returns:
        float32 `r 4`, `xyxy` in pixels, all inside of the picture, no two alike. Every size keeps the same share of its
        side as the step, the finest of them (at least an eighth) that gives no more than `max_boxes`.

    Raises:
        ConfigError: If a number is out of range.
        ShapeError: If `size` is not that of a picture.

    >>> windows = sliding_windows((100, 200), max_boxes=50)
    >>> len(windows) <= 50, windows[0].tolist()
    (True, [0.0, 0.0, 200.0, 100.0])
    """
    h, w = size
    if h < 1 or w < 1:
        raise ShapeError(f"sliding_windows: size must be (height, width), each 1 or more, got {size}.")
    if max_boxes < 1 or sizes_per_octave < 1:
        raise ConfigError(
            f"sliding_windows: max_boxes and sizes_per_octave must be 1 or more, got {max_boxes}, {sizes_per_octave}."
        )
    if not 0 < min_side_px < math.inf:
        raise ConfigError(f"sliding_windows: min_side_px must be a length above 0, got {min_side_px}.")
    if not ratios or any(not 0 < ratio < math.inf for ratio in ratios):
        raise ConfigError(f"sliding_windows: ratios must be one or more numbers above 0, got {tuple(ratios)}.")
    shapes = _shapes(h, w, min_side_px, ratios, sizes_per_octave)
    fine, coarse = 1 / 8, 1.0
    windows = _placed(shapes, h, w, fine)
    if len(windows) > max_boxes:
        for _ in range(12):
            middle = math.sqrt(fine * coarse)
            if len(_placed(shapes, h, w, middle)) > max_boxes:
                fine = middle
            else:
                coarse = middle
        windows = _placed(shapes, h, w, coarse)
    return windows[:max_boxes]


def _shapes(h: int, w: int, shortest: float, ratios: Sequence[float], per_octave: int) -> list[tuple[float, float]]:
    """`(height, width)` of the windows, the largest area first; the whole picture is the first of all."""
    largest = math.sqrt(h * w)
    shapes = {(float(h), float(w))}
    for number in range(math.floor(per_octave * math.log2(max(largest / shortest, 1.0))) + 1):
        side = largest * 2 ** (-number / per_octave)
        for ratio in ratios:
            height, width = side * math.sqrt(ratio), side / math.sqrt(ratio)
            if shortest <= min(height, width) and height <= h and width <= w:
                shapes.add((height, width))
    return sorted(shapes, key=lambda shape: (-shape[0] * shape[1], shape))


def _placed(shapes: list[tuple[float, float]], h: int, w: int, step: float) -> NDArray[np.float32]:
    every = []
    for height, width in shapes:
        tops = _starts(h, height, step)
        lefts = _starts(w, width, step)
        top, left = (grid.ravel() for grid in np.meshgrid(tops, lefts, indexing="ij"))
        every.append(np.stack([left, top, left + width, top + height], axis=1))
    boxes = np.concatenate(every)
    boxes[:, 2:] = np.minimum(boxes[:, 2:], (w, h))  # rounding may have put a window a hair outside
    boxes = boxes.astype(np.float32)
    _, first = np.unique(boxes, axis=0, return_index=True)
    return boxes[np.sort(first)]


def _starts(length: int, side: float, step: float) -> NDArray[np.float64]:
    """Where windows of one side begin: evenly from edge to edge, no farther apart than the step."""
    return np.linspace(0.0, length - side, math.ceil((length - side) / (step * side) - 1e-9) + 1)
