"""How a detector finds its boxes, step by step, on the picture: proposals, anchors, the grid of a region, cells.

Each step takes plain arrays, whichever detector they come from, and leaves the photo readable: what is not the answer
is a hairline.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striate.draw.box_lines import Line, check_boxes, frame_box, line_width, text_size
from striate.draw.boxes import draw_boxes, write_plates
from striate.draw.checks import check_image, check_map
from striate.draw.class_colors import class_colors
from striate.draw.colormap import UNSIGNED, colorize, limits_of
from striate.draw.overlay import overlay
from striate.draw.sheet import Tile, draw_sheet
from striate.draw.themes import THEMES
from striate.errors import ConfigError, ShapeError

__all__ = [
    "draw_anchors",
    "draw_candidates",
    "draw_cell_map",
    "draw_class_cells",
    "draw_proposals",
    "draw_roi_grid",
    "draw_suppression",
]

_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)


def draw_proposals(
    pixels: NDArray[np.uint8],
    boxes: ArrayLike,
    scores: ArrayLike,
    *,
    limits: tuple[float, float] | None = None,
    truth: ArrayLike | None = None,
    zoom: int = 1,
) -> NDArray[np.uint8]:
    """Many boxes as thin lines on the dimmed picture, colored by how much each looks like an object.

    The least likely are drawn first and are the most transparent; the likeliest lie on top.

    Args:
        pixels: uint8 `h w 3`.
        boxes: `n 4`, xyxy pixels.
        scores: `n` numbers, the higher the likelier.
        limits: The scores of the first and the last color; from 0 to the highest by default.
        truth: `m 4`, what people marked, dashed and light.
        zoom: How many times the picture is enlarged before, each pixel a square.

    Returns:
        uint8 `h w 3`, times `zoom`.

    Raises:
        ShapeError: The picture is not uint8 `h w 3`, or the numbers of boxes and scores differ.
        ConfigError: A box cannot be drawn, `zoom` is below 1, or the limits do not ascend.
    """
    canvas = _enlarged(pixels, zoom)
    corners = check_boxes(boxes, "boxes") * zoom
    sure = np.asarray(scores, dtype=np.float64).reshape(-1)
    if len(sure) != len(corners):
        raise ShapeError(f"scores must be one for each of the {len(corners)} boxes; got {len(sure)}.")
    canvas = _dimmed(canvas, 0.55)
    low, high = limits or (0.0, limits_of(sure, signed=False)[1])
    if len(sure):
        colors = colorize(sure[None], limits=(low, high))[0]
        share = np.clip((sure - low) / max(high - low, 1e-12), 0, 1)
        width = max(1, line_width(canvas) // 2)
        for row in np.argsort(sure, kind="stable").tolist():
            color = (int(colors[row, 0]), int(colors[row, 1]), int(colors[row, 2]))
            frame_box(canvas, corners[row], Line(width, color, opacity=float(0.15 + 0.85 * share[row])), None)
    for box in check_boxes([] if truth is None else truth, "truth") * zoom:
        frame_box(canvas, box, Line(max(1, line_width(canvas) // 2), _WHITE, dash=1), _BLACK)
    return canvas


def draw_anchors(
    pixels: NDArray[np.uint8],
    anchors: ArrayLike,
    *,
    positive: ArrayLike | None = None,
    truth: ArrayLike | None = None,
    zoom: int = 1,
) -> NDArray[np.uint8]:
    """Anchors as quiet lines on the dimmed picture, those matched to an object in the accent color, truth dashed.

    Args:
        pixels: uint8 `h w 3`.
        anchors: `a 4`, xyxy pixels: those of one cell, or those that were sampled.
        positive: `a` booleans: matched to an object; none by default.
        truth: `m 4`, what people marked.
        zoom: How many times the picture is enlarged before, each pixel a square.

    Returns:
        uint8 `h w 3`, times `zoom`.

    Raises:
        ShapeError: The picture is not uint8 `h w 3`, or the numbers of anchors and marks differ.
        ConfigError: A box cannot be drawn, or `zoom` is below 1.
    """
    canvas = _dimmed(_enlarged(pixels, zoom), 0.6)
    corners = check_boxes(anchors, "anchors") * zoom
    matched = np.zeros(len(corners), np.bool_) if positive is None else np.asarray(positive, dtype=np.bool_).reshape(-1)
    if len(matched) != len(corners):
        raise ShapeError(f"positive must be one for each of the {len(corners)} anchors; got {len(matched)}.")
    width = line_width(canvas)
    for box in corners[~matched]:
        frame_box(canvas, box, Line(max(1, round(0.7 * width)), THEMES["dark"]["ink"], opacity=0.8), _BLACK)
    for box in check_boxes([] if truth is None else truth, "truth") * zoom:
        frame_box(canvas, box, Line(max(1, width // 2), _WHITE, dash=1), _BLACK)
    for box in corners[matched]:
        frame_box(canvas, box, Line(width + 1, THEMES["dark"]["accent"]), _BLACK)
    # The cell whose anchors these are: a dot in the middle that they share.
    if len(corners):
        middles = (corners[:, :2] + corners[:, 2:]) / 2
        if np.ptp(middles, axis=0).max() < zoom:
            _dots(canvas, middles[:1], 1.5 * width)
    return canvas


def draw_roi_grid(
    pixels: NDArray[np.uint8],
    box: ArrayLike,
    *,
    bins: ArrayLike,
    samples: ArrayLike | None = None,
    zoom: int = 1,
) -> NDArray[np.uint8]:
    """A region and the bins into which its features are pooled, on the photo.

    Args:
        pixels: uint8 `h w 3`.
        box: The region, xyxy pixels.
        bins: `b 4`, xyxy pixels: the bins as they were computed, so that what rounding did to them is seen.
        samples: `s 2`, x and y of the points that are interpolated; none by default (RoI pooling has none).
        zoom: How many times the picture is enlarged before, each pixel a square.

    Returns:
        uint8 `h w 3`, times `zoom`.

    Raises:
        ShapeError: The picture is not uint8 `h w 3`, or the bins are not `b 4`, or the samples not `s 2`.
        ConfigError: A box cannot be drawn, or `zoom` is below 1.
    """
    canvas = _enlarged(pixels, zoom)
    corners, region = check_boxes(bins, "bins") * zoom, check_boxes(np.atleast_2d(np.asarray(box)), "box") * zoom
    width = line_width(canvas)
    dimmed = _dimmed(canvas, 0.5)
    for x0, y0, x1, y1 in np.rint(np.clip(corners, 0, None)).astype(int).tolist():
        dimmed[y0:y1, x0:x1] = canvas[y0:y1, x0:x1]
    for one in corners:
        frame_box(dimmed, one, Line(1, _WHITE, opacity=0.8), None)
    frame_box(dimmed, region[0], Line(width, THEMES["dark"]["accent"]), _BLACK)
    if samples is not None:
        points = np.asarray(samples, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != 2:
            raise ShapeError(f"samples must be s 2 (x, y); got {' '.join(map(str, points.shape))}.")
        _dots(dimmed, points * zoom, max(1.0, 0.5 * width))
    return dimmed


def draw_cell_map(
    pixels: NDArray[np.uint8],
    values: NDArray[Any],
    *,
    limits: tuple[float, float] | None = None,
    opacity: float = 0.85,
    zoom: int = 1,
) -> NDArray[np.uint8]:
    """A small map of numbers over the picture, every cell a rectangle: objectness, confidence.

    Args:
        pixels: uint8 `h w 3`.
        values: `s t` numbers; the grid covers the whole picture.
        limits: As in `colorize`; from 0 to the highest by default.
        opacity: As in `overlay`.
        zoom: How many times the picture is enlarged before, each pixel a square.

    Returns:
        uint8 `h w 3`, times `zoom`.

    Raises:
        ShapeError: The picture is not uint8 `h w 3`, or the map is not `s t`.
        ConfigError: `zoom` is below 1, the opacity outside [0, 1], or the limits are wrong.
    """
    canvas = _enlarged(pixels, zoom)
    return overlay(
        canvas, _spread(check_map(values, name="values"), canvas), colormap=UNSIGNED, limits=limits, opacity=opacity
    )


def draw_class_cells(
    pixels: NDArray[np.uint8],
    class_map: NDArray[Any],
    labels: Sequence[str],
    *,
    strength: NDArray[Any] | None = None,
    owners: NDArray[Any] | None = None,
    theme: str = "dark",
    zoom: int = 1,
) -> NDArray[np.uint8]:
    """YOLO's grid: each cell in the color of its likeliest class, the stronger the surer.

    A class is named at its strongest cell, if that has at least half the strength of the strongest of all.

    Args:
        pixels: uint8 `h w 3`.
        class_map: `s t` positions in `labels`.
        labels: Names of the classes.
        strength: `s t` numbers in [0, 1], how much color a cell gets: P(class | object), or a confidence; 1 by default.
        owners: `s t`: class of the object whose middle lies in the cell, below 0 where there is none; marked by dots.
        theme: Which cycle of colors.
        zoom: How many times the picture is enlarged before, each pixel a square.

    Returns:
        uint8 `h w 3`, times `zoom`.

    Raises:
        ShapeError: The picture is not uint8 `h w 3`, or the grids are of different sizes, or a class has no label.
        ConfigError: `zoom` is below 1, or `theme` is unknown.
    """
    canvas = _enlarged(pixels, zoom)
    kinds = check_map(class_map, name="class_map").astype(np.int64)
    if kinds.min() < 0 or kinds.max() >= len(labels):
        raise ShapeError(
            f"class_map must be positions in the {len(labels)} labels; got {kinds.min()} to {kinds.max()}."
        )
    share = np.ones(kinds.shape) if strength is None else check_map(strength, name="strength")
    marked = np.full(kinds.shape, -1) if owners is None else check_map(owners, name="owners").astype(np.int64)
    if share.shape != kinds.shape or marked.shape != kinds.shape:
        raise ShapeError(
            f"strength and owners must have the size {kinds.shape} of class_map; got {share.shape} and {marked.shape}."
        )
    cycle = np.array(class_colors(theme), dtype=np.float64)
    tint = _spread(kinds, canvas)
    much = 0.62 * np.clip(_spread(share, canvas), 0, 1)[..., None]
    gray = canvas @ np.array([0.299, 0.587, 0.114])
    shaded = cycle[tint % len(cycle)] * (0.35 + 0.65 * gray[..., None] / 255)
    canvas = np.asarray(np.rint(canvas * (1 - much) + shaded * much), dtype=np.uint8)
    rows, columns = (_edges(count, side) for count, side in zip(kinds.shape, canvas.shape[:2], strict=True))
    for y in (y for y in rows[1:-1] if y < canvas.shape[0]):
        canvas[y] = np.rint(0.6 * canvas[y] + 0.4 * 255).astype(np.uint8)
    for x in (x for x in columns[1:-1] if x < canvas.shape[1]):
        canvas[:, x] = np.rint(0.6 * canvas[:, x] + 0.4 * 255).astype(np.uint8)
    middles = [
        ((columns[t] + columns[t + 1]) / 2, (rows[s] + rows[s + 1]) / 2) for s, t in np.argwhere(marked >= 0).tolist()
    ]
    _dots(canvas, np.array(middles).reshape(-1, 2), 1.5 * line_width(canvas))
    best = {int(kind): np.where(kinds == kind, share, -np.inf).argmax() for kind in np.unique(kinds)}
    cells = {kind: divmod(int(place), kinds.shape[1]) for kind, place in best.items()}
    shown = sorted((k for k in cells if share[cells[k]] >= 0.5 * share.max()), key=lambda k: -share[cells[k]])
    boxes = [(columns[t], rows[s], columns[t + 1], rows[s + 1]) for s, t in (cells[kind] for kind in shown)]
    named = [(labels[kind], class_colors(theme)[kind % len(cycle)]) for kind in shown]
    return write_plates(canvas, np.array(boxes, dtype=np.float64), named, text_size(canvas), 1)


def draw_candidates(
    pixels: NDArray[np.uint8],
    boxes: ArrayLike,
    classes: ArrayLike,
    labels: Sequence[str],
    *,
    scores: ArrayLike,
    zoom: int = 1,
) -> NDArray[np.uint8]:
    """Boxes with classes before most of them go: thin lines in their classes' colors on the dimmed picture.

    The less sure are drawn first and are the more transparent.

    Args:
        pixels: uint8 `h w 3`.
        boxes: `n 4`, xyxy pixels.
        classes: `n` positions in `labels`.
        labels: Names of the classes.
        scores: `n` numbers of at least 0; the highest has the full color.
        zoom: How many times the picture is enlarged before, each pixel a square.

    Returns:
        uint8 `h w 3`, times `zoom`.

    Raises:
        ShapeError: As `draw_boxes`.
        ConfigError: As `draw_boxes`.
    """
    corners = check_boxes(boxes, "boxes")
    kinds, sure = np.asarray(classes).reshape(-1), np.asarray(scores, dtype=np.float64).reshape(-1)
    draw_boxes(pixels[:1, :1], corners, kinds, labels, scores=sure, plates=False)  # refuses what cannot be drawn
    canvas = _dimmed(_enlarged(pixels, zoom), 0.6)
    cycle = class_colors("dark")
    width, most = max(1, round(0.7 * line_width(canvas))), max(float(sure.max(initial=0.0)), 1e-12)
    for row in np.argsort(sure, kind="stable").tolist():
        opacity = float(0.3 + 0.7 * np.clip(sure[row] / most, 0, 1))
        color = cycle[int(kinds[row]) % len(cycle)]
        frame_box(canvas, corners[row] * zoom, Line(width, color, opacity=opacity), None)
    return canvas


def draw_suppression(
    pixels: NDArray[np.uint8],
    boxes: ArrayLike,
    classes: ArrayLike,
    labels: Sequence[str],
    *,
    scores: ArrayLike,
    keep: ArrayLike,
    theme: str = "light",
    zoom: int = 1,
) -> NDArray[np.uint8]:
    """All boxes beside those that non-maximum suppression left.

    Args:
        pixels: uint8 `h w 3`.
        boxes: `n 4`, xyxy pixels.
        classes: `n` positions in `labels`.
        labels: Names of the classes.
        scores: `n` numbers.
        keep: Positions of the boxes that stayed.
        theme: Of the paper around the two pictures.
        zoom: How many times the picture is enlarged before, each pixel a square.

    Returns:
        uint8 `H W 3`.

    Raises:
        ShapeError: As `draw_boxes`; or `keep` is no list of positions.
        ConfigError: As `draw_boxes`.
    """
    corners = check_boxes(boxes, "boxes")
    kinds, sure = np.asarray(classes).reshape(-1), np.asarray(scores).reshape(-1)
    stay = np.asarray(keep, dtype=np.int64).reshape(-1)
    if len(stay) and not 0 <= int(stay.min()) <= int(stay.max()) < len(corners):
        raise ShapeError(f"keep must be positions of the {len(corners)} boxes; got {stay.min()} to {stay.max()}.")
    draw_boxes(pixels[:1, :1], corners, kinds, labels, scores=sure, plates=False)  # refuses what cannot be drawn
    before = _enlarged(pixels, zoom)
    cycle = class_colors("dark")
    for row in np.argsort(sure, kind="stable").tolist():
        frame_box(before, corners[row] * zoom, Line(1, cycle[int(kinds[row]) % len(cycle)]), None)
    after = draw_boxes(pixels, corners[stay], kinds[stay], labels, scores=sure[stay], zoom=zoom)
    titles = (f"before suppression: {len(corners):,}", f"after: {len(stay):,}")
    tiles = [Tile(image, title) for image, title in zip((before, after), titles, strict=True)]
    return draw_sheet(tiles, columns=2, theme=theme)


def _enlarged(pixels: NDArray[np.uint8], zoom: int) -> NDArray[np.uint8]:
    check_image(pixels, name="pixels")
    if zoom < 1:
        raise ConfigError(f"zoom must be at least 1; got {zoom}.")
    return np.repeat(np.repeat(pixels, zoom, axis=0), zoom, axis=1)


def _dimmed(canvas: NDArray[np.uint8], share: float) -> NDArray[np.uint8]:
    return np.asarray(np.rint(share * canvas), dtype=np.uint8)


def _edges(count: int, side: int) -> list[int]:
    """Where `count` equal cells begin on `side` pixels, and where the last one ends."""
    return [round(number * side / count) for number in range(count + 1)]


def _spread(values: NDArray[Any], canvas: NDArray[np.uint8]) -> NDArray[Any]:
    """A small map enlarged to the picture, every cell a rectangle."""
    rows, columns = (
        np.repeat(np.arange(count), np.diff(_edges(count, side)))
        for count, side in zip(values.shape, canvas.shape[:2], strict=True)
    )
    return np.asarray(values[rows][:, columns])


def _dots(canvas: NDArray[np.uint8], points: NDArray[np.float64], radius: float) -> None:
    """White dots with a dark edge."""
    height, width = canvas.shape[:2]
    reach = int(radius + 2)
    for x, y in points.tolist():
        x0, y0 = max(int(x) - reach, 0), max(int(y) - reach, 0)
        x1, y1 = min(int(x) + reach + 1, width), min(int(y) + reach + 1, height)
        if x0 >= x1 or y0 >= y1:
            continue
        away = np.hypot(np.arange(x0, x1)[None] + 0.5 - x, np.arange(y0, y1)[:, None] + 0.5 - y)
        region = canvas[y0:y1, x0:x1]
        region[away <= radius + 1] = 0
        region[away <= radius] = 255
