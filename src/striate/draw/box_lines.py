"""Lines around boxes: as wide as the picture needs, parted from it by a fainter line, thin on what they would fill."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striate.draw.themes import RGB
from striate.errors import ConfigError, ShapeError

__all__ = ["Line", "check_boxes", "frame_box", "line_width", "text_size"]


def line_width(canvas: NDArray[np.uint8]) -> int:
    """Pixels: 1 up to 185 pixels a side, 2 at 320, 3 at 640, 7 at 4k: with the root, for large pictures are shrunk."""
    return max(1, round(0.11 * float((canvas.shape[0] * canvas.shape[1]) ** 0.25)))


def text_size(canvas: NDArray[np.uint8]) -> float:
    """Pixels: at least 9, 11 at 320 a side, 16 at 640."""
    return max(9.0, 0.62 * float((canvas.shape[0] * canvas.shape[1]) ** 0.25))


@dataclass(frozen=True, slots=True)
class Line:
    """What a line looks like.

    Attributes:
        width: Pixels.
        color: RGB.
        opacity: How much it covers, in (0, 1].
        dash: Above 0: dashed.
    """

    width: int
    color: RGB
    opacity: float = 1.0
    dash: int = 0


def frame_box(canvas: NDArray[np.uint8], box: NDArray[np.float64], line: Line, halo: RGB | None) -> None:
    """A line around a box, half of it inside; `halo` is a fainter line on both sides that parts it from the picture."""
    height, width = canvas.shape[:2]
    x0, y0, x1, y1 = (round(float(value)) for value in box)
    if x0 >= width or y0 >= height or x1 < 0 or y1 < 0:
        return
    wide = max(1, min(line.width, min(x1 - x0, y1 - y0) // 6))
    out = wide // 2
    # The whole line stays in the picture where a box ends at its border.
    left, top = (0 if -wide < x0 < out else x0 - out), (0 if -wide < y0 < out else y0 - out)
    right = width if width - out < x1 < width + wide else x1 + out
    bottom = height if height - out < y1 < height + wide else y1 + out
    right, bottom = max(right, left + wide), max(bottom, top + wide)
    edge = max(1, wide // 3)
    if halo is not None and min(right - left, bottom - top) > 6 * wide:
        around = (left - edge, top - edge, right + edge, bottom + edge)
        _ring(canvas, around, Line(wide + 2 * edge, halo, opacity=0.4))
    _ring(canvas, (left, top, right, bottom), replace(line, width=wide, dash=max(4, 4 * wide) if line.dash else 0))


def _ring(canvas: NDArray[np.uint8], outer: tuple[int, int, int, int], line: Line) -> None:
    x0, y0, x1, y1 = outer
    across, down = min(line.width, y1 - y0), min(line.width, x1 - x0)
    _fill(canvas, (x0, y0, x1, y0 + across), line, 1)
    _fill(canvas, (x0, max(y1 - across, y0 + across), x1, y1), line, 1)
    _fill(canvas, (x0, y0 + across, x0 + down, y1 - across), line, 0)
    _fill(canvas, (max(x1 - down, x0 + down), y0 + across, x1, y1 - across), line, 0)


def _fill(canvas: NDArray[np.uint8], part: tuple[int, int, int, int], line: Line, axis: int) -> None:
    x0, y0 = max(part[0], 0), max(part[1], 0)
    x1, y1 = min(part[2], canvas.shape[1]), min(part[3], canvas.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    region = canvas[y0:y1, x0:x1]
    ink = np.array(line.color, dtype=np.uint8)
    if line.opacity < 1:
        region[:] = np.rint(region * (1 - line.opacity) + ink * line.opacity).astype(np.uint8)
    elif line.dash:
        start, end = (x0, x1) if axis else (y0, y1)
        on = (np.arange(start, end) - part[0 if axis else 1]) % (line.dash + line.dash * 3 // 4) < line.dash
        region[(slice(None), on) if axis else on] = ink
    else:
        region[:] = ink


def check_boxes(boxes: ArrayLike, name: str) -> NDArray[np.float64]:
    """The boxes as float64 `n 4`, if they can be drawn.

    Raises:
        ShapeError: They are not `n 4`.
        ConfigError: A coordinate is not finite, or a box ends before it begins.
    """
    corners = np.asarray(boxes, dtype=np.float64)
    if corners.size == 0:
        return np.zeros((0, 4))
    if corners.ndim != 2 or corners.shape[1] != 4:
        raise ShapeError(f"{name} must be n 4 (xyxy); got {' '.join(map(str, corners.shape))}.")
    wrong = ~np.isfinite(corners).all(1) | (corners[:, 2] < corners[:, 0]) | (corners[:, 3] < corners[:, 1])
    if wrong.any():
        first = int(wrong.argmax())
        raise ConfigError(
            f"{name}[{first}] must be finite with x0 ≤ x1 and y0 ≤ y1; got {corners[first].tolist()}. "
            "Leave such boxes out, or exchange their corners."
        )
    return corners
