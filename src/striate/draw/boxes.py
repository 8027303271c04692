"""Boxes on a picture, each with its class's name and its score, readable where they crowd."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw

from striate.draw.checks import check_image
from striate.draw.class_colors import class_colors
from striate.draw.font import load_font
from striate.draw.label_plates import place_plates, text_color
from striate.draw.themes import RGB
from striate.errors import ConfigError, ShapeError

__all__ = ["draw_boxes", "score_words"]


def draw_boxes(
    pixels: NDArray[np.uint8],
    boxes: ArrayLike,
    classes: ArrayLike,
    labels: Sequence[str],
    *,
    scores: ArrayLike | None = None,
    dashed: ArrayLike | None = None,
    truth: ArrayLike | None = None,
    plates: bool = True,
    colors: Sequence[RGB] | None = None,
    theme: str = "dark",
    zoom: int = 1,
) -> NDArray[np.uint8]:
    """The picture with a line around each box, in its class's color, and a plate with its name and score.

    Lines and words grow with the root of the picture's size; the line gets thinner on a box that it would fill. The
    surest boxes are drawn last and named first. A name that would cover another is left out: the line stays.

    Args:
        pixels: uint8 `h w 3`.
        boxes: `n 4`, xyxy pixels; what lies outside of the picture is not seen.
        classes: `n` positions in `labels`.
        labels: Names of the classes.
        scores: `n` numbers, written with two digits; none by default.
        dashed: `n` booleans: difficult objects, crowds; none by default.
        truth: `m 4`, what people marked, as thin dashed light lines below the others.
        plates: Whether names are written.
        colors: One RGB a class; by default the cycle that the color-blind tell apart.
        theme: Which cycle: `dark` has light colors with dark words, `light` dark colors with white words.
        zoom: How many times the picture is enlarged before, each pixel a square; boxes are given before it.

    Returns:
        uint8 `h w 3`, times `zoom`.

    Raises:
        ShapeError: The picture is not uint8 `h w 3`; or numbers of boxes, classes, scores and marks differ; or a
            class has no label.
        ConfigError: A coordinate is not finite or a box ends before it begins; `zoom` is below 1; `theme` is unknown;
            or there are fewer colors than labels.

    >>> photo = np.zeros((64, 96, 3), np.uint8)
    >>> draw_boxes(photo, [[8, 20, 50, 60]], [0], ["cat"], scores=[0.913]).shape
    (64, 96, 3)
    """
    check_image(pixels, name="pixels")
    if zoom < 1:
        raise ConfigError(f"zoom must be at least 1; got {zoom}.")
    corners, real = _corners(boxes, "boxes"), _corners([] if truth is None else truth, "truth")
    kinds = np.asarray(classes, dtype=np.int64).reshape(-1)
    sure = None if scores is None else np.asarray(scores, dtype=np.float64).reshape(-1)
    broken = np.zeros(len(corners), np.bool_) if dashed is None else np.asarray(dashed, dtype=np.bool_).reshape(-1)
    _check(corners, kinds, labels, sure, broken)
    cycle = class_colors(theme) if colors is None else tuple(colors)
    if colors is not None and len(cycle) < len(labels):
        raise ConfigError(f"colors must be one for each of the {len(labels)} labels; got {len(cycle)}.")
    canvas = np.repeat(np.repeat(pixels, zoom, axis=0), zoom, axis=1) if zoom > 1 else pixels.copy()
    corners, real = corners * zoom, real * zoom
    side = float(np.sqrt(canvas.shape[0] * canvas.shape[1]))
    line = max(1, round(0.11 * side**0.5))
    # The most important first: by score, and where there are none the small ones, which a large one would cover.
    sizes = (corners[:, 2:] - corners[:, :2]).prod(1)
    order = np.argsort(sizes if sure is None else -sure, kind="stable")
    halo = (0, 0, 0) if theme == "dark" else (255, 255, 255)
    for box in real:
        _frame(canvas, box, _Line(max(1, line // 2), (255, 255, 255), dash=1), (0, 0, 0))
    for row in order[::-1].tolist():
        color = cycle[int(kinds[row]) % len(cycle)]
        _frame(canvas, corners[row], _Line(line, color, dash=int(broken[row])), halo)
    if not plates or not len(corners):
        return canvas
    size = max(9.0, 0.62 * side**0.5)
    named = []
    for row in order.tolist():
        kind, words = int(kinds[row]), "" if sure is None else score_words(float(sure[row]))
        named.append((_fitted(labels[kind], words, size, canvas.shape[1]), cycle[kind % len(cycle)]))
    return _with_plates(canvas, corners[order], named, size, line)


def score_words(score: float) -> str:
    """A score with two digits.

    >>> score_words(0.913), score_words(1.0)
    ('.91', '1.00')
    """
    text = f"{score:.2f}"
    return text[1:] if text.startswith("0.") else text


def _with_plates(
    canvas: NDArray[np.uint8], boxes: NDArray[np.float64], named: Sequence[tuple[str, RGB]], size: float, line: int
) -> NDArray[np.uint8]:
    """The plates drawn over everything, the most important (the first) last."""
    font = load_font(size)
    across, high = max(2, round(size * 0.3)), round(size * 1.34)
    wide = np.array([(np.ceil(_text_width(name, size)) + 2 * across, high) for name, _ in named])
    height, width = canvas.shape[:2]
    seen = (boxes[:, 0] < width) & (boxes[:, 1] < height) & (boxes[:, 2] > 0) & (boxes[:, 3] > 0)
    rows = np.flatnonzero(seen).tolist()
    places = place_plates(boxes[seen], wide[seen], (height, width), gap=(line + 1) // 2)
    picture = Image.fromarray(canvas)
    pen = ImageDraw.Draw(picture)
    for row, place in reversed(list(zip(rows, places, strict=True))):
        if place is None:
            continue
        x, y = place
        w, h = wide[row].astype(int).tolist()
        pen.rectangle((x, y, x + w - 1, y + h - 1), fill=named[row][1])
        middle = y + h / 2 + size * 0.36
        pen.text((x + across, middle), named[row][0], text_color(named[row][1]), font=font, anchor="ls")
    return np.array(picture)


@dataclass(frozen=True, slots=True)
class _Line:
    """What a line looks like: its width, its color, how much it covers, and the length of its dashes (0: whole)."""

    width: int
    color: RGB
    opacity: float = 1.0
    dash: int = 0


def _frame(canvas: NDArray[np.uint8], box: NDArray[np.float64], line: _Line, halo: RGB) -> None:
    """A line around a box, half of it inside, with a fainter line on both sides that parts it from the picture."""
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
    if min(right - left, bottom - top) > 6 * wide:
        around = (left - edge, top - edge, right + edge, bottom + edge)
        _ring(canvas, around, _Line(wide + 2 * edge, halo, opacity=0.4))
    _ring(canvas, (left, top, right, bottom), replace(line, width=wide, dash=max(4, 4 * wide) if line.dash else 0))


def _ring(canvas: NDArray[np.uint8], outer: tuple[int, int, int, int], line: _Line) -> None:
    x0, y0, x1, y1 = outer
    across, down = min(line.width, y1 - y0), min(line.width, x1 - x0)
    _fill(canvas, (x0, y0, x1, y0 + across), line, 1)
    _fill(canvas, (x0, max(y1 - across, y0 + across), x1, y1), line, 1)
    _fill(canvas, (x0, y0 + across, x0 + down, y1 - across), line, 0)
    _fill(canvas, (max(x1 - down, x0 + down), y0 + across, x1, y1 - across), line, 0)


def _fill(canvas: NDArray[np.uint8], part: tuple[int, int, int, int], line: _Line, axis: int) -> None:
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


@lru_cache(maxsize=4096)
def _text_width(text: str, size: float) -> float:
    return float(load_font(size).getlength(text))


@lru_cache(maxsize=4096)
def _fitted(label: str, score: str, size: float, width: int) -> str:
    """Name and score; a name longer than two fifths of the picture ends in an ellipsis."""
    name = "".join(letter if letter.isprintable() else " " for letter in label)
    end = f" {score}" if score else ""
    if _text_width(name + end, size) <= max(0.4 * width, 4 * size):
        return name + end
    while len(name) > 1 and _text_width(f"{name}…{end}", size) > max(0.4 * width, 4 * size):
        name = name[:-1].rstrip()
    return f"{name}…{end}"


def _corners(boxes: ArrayLike, name: str) -> NDArray[np.float64]:
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


def _check(
    boxes: NDArray[np.float64],
    classes: NDArray[np.int64],
    labels: Sequence[str],
    scores: NDArray[np.float64] | None,
    dashed: NDArray[np.bool_],
) -> None:
    for name, values in (("classes", classes), ("scores", scores), ("dashed", dashed)):
        if values is not None and len(values) != len(boxes):
            raise ShapeError(f"{name} must be one for each of the {len(boxes)} boxes; got {len(values)}.")
    if len(classes) and not 0 <= int(classes.min()) <= int(classes.max()) < len(labels):
        raise ShapeError(
            f"classes must be positions in the {len(labels)} labels; got {classes.min()} to {classes.max()}."
        )
