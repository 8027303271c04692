"""Find what is written on a photo of paper: which pixels are ink, how much of it, and where the figure is.

A network that learned from scanned digits knows bright ink on a black ground and nothing else. A photo shows paper with
a shadow across it, a pen of some color, grain, a neighboring word, ruled lines and the edge of the table. The contrast
with the paper tells what may be ink (`striate.data.ink_contrast`). Ink is what reaches two fifths of the darkest
strokes; touching pixels make a stroke, near strokes make a figure, and the figure with the most ink is the one that was
meant. Lines through the whole page are the page's own (`striate.data.ruled_lines`), what spreads along the picture's
edge is the table, and a figure that is a sheet of paper (`striate.data.sheet`) is looked into.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from striate.data.ink_contrast import along_ink, ink_contrast, is_paper
from striate.data.ruled_lines import without_lines
from striate.data.sheet import find_sheet, only_sheet

__all__ = ["Ink", "find_ink"]

_LOOKED_AT_PX = 800  # the longer side of the picture that is searched
_FAINTEST = 0.1  # ink must take away this share of the paper's light
_ABOVE_NOISE = 6.0  # and stand out by so many standard deviations of the paper's grain
_OF_DARKEST = 0.4  # of the figure's level: where a stroke ends
_SMALLEST = 0.02  # of the shorter side: a figure is at least so large, anything smaller is dirt
_NEAR = 0.12  # of the figure's longer side: strokes this near belong to it (the bar of a 5)
_AS_LARGE = 0.4  # of the figure's longer side: what else is so large is another figure
_ALONG_EDGE = 0.2  # of an edge of the picture: no stroke lies along so much of it

Map = Float[np.ndarray, "h w"]


@dataclass(frozen=True, eq=False)
class Ink:
    """One figure on a photo.

    Attributes:
        share: How much of each pixel is ink, 0 to 1; only this figure's strokes. The picture may be smaller than the
            photo.
        box: `xyxy` of the strokes in pixels of `share`, whole numbers.
        scale: Photo pixels in one pixel of `share`, across and down.
        dark: Whether the ink is darker than the paper.
        others: How many other figures of about that size there are.
    """

    share: NDArray[np.float32]
    box: tuple[int, int, int, int]
    scale: tuple[float, float]
    dark: bool
    others: int


def find_ink(image: NDArray[np.uint8]) -> Ink | None:
    """The figure with the most ink on a photo, or None where there is only paper.

    Args:
        image: uint8 `h w 3`, RGB.

    >>> paper = np.full((60, 80, 3), 230, np.uint8)
    >>> paper[20:40, 30:35] = (40, 30, 120)
    >>> find_ink(paper).box, find_ink(paper).dark
    ((30, 20, 35, 40), True)
    """
    levels, scale = _reduced(image)
    found = _find(levels)
    if found is not None and (sheet := find_sheet(found.share)) is not None:
        within = _find(only_sheet(levels, sheet))
        found = within or found
    return None if found is None else replace(found, scale=scale)


def _find(levels: NDArray[np.float32]) -> Ink | None:
    """The figure; one that touches the edges of the picture was cut out tightly, and is looked for as such."""
    found = _find_in(levels, goes_on=True)
    h, w = levels.shape[:2]
    if found is None or found.box[0] == 0 or found.box[1] == 0 or found.box[2] == w or found.box[3] == h:
        return _find_in(levels, goes_on=False) or found
    return found


def _find_in(levels: NDArray[np.float32], *, goes_on: bool) -> Ink | None:
    contrast, dark = ink_contrast(levels, goes_on=goes_on)
    if min(contrast.shape[:2]) < 3:
        return None
    for blur in (0.001, 0.003, 0.006):  # grainy paper is smoothed until ink stands out of it
        strength = along_ink(contrast, sigma=blur * max(contrast.shape[:2]))
        noise = 1.4826 * float(np.median(np.abs(strength[is_paper(strength)])))
        found = _figure(strength, max(_FAINTEST, _ABOVE_NOISE * noise))
        if found is not None:
            share, box, others = found
            return Ink(share, box, (1.0, 1.0), dark, others)
        if _ABOVE_NOISE * noise < _FAINTEST:  # grain hides nothing here
            return None
    return None


def _reduced(image: NDArray[np.uint8]) -> tuple[NDArray[np.float32], tuple[float, float]]:
    """The picture in [0, 1] with a longer side of at most 800 pixels, and the photo pixels in one of its pixels."""
    h, w = image.shape[:2]
    factor = max(1.0, max(h, w) / _LOOKED_AT_PX)
    size = (max(1, round(w / factor)), max(1, round(h / factor)))
    small = image if factor == 1 else np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX))
    levels: NDArray[np.float32] = small.astype(np.float32) / np.float32(255)
    return levels, (w / size[0], h / size[1])


def _figure(strength: Map, least: float) -> tuple[NDArray[np.float32], tuple[int, int, int, int], int] | None:
    """The share of ink of the figure with the most ink, its box, and the number of others; None without ink."""
    allowed, spare, enough = np.ones(strength.shape, bool), None, 0.0
    for _ in range(3):
        ink = allowed & (strength > least)
        if not ink.any():
            break
        level = float(np.quantile(strength[ink], 0.97))
        ink = without_lines(ink & (strength > _OF_DARKEST * level))
        strokes, count = ndimage.label(ink, structure=np.ones((3, 3)))
        if count == 0:
            break
        places = ndimage.find_objects(strokes)
        mass = ndimage.sum_labels(strength, strokes, np.arange(1, count + 1))
        sides = np.array([max(_extent(place)) for place in places])
        table = _spread_along_edges(strokes, places)
        good = ~table & (sides >= max(3, _SMALLEST * min(strength.shape)))
        most = int(np.argmax(mass))
        if spare is None and table[most] and (strokes[places[most]] == most + 1).mean() < 0.7:
            # A figure that was cut out without a margin touches the edges, too, but does not fill its box.
            spare, enough = (strokes, places, most, sides), 0.05 * float(mass[most])
        if good.any() and mass[good].max() > enough:
            main = int(np.argmax(np.where(good, mass, -1)))
            return _collect(strength, strokes, places, main, sides)
        if not table.any():
            break
        allowed &= ~ndimage.binary_dilation(np.isin(strokes, np.flatnonzero(table) + 1), iterations=3)
    return None if spare is None else _collect(strength, *spare)


def _spread_along_edges(strokes: Int[np.ndarray, "h w"], places: list[tuple[slice, slice]]) -> NDArray[np.bool_]:
    """Which patches go from edge to edge of the picture, or lie along a fifth of one, as no stroke does."""
    h, w = strokes.shape
    across = [(down.start == 0 and down.stop == h) or (x.start == 0 and x.stop == w) for down, x in places]
    edges = (strokes[0], strokes[-1], strokes[:, 0], strokes[:, -1])
    along = [np.bincount(edge, minlength=len(places) + 1)[1:] > _ALONG_EDGE * len(edge) for edge in edges]
    spread: NDArray[np.bool_] = np.array(across) | np.any(along, axis=0)
    return spread


def _collect(
    strength: Map, strokes: NDArray[Any], places: list[tuple[slice, slice]], main: int, sides: NDArray[np.int64]
) -> tuple[NDArray[np.float32], tuple[int, int, int, int], int]:
    """The main stroke and those near it, as shares of ink."""
    figure = strokes == main + 1
    sizes = np.bincount(strokes.ravel(), minlength=len(places) + 1)[1:]
    for _ in range(2):  # a stroke near a stroke near the first
        side = max(_extent(_bounds(figure)))
        near = _distance(figure) <= max(1.5, _NEAR * side)
        touched = np.unique(strokes[near & (strokes > 0)]) - 1
        figure = np.isin(strokes, [i + 1 for i in touched if i == main or sizes[i] >= 0.02 * sizes[main]])
    bounds = _bounds(figure)
    mine = set(np.unique(strokes[figure]) - 1)
    others = sum(1 for i, side in enumerate(sides) if i not in mine and side >= _AS_LARGE * max(_extent(bounds)))
    level = float(np.quantile(strength[figure], 0.8))
    share = np.clip((strength / level - 0.2) / 0.6, 0, 1)  # half a level is the edge of a blurred stroke
    reach = max(1, round(0.03 * max(_extent(bounds))))
    kept: NDArray[np.float32] = np.where(ndimage.binary_dilation(figure, iterations=reach), share, 0).astype(np.float32)
    down, across = _bounds(figure & (kept > 0.25))
    return kept, (across.start, down.start, across.stop, down.stop), others


def _bounds(mask: Bool[np.ndarray, "h w"]) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _extent(place: tuple[slice, slice]) -> tuple[int, int]:
    return place[0].stop - place[0].start, place[1].stop - place[1].start


def _distance(mask: Bool[np.ndarray, "h w"]) -> NDArray[np.float64]:
    """How far each pixel is from the nearest one in `mask`."""
    away: NDArray[np.float64] = ndimage.distance_transform_edt(~mask)
    return away
