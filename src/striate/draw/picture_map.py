"""Thumbnails at places in the plane. Where they would pile up, one is shown and others are dots; or a grid."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw

from striate.draw.class_colors import class_colors, class_places, spread_colors
from striate.draw.font import load_font
from striate.draw.themes import theme_colors
from striate.draw.thumbnails import resized_squares
from striate.errors import ConfigError, ShapeError

__all__ = ["apart", "draw_picture_map"]

_MARGIN = 48


def apart(places: ArrayLike, side: float, *, first: ArrayLike | None = None) -> NDArray[np.bool_]:
    """Which of the squares of width `side` around `places` (`n 2`) can be shown so that none covers another.

    Taken in their order, those of `first` before the others: what is shown does not change when more comes after it.

    >>> apart([[0.0, 0.0], [3.0, 0.0], [9.0, 0.0]], 4.0).tolist()
    [True, False, True]
    """
    points = np.asarray(places, dtype=np.float64)
    shown = np.zeros(len(points), bool)
    order = np.arange(len(points))
    if first is not None:
        order = np.argsort(~np.asarray(first, dtype=bool), kind="stable")
    taken: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for index in order.tolist():
        x, y = points[index].tolist()
        column, row = math.floor(x / side), math.floor(y / side)
        near = (p for a in (-1, 0, 1) for b in (-1, 0, 1) for p in taken.get((column + a, row + b), ()))
        if all(abs(x - p) >= side or abs(y - q) >= side for p, q in near):
            taken.setdefault((column, row), []).append((x, y))
            shown[index] = True
    return shown


def draw_picture_map(
    positions: ArrayLike,
    thumbnails: NDArray[np.uint8],
    *,
    labels: Sequence[str] | None = None,
    marked: ArrayLike | None = None,
    cells: NDArray[np.int64] | None = None,
    side: int = 1600,
    thumbnail: int | None = None,
    theme: str = "light",
    title: str = "",
    notes: Sequence[str] = (),
) -> NDArray[np.uint8]:
    """A map of pictures as uint8 `H W 3`.

    Args:
        positions: `n 2`, x to the right and y upwards; both axes have one scale.
        thumbnails: uint8 `n t t 3`.
        labels: A class for each (empty for none): a line in its color below each thumbnail, its name where it is.
        marked: Which are new: in the accent's frame, and shown before others.
        cells: `n 2`, (row, column) of a grid that has all of them instead.
        side: Width in pixels, at least 320.
        thumbnail: Side of a thumbnail in pixels; by default the largest of 72 to 20 at which half of them are shown.
        theme: `light` or `dark`.
        title: Above all.
        notes: Quieter lines below the title.

    Raises:
        ShapeError: Not one place, thumbnail or label a picture, or no picture.
        ConfigError: A size that is too small, or an unknown theme.
    """
    points = np.asarray(positions, dtype=np.float64)
    count = len(points)
    if not count or points.shape != (count, 2) or len(thumbnails) != count or not np.isfinite(points).all():
        raise ShapeError(f"positions must be finite 'n 2' with n thumbnails; got {points.shape}, {len(thumbnails)}.")
    if (labels is not None and len(labels) != count) or (cells is not None and len(cells) != count):
        raise ShapeError(f"labels and cells must have one entry for each of {count} pictures.")
    if side < 320 or (thumbnail is not None and thumbnail < 8):
        raise ConfigError(f"a map needs 320 pixels and thumbnails 8; got {side} and {thumbnail}.")
    colors, cycle = theme_colors(theme), class_colors(theme)
    fresh = np.zeros(count, bool) if marked is None else np.asarray(marked, dtype=bool)
    size = _size(points, side, thumbnail, cells, fresh)
    places, height = _placed(points, cells, side, size)
    heading = _MARGIN + (34 if title else 0) + 20 * sum(len(_wrapped(n, side)) for n in notes) + (8 if notes else 0)
    sheet = Image.new("RGB", (side, heading + height + _MARGIN), colors["paper"])
    pen = ImageDraw.Draw(sheet)
    _write_heading(pen, title, notes, side, colors)
    places = places + np.array([0, heading])
    names = labels if labels is not None else [""] * count
    middles = class_places(places, names)
    numbers = spread_colors(class_places(points, names), len(cycle))  # the same colors in a grid
    shown = np.ones(count, bool) if cells is not None else apart(places, size + 4, first=fresh)
    for i in np.flatnonzero(~shown).tolist():
        x, y = places[i].tolist()
        color = cycle[numbers[names[i]]] if names[i] else colors["quiet"]
        pen.ellipse((x - 2, y - 2, x + 2, y + 2), fill=color)
    small = resized_squares(thumbnails, size)
    for i in np.flatnonzero(shown).tolist():
        left, top = (round(v - size / 2) for v in places[i].tolist())
        sheet.paste(Image.fromarray(small[i]), (left, top))
        if names[i]:
            pen.rectangle((left, top + size, left + size - 1, top + size + 1), fill=cycle[numbers[names[i]]])
        if fresh[i]:
            pen.rectangle((left - 2, top - 2, left + size + 1, top + size + 1), outline=colors["accent"], width=2)
    if cells is None and middles:
        _write_classes(sheet, middles, numbers, size, theme)
    return np.asarray(sheet)


def _size(
    points: NDArray[np.float64],
    side: int,
    thumbnail: int | None,
    cells: NDArray[np.int64] | None,
    fresh: NDArray[np.bool_],
) -> int:
    if cells is not None:
        columns = int(cells[:, 1].max()) + 1
        return max(min((side - 2 * _MARGIN) // columns - 4, 96), 6)
    if thumbnail is not None:
        return thumbnail
    for size in (72, 64, 56, 48, 42, 36, 32, 28, 24):
        if apart(_placed(points, None, side, size)[0], size + 4, first=fresh).mean() >= 0.5:
            return size
    return 20


def _placed(
    points: NDArray[np.float64], cells: NDArray[np.int64] | None, side: int, size: int
) -> tuple[NDArray[np.float64], int]:
    """Centers in pixels, and the height that they need."""
    inner = side - 2 * _MARGIN - size
    if cells is not None:
        step = size + 4
        left = (side - step * (int(cells[:, 1].max()) + 1)) / 2
        centers = cells[:, ::-1] * step + step / 2 + [left, 0]
        return centers, int(cells[:, 0].max() + 1) * step
    low, high = points.min(0), points.max(0)
    reach = np.maximum(high - low, 0)
    scale = inner / reach.max() if reach.max() > 0 else 0.0
    # A narrow cloud does not get a high empty sheet; of no extent at all it is one thumbnail.
    wide, tall = reach * scale
    x = (points[:, 0] - low[0]) * scale + (side - wide) / 2
    y = (high[1] - points[:, 1]) * scale + size / 2 + 12
    return np.stack([x, y], 1), round(tall + size + 24)


def _write_heading(
    pen: ImageDraw.ImageDraw, title: str, notes: Sequence[str], side: int, colors: dict[str, tuple[int, int, int]]
) -> None:
    y = _MARGIN
    if title:
        pen.text((_MARGIN, y), title, colors["ink"], load_font(22.0), anchor="lm")
        y += 34
    for line in (line for note in notes for line in _wrapped(note, side)):
        pen.text((_MARGIN, y), line, colors["quiet"], load_font(13.0), anchor="lm")
        y += 20


def _wrapped(text: str, side: int) -> list[str]:
    font = load_font(13.0)
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > side - 2 * _MARGIN:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _write_classes(
    sheet: Image.Image,
    middles: dict[str, tuple[float, float]],
    numbers: dict[str, int],
    size: int,
    theme: str,
) -> None:
    """Names on plates at their classes; a name that would cover another moves down or up, or is left out."""
    colors, cycle = theme_colors(theme), class_colors(theme)
    font = load_font(15.0)
    pen = ImageDraw.Draw(sheet)
    taken: list[tuple[float, float, float, float]] = []
    for name, (x, y) in middles.items():
        words = name if len(name) <= 28 else name[:27] + "…"
        width = font.getlength(words) + 14
        left = min(max(x - width / 2, 4), sheet.width - width - 4)
        for shift in (0, 1, -1, 2, -2, 3, -3):
            top = y - 12 + shift * 26
            box = (left, top, left + width, top + 24)
            clear = all(box[2] < a or box[0] > c or box[3] < b or box[1] > d for a, b, c, d in taken)
            if clear and 4 <= top <= sheet.height - 28:
                taken.append(box)
                pen.rounded_rectangle(box, 4, fill=colors["paper"], outline=cycle[numbers[name]], width=1)
                pen.text((left + 7, top + 12), words, cycle[numbers[name]], font, anchor="lm")
                break
