"""Where the names of many things on one picture go so that they can be read: label plates that keep off each other.

Each plate has eight places at its box: outside above and below, inside at the top and at the bottom, at the left or the
right corner. The plates are placed one after the other, the most important first, each at the cheapest place:

    cost = plates covered · 40 + shares of boxes covered · 2 + preference

A plate for which every place lies on plates that are already there is left out: a line can be followed to its corner,
two words on top of each other cannot be read. So are the least important where plates cover `_SHARE` of the picture.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.draw.themes import RGB

__all__ = ["contrast", "place_plates", "text_color"]

_SHARE = 0.3
_COVERED_AT_MOST = 0.08  # of a plate by plates placed before it: what the margins around the words allow


def contrast(one: RGB, other: RGB) -> float:
    """The contrast of two colors, from 1 (the same) to 21 (black and white).

    Source: Web Content Accessibility Guidelines 2.1, contrast ratio.

    >>> round(contrast((255, 255, 255), (0, 0, 0)))
    21
    """
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def text_color(plate: RGB) -> RGB:
    """White or black, whichever is read better on the plate; the contrast is at least 4.58 on every color."""
    return max(((255, 255, 255), (0, 0, 0)), key=lambda ink: contrast(plate, ink))


def place_plates(
    boxes: NDArray[Any], sizes: NDArray[Any], frame: tuple[int, int], *, gap: int = 0
) -> list[tuple[int, int] | None]:
    """A place for each box's plate, the most important box first.

    Args:
        boxes: `n 4`, xyxy pixels.
        sizes: `n 2`, width and height of each plate in pixels.
        frame: `(h, w)` of the picture, which no plate leaves.
        gap: Pixels by which the line around a box reaches beyond it, so that an outside plate sits on the line.

    Returns:
        Left and top of each plate, or None where there was no place for it.
    """
    height, width = frame
    placed = np.zeros((len(boxes), 4))
    count, room = 0, _SHARE * height * width
    found: list[tuple[int, int] | None] = []
    weights = _Weights(boxes, frame)
    for row, ((x0, y0, x1, y1), (w, h)) in enumerate(zip(boxes.tolist(), sizes.tolist(), strict=True)):
        if count and w * h > room:
            found.append(None)
            continue
        high = (y0 - gap - h, y0 - gap, y1 + gap, y1 + gap - h)  # above, inside at the top, below, inside at the bottom
        wished = np.array([(x, y) for x in (x0 - gap, x1 + gap - w) for y in high])
        inside = np.clip(wished, 0, [max(width - w, 0), max(height - h, 0)])
        moved = np.abs(inside - wished).sum(1)
        places = np.hstack([inside, inside + np.array((w, h))])
        covered = _overlaps(places, placed[:count]).sum(1) / (w * h)
        # Its own box, too, should be seen, but a plate belongs to it.
        own = _overlaps(places, boxes[row : row + 1])[:, 0] / max((x1 - x0) * (y1 - y0), 1.0)
        others = weights.inside(places) - 0.4 * own
        cost = 40 * covered + 2 * others + 0.06 * np.arange(8) + moved / (2 * h)
        best = int(cost.argmin())
        if covered[best] > _COVERED_AT_MOST:
            found.append(None)
            continue
        placed[count] = places[best]
        room -= w * h
        count += 1
        found.append((round(float(places[best, 0])), round(float(places[best, 1]))))
    return found


class _Weights:
    """How much of the boxes lies in a rectangle, summed over the boxes as shares of their areas; on a coarse grid."""

    def __init__(self, boxes: NDArray[Any], frame: tuple[int, int]) -> None:
        self.cell = max(1.0, max(frame) / 512)
        self.rows, self.columns = (int(np.ceil(side / self.cell)) for side in frame)
        x0, x1 = (np.clip(np.rint(boxes[:, k] / self.cell), 0, self.columns).astype(int) for k in (0, 2))
        y0, y1 = (np.clip(np.rint(boxes[:, k] / self.cell), 0, self.rows).astype(int) for k in (1, 3))
        weight = 1.0 / np.maximum((x1 - x0) * (y1 - y0), 1)
        edges = np.zeros((self.rows + 1, self.columns + 1))
        for ys, xs, sign in ((y0, x0, 1), (y0, x1, -1), (y1, x0, -1), (y1, x1, 1)):
            np.add.at(edges, (ys, xs), sign * weight)
        density = edges.cumsum(0).cumsum(1)[: self.rows, : self.columns]
        self.table = np.zeros((self.rows + 1, self.columns + 1))
        self.table[1:, 1:] = density.cumsum(0).cumsum(1)

    def inside(self, places: NDArray[Any]) -> NDArray[np.float64]:
        """Of each of `p 4` rectangles."""
        x0, x1 = (np.clip(np.rint(places[:, k] / self.cell), 0, self.columns).astype(int) for k in (0, 2))
        y0, y1 = (np.clip(np.rint(places[:, k] / self.cell), 0, self.rows).astype(int) for k in (1, 3))
        table = self.table
        return np.asarray(table[y1, x1] - table[y0, x1] - table[y1, x0] + table[y0, x0])


def _overlaps(places: NDArray[Any], others: NDArray[Any]) -> NDArray[np.float64]:
    """Square pixels shared by each of `p 4` and each of `n 4`: `p n`."""
    w = np.minimum(places[:, 2:3], others[:, 2]) - np.maximum(places[:, :1], others[:, 0])
    h = np.minimum(places[:, 3:], others[:, 3]) - np.maximum(places[:, 1:2], others[:, 1])
    return np.asarray(np.maximum(w, 0.0) * np.maximum(h, 0.0))


def _luminance(color: RGB) -> float:
    x = np.array(color) / 255.0
    linear = np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
    return float(linear @ np.array([0.2126, 0.7152, 0.0722]))
