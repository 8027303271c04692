"""Boxes on a picture, each with its class's name and its score, readable where they crowd."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw

from striate.draw.box_lines import Line, check_boxes, frame_box, line_width, text_size
from striate.draw.checks import check_image
from striate.draw.class_colors import class_colors
from striate.draw.font import load_font
from striate.draw.label_plates import place_plates, text_color
from striate.draw.themes import RGB
from striate.errors import ConfigError, ShapeError

__all__ = ["draw_boxes", "score_words", "write_plates"]


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

    Lines and words grow with the root of the picture's size; the line gets thinner on a box that it would fill, words
    get smaller among many small boxes. The surest boxes are drawn last and named first. A name that would cover
    another is left out, and names stop where they cover three tenths of the picture: the line stays.

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
    corners, real = check_boxes(boxes, "boxes"), check_boxes([] if truth is None else truth, "truth")
    kinds = np.asarray(classes, dtype=np.int64).reshape(-1)
    sure = None if scores is None else np.asarray(scores, dtype=np.float64).reshape(-1)
    broken = np.zeros(len(corners), np.bool_) if dashed is None else np.asarray(dashed, dtype=np.bool_).reshape(-1)
    _check(corners, kinds, labels, sure, broken)
    cycle = class_colors(theme) if colors is None else tuple(colors)
    if colors is not None and len(cycle) < len(labels):
        raise ConfigError(f"colors must be one for each of the {len(labels)} labels; got {len(cycle)}.")
    canvas = np.repeat(np.repeat(pixels, zoom, axis=0), zoom, axis=1) if zoom > 1 else pixels.copy()
    corners, real = corners * zoom, real * zoom
    # Many small boxes: names as large as on a portrait would hide what they name.
    sides = np.sqrt((corners[:, 2:] - corners[:, :2]).prod(1))
    middle = float(np.median(sides)) if len(sides) > 8 else np.inf
    line, size = line_width(canvas), min(text_size(canvas), max(9.0, 0.28 * middle))
    # The most important first: by score, and where there are none the small ones, which a large one would cover.
    areas = (corners[:, 2:] - corners[:, :2]).prod(1)
    order = np.argsort(areas if sure is None else -sure, kind="stable")
    halo = (0, 0, 0) if theme == "dark" else (255, 255, 255)
    for box in real:
        frame_box(canvas, box, Line(max(1, line // 2), (255, 255, 255), dash=1), (0, 0, 0))
    for row in order[::-1].tolist():
        color = cycle[int(kinds[row]) % len(cycle)]
        frame_box(canvas, corners[row], Line(line, color, dash=int(broken[row])), halo)
    if not plates or not len(corners):
        return canvas
    named = []
    for row in order.tolist():
        kind, words = int(kinds[row]), "" if sure is None else score_words(float(sure[row]))
        named.append((_fitted(labels[kind], words, size, canvas.shape[1]), cycle[kind % len(cycle)]))
    return write_plates(canvas, corners[order], named, size, line)


def score_words(score: float) -> str:
    """A score with two digits.

    >>> score_words(0.913), score_words(1.0)
    ('.91', '1.00')
    """
    text = f"{score:.2f}"
    return text[1:] if text.startswith("0.") else text


def write_plates(
    canvas: NDArray[np.uint8], boxes: NDArray[np.float64], named: Sequence[tuple[str, RGB]], size: float, line: int
) -> NDArray[np.uint8]:
    """Names of boxes on plates over everything, the most important (the first) last and surely.

    Args:
        canvas: uint8 `h w 3`.
        boxes: `n 4`, xyxy pixels.
        named: Text and color of each plate.
        size: Of the text, in pixels.
        line: Width of the line around the boxes.

    Returns:
        uint8 `h w 3`.
    """
    if not named:
        return canvas
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
