"""Find what is written on a photo of paper: which pixels are ink, how much of it, and where the figure is.

A network that learned from scanned digits knows bright ink on a black ground and nothing else. A photo shows paper with
a shadow across it, a pen of some color, grain, a neighboring word and the edge of the table. So the paper is estimated
first: a smooth surface that follows the light, but not the strokes. What differs from it, as a share of the way to
black (or to white, on a blackboard), is ink:

    s = 1 − photo / paper   (dark ink),        s = (photo − paper) / (1 − paper)   (light ink)

The three channels are added up in the direction in which ink and paper differ, so a red pen on blue paper counts in
full. Ink is what reaches two fifths of the darkest strokes; touching pixels make a stroke, near strokes make a figure,
and the figure with the most ink is the one that was meant. What spreads along the picture's edge is the table.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from scipy.spatial import ConvexHull

from striate.data.ruled_lines import without_lines

__all__ = ["Ink", "find_ink"]

_LOOKED_AT_PX = 800  # the longer side of the picture that is searched
_THUMBNAIL_PX = 72  # the longer side on which the paper is estimated
_WINDOW = 0.35  # of the shorter side: the paper under a stroke is looked for that far away
_SHADOW = (0.5, 1.6)  # how much the paper may differ from the smooth surface by a shadow's edge
_LEAST_ROOM = 0.3  # of full white: contrast is counted in a range of at least this
_FAINTEST = 0.08  # ink must take away this share of the paper's light
_ABOVE_NOISE = 6.0  # and stand out by so many standard deviations of the paper's grain
_OF_DARKEST = 0.4  # of the figure's level: where a stroke ends
_SMALLEST = 0.02  # of the shorter side: a figure is at least so large, anything smaller is dirt
_NEAR = 0.12  # of the figure's longer side: strokes this near belong to it (the bar of a 5)
_SHEET = 0.15  # of the photo's longer side: a sheet of paper on a table is at least so large
_THICK = 0.12  # of its longer side: the largest circle beside the writing has at least this radius
_DENTED = 0.88  # of its convex hull: a sheet fills at least so much
_CORNERED = 0.9  # of the smallest rectangle around it: a sheet fills at least so much, a round figure π/4
_AS_LARGE = 0.4  # of the figure's longer side: what else is so large is another figure

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
    if found is not None and (sheet := _sheet(found.share)) is not None:
        within = _find(_alone(levels, sheet))
        found = within or found
    return None if found is None else replace(found, scale=scale)


def _find(levels: NDArray[np.float32]) -> Ink | None:
    surface = _lit_surface(levels)
    dark = _is_dark(levels, surface)
    contrast = _contrast(levels, surface, dark=dark)
    if min(contrast.shape[:2]) < 3:
        return None
    for blur in (0.001, 0.003, 0.006):  # grainy paper is smoothed until ink stands out of it
        strength = _along_ink(contrast, sigma=blur * max(contrast.shape[:2]))
        noise = 1.4826 * float(np.median(np.abs(strength[_is_paper(strength)])))
        found = _figure(strength, max(_FAINTEST, _ABOVE_NOISE * noise))
        if found is not None:
            share, box, others = found
            return Ink(share, box, (1.0, 1.0), dark, others)
        if _ABOVE_NOISE * noise < _FAINTEST:  # grain hides nothing here
            return None
    return None


def _sheet(share: Map) -> Bool[np.ndarray, "h w"] | None:
    """Where a sheet of paper lies, if that is what was found: a note on a table.

    It is thicker than a pen would draw, has no dents, and something is written on it.
    """
    figure = share > 0.5
    bounds = _bounds(figure)
    whole: NDArray[np.bool_] = ndimage.binary_fill_holes(figure)
    if max(_extent(bounds)) < _SHEET * max(figure.shape) or whole.sum() == figure.sum():
        return None
    thickness = float(_distance(~figure[bounds]).max())
    hull, around = _hull_areas(whole[bounds])
    if thickness < _THICK * max(_extent(bounds)) or whole.sum() < _DENTED * hull or hull < _CORNERED * around:
        return None
    return whole


def _hull_areas(mask: Bool[np.ndarray, "h w"]) -> tuple[float, float]:
    """The areas of the smallest convex shape and of the smallest rectangle, turned as it may be, around a mask."""
    rows = np.flatnonzero(mask.any(axis=1))
    first, last = mask[rows].argmax(axis=1), mask.shape[1] - mask[rows][:, ::-1].argmax(axis=1)
    corners = np.array(
        [(x, y + down) for y, *ends in zip(rows, first, last, strict=True) for x in ends for down in (0, 1)]
    )
    hull = ConvexHull(corners)
    outline = corners[hull.vertices]
    angles = np.deg2rad(np.arange(0, 90, 2))
    turns = np.stack([np.stack([np.cos(angles), np.sin(angles)]), np.stack([-np.sin(angles), np.cos(angles)])])
    spans = np.ptp(np.einsum("nc,dca->nda", outline, turns), axis=0)  # d a
    return float(hull.volume), float(spans.prod(axis=0).min())  # in two dimensions the hull's "volume" is its area


def _alone(levels: NDArray[np.float32], sheet: Bool[np.ndarray, "h w"]) -> NDArray[np.float32]:
    """The picture with the color of the sheet everywhere around it, and its edges cut off."""
    within = ndimage.binary_erosion(sheet, iterations=max(2, round(0.01 * max(sheet.shape))))
    if not within.any():
        return levels
    color: NDArray[np.float32] = np.median(levels[within], axis=0)
    return np.where(within[..., None], levels, color)


def _reduced(image: NDArray[np.uint8]) -> tuple[NDArray[np.float32], tuple[float, float]]:
    """The picture in [0, 1] with a longer side of at most 800 pixels, and the photo pixels in one of its pixels."""
    h, w = image.shape[:2]
    factor = max(1.0, max(h, w) / _LOOKED_AT_PX)
    size = (max(1, round(w / factor)), max(1, round(h / factor)))
    small = image if factor == 1 else np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX))
    levels: NDArray[np.float32] = small.astype(np.float32) / np.float32(255)
    return levels, (w / size[0], h / size[1])


def _thumbnail(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    h, w, channels = levels.shape
    factor = max(1.0, max(h, w) / _THUMBNAIL_PX)
    size = (max(1, round(w / factor)), max(1, round(h / factor)))
    return np.stack([_resized(levels[..., c], size, Image.Resampling.BOX) for c in range(channels)], axis=2)


def _resized(values: Map, size: tuple[int, int], how: Image.Resampling) -> NDArray[np.float32]:
    return np.asarray(Image.fromarray(values).resize(size, how))


def _lit_surface(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    """The paper's light, as a polynomial of second degree in x and y for each channel, `h w 3`.

    Least squares again and again, each time with less weight for what lies far off: strokes lose their say. It starts
    at the middle level of the rim or of the whole, whichever more of the rim and of the whole is near to. One level
    comes first, then a slope, then a bend, or the bend would lean towards a dark table at the side.
    """
    small = _thumbnail(levels)
    rim = np.pad(np.zeros([max(side - 2, 0) for side in small.shape[:2]], bool), 1, constant_values=True)
    rim = rim[: small.shape[0], : small.shape[1]].ravel()
    terms, values = _polynomial(small.shape[:2]).reshape(-1, 6), small.reshape(-1, 3)

    def near(level: NDArray[np.float32]) -> float:
        close = np.abs(values - level).max(axis=1) < 0.1
        return float(close[rim].mean() + close.mean())

    fitted = np.zeros((6, 3))
    fitted[0] = max(np.median(values[rim], axis=0), np.median(values, axis=0), key=near)
    for used in (1, 1, 3, 3, 3, 6, 6, 6, 6, 6):
        away = np.abs(values - terms @ fitted).max(axis=1, keepdims=True)
        spread = max(1.5 * float(min(np.median(away[rim]), np.median(away))), 0.01)
        weight = 1 / (1 + (away / spread) ** 2)
        fitted[:used] = np.linalg.lstsq(terms[:, :used] * weight, values * weight, rcond=None)[0]
    everywhere = (_polynomial(levels.shape[:2]).reshape(-1, 6) @ fitted).reshape(levels.shape)
    surface: NDArray[np.float32] = np.clip(everywhere, 0.02, 1.0).astype(np.float32)
    return surface


def _polynomial(size: tuple[int, int]) -> NDArray[np.float64]:
    h, w = size
    y, x = np.meshgrid((np.arange(h) + 0.5) / h - 0.5, (np.arange(w) + 0.5) / w - 0.5, indexing="ij")
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=2)


def _is_dark(levels: NDArray[np.float32], surface: NDArray[np.float32]) -> bool:
    """Whether more lies far below the paper than far above it."""
    away = (levels - surface).mean(axis=2)
    return float((away * away * away).sum(dtype=np.float64)) <= 0


def _contrast(levels: NDArray[np.float32], surface: NDArray[np.float32], *, dark: bool) -> NDArray[np.float32]:
    """The share of the way from the paper to black or white, for each channel: about 0 on paper, below 0 beyond it."""
    flat = levels / surface
    small = _thumbnail(flat)
    window = max(3, round(_WINDOW * min(small.shape[:2])))
    h, w = levels.shape[:2]
    paper = np.empty_like(levels)
    for c in range(3):  # the paper beside the strokes: the brighter pixels around (for light ink the darker ones)
        near = ndimage.percentile_filter(small[..., c], 85 if dark else 15, size=window, mode="nearest")
        near = ndimage.gaussian_filter(near, window / 4, mode="nearest").clip(*_SHADOW)
        paper[..., c] = _resized(near.astype(np.float32), (w, h), Image.Resampling.BILINEAR) * surface[..., c]
    # White ink on white paper, or black on black, would be a division of grain by nothing.
    room = np.maximum(paper if dark else 1 - paper, _LEAST_ROOM)
    contrast = (paper - levels if dark else levels - paper) / room
    contrast -= np.median(contrast[_is_paper(contrast.max(axis=2))], axis=0)
    return contrast.astype(np.float32)


def _is_paper(contrast: Map) -> Bool[np.ndarray, "h w"]:
    """The pixels that are surely paper; all where none is. Bold ink may cover more than half of a picture."""
    paper = np.abs(contrast) < 0.15
    return paper if paper.any() else np.ones_like(paper)


def _along_ink(contrast: NDArray[np.float32], *, sigma: float) -> NDArray[np.float32]:
    """The channels added up in the direction in which the strongest two percent differ from the paper."""
    if sigma > 0.3:
        contrast = np.stack([ndimage.gaussian_filter(contrast[..., c], sigma) for c in range(3)], axis=2)
    total = contrast.sum(axis=2)
    direction = contrast[total >= np.quantile(total, 0.98)].mean(axis=0).clip(min=0)
    if not direction.any():
        return np.zeros(total.shape, np.float32)
    along: NDArray[np.float32] = contrast @ (direction / direction.sum())
    return along


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
        table = np.array([_spreads_along_edge(strokes, place, i + 1) for i, place in enumerate(places)])
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


def _spreads_along_edge(strokes: NDArray[Any], place: tuple[slice, slice], number: int) -> bool:
    """Whether a patch goes from edge to edge of the picture, or lies along a fifth of one, as no stroke does."""
    h, w = strokes.shape
    down, across = place
    ends = (down.start == 0, across.start == 0, down.stop == h, across.stop == w)
    if not any(ends):
        return False
    if (ends[0] and ends[2]) or (ends[1] and ends[3]):
        return True
    mine = strokes == number
    return max(float(edge.mean()) for edge in (mine[0], mine[-1], mine[:, 0], mine[:, -1])) > 0.2


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
