"""Which part of a picture a unit sees, as boxes that can be cut out.

A unit at the rim of its map sees beyond the picture: its box is not moved inside, and what lies outside is marked as
outside, since there the unit sees padding.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from striate.arithmetic import Field

__all__ = ["Sight", "boxes_of", "cut_box", "inside_of", "shrink", "sight_of"]

Sees: TypeAlias = Literal["box", "gated", "picture", "unknown"]

_SENTENCES = {
    "box": "each unit sees the box of {size} px alone",
    "gated": "the local path sees {size} px; through gates or statistics each unit also depends on the whole picture",
    "picture": "each unit may depend on the whole picture ({size} px of field), so all of it is shown",
    "unknown": "what its units see cannot be followed, so the whole picture is shown",
}


@dataclass(frozen=True)
class Sight:
    """What the units of one layer see.

    Attributes:
        sees: `box`: its box and nothing else. `gated`: the box by the local path, and by a gate or by statistics the
            whole picture. `picture`: the field covers the picture, or the unit has no place of its own. `unknown`: it
            cannot be followed.
        size: `(h, w)` of the box in pixels of the picture, 0 where it is not known.
    """

    sees: Sees
    size: tuple[int, int]

    def sentence(self) -> str:
        """In words."""
        return _SENTENCES[self.sees].format(size=f"{self.size[0]} × {self.size[1]}")


def sight_of(field: Field | None, size: tuple[int, int]) -> Sight:
    """What the units of a layer with this field see of a picture of `(h, w)`.

    >>> sight_of(Field((3, 3), (1, 1), (-1, -1)), (8, 8)).sees, sight_of(Field((9, 9), (1, 1), (-4, -4)), (8, 8)).sees
    ('box', 'picture')
    """
    if field is None or len(field.size) != 2:
        return Sight("unknown", (0, 0))
    reach = (field.size[0], field.size[1])
    if not any(field.stride) or (reach[0] >= size[0] and reach[1] >= size[1]):
        return Sight("picture", reach)
    return Sight("gated" if field.whole else "box", reach)


def boxes_of(
    field: Field | None, size: tuple[int, int], rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The boxes of the units at `rows` and `columns`: `… 4`, `xyxy`, half-open, beyond the picture where they reach.

    Units that see the whole picture without a place of their own, or that cannot be followed, get the picture `(h, w)`.
    """
    if field is None or len(field.size) != 2 or not any(field.stride):
        whole = np.array([0, 0, size[1], size[0]], np.int64)
        return np.broadcast_to(whole, (*rows.shape, 4)).copy()
    edges = []
    for axis, places in ((1, columns), (0, rows)):
        step, start = field.stride[axis], field.start[axis]
        low = np.array([(start + int(p) * step) // 1 for p in places.ravel()], np.int64).reshape(places.shape)
        edges.append((low, low + field.size[axis]))
    (left, right), (top, bottom) = edges
    return np.stack([left, top, right, bottom], axis=-1)


def cut_box(pixels: NDArray[np.uint8], box: NDArray[np.int64], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """The part of uint8 `h w 3` in the box `xyxy`, on a field of `shape`; black where the box lies outside."""
    left, top, right, bottom = (int(n) for n in box)
    h, w = pixels.shape[:2]
    out = np.zeros((*shape, 3), np.uint8)
    y0, x0, y1, x1 = max(top, 0), max(left, 0), min(bottom, h), min(right, w)
    if y0 < y1 and x0 < x1:
        out[y0 - top : y1 - top, x0 - left : x1 - left] = pixels[y0:y1, x0:x1]
    return out


def inside_of(box: NDArray[np.int64], size: tuple[int, int], shape: tuple[int, int], step: int) -> NDArray[np.bool_]:
    """Which pixels of a crop made with `cut_box` and `shrink` lie in the picture `(h, w)`."""
    left, top = int(box[0]), int(box[1])

    def seen(low: int, end: int, cells: int) -> NDArray[np.bool_]:
        at = low + np.arange(cells * step)
        return np.asarray(((at >= 0) & (at < end)).reshape(cells, step).any(1))

    down, across = seen(top, min(size[0], int(box[3])), shape[0]), seen(left, min(size[1], int(box[2])), shape[1])
    return np.logical_and.outer(down, across)


def shrink(crop: NDArray[np.uint8], inside: NDArray[np.bool_], step: int) -> NDArray[np.uint8]:
    """The means of blocks of `step` × `step` pixels of `crop` (uint8 `h w 3`, black outside).

    Only pixels that are `inside` (`h w`) count. Blocks at the lower and right rim may be smaller.
    """
    if step == 1:
        return crop
    (h, w), cells = inside.shape, (-(-inside.shape[0] // step), -(-inside.shape[1] // step))
    room = np.zeros((cells[0] * step, cells[1] * step, 3), np.uint16)
    room[:h, :w] = crop
    sums = room.reshape(cells[0], step, -1).sum(1, dtype=np.uint32)  # rows first: whole lines are added at once
    sums = sums.reshape(*cells, step, 3).sum(2, dtype=np.uint32)
    # What is inside is a rectangle, so that its pixels in a block are rows times columns.
    down, across = (
        np.add.reduceat(inside.any(axis).astype(np.int64), np.arange(0, n, step)) for axis, n in ((1, h), (0, w))
    )
    count = np.maximum(np.multiply.outer(down, across), 1)[..., None]
    means: NDArray[np.uint8] = np.rint(sums / count).astype(np.uint8)
    return means
