"""Draw the pictures of the lessons on channels, receptive fields and small filters.

Run: `python docs/images/lessons/render_layers.py` (rewrites the PNG files beside this one).
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from striate.arithmetic import (
    Convolution,
    Layer,
    compare,
    convolution_alternatives,
    measure,
    small_filter_alternatives,
    small_filter_break_even,
)
from striate.draw.encode import encode_png
from striate.draw.font import load_font

PAPER, INK, ACCENT = (251, 250, 248), (23, 24, 26), (180, 99, 42)
QUIET, HAIRLINE, FILL, THREAD = (107, 105, 100), (216, 212, 204), (226, 222, 214), (205, 158, 122)
SCALE = 2  # pixels of the file for each pixel on the page
FINE = 4  # shapes are drawn so much larger and made smaller, so that slanted lines are smooth
Color = tuple[int, int, int]
Point = tuple[float, float]


class Canvas:
    """Shapes and words at sizes of the page."""

    def __init__(self, width: int, height: int) -> None:
        self.size = (width * SCALE, height * SCALE)
        self.shapes = Image.new("RGB", (self.size[0] * FINE, self.size[1] * FINE), PAPER)
        self.pen = ImageDraw.Draw(self.shapes)
        self.words: list[tuple[Point, str, float, Color, str]] = []

    def at(self, *points: Point) -> list[Point]:
        return [(x * SCALE * FINE, y * SCALE * FINE) for x, y in points]

    def line(self, points: Sequence[Point], color: Color = INK, width: float = 1.0) -> None:
        self.pen.line(self.at(*points), color, width=round(width * SCALE * FINE), joint="curve")

    def box(self, corner: Point, size: Point, fill: Color | None = None, line: Color | None = None) -> None:
        (x, y), (w, h) = corner, size
        self.pen.rectangle(self.at((x, y), (x + w, y + h)), fill, line, width=SCALE * FINE)

    def dot(self, center: Point, radius: float, fill: Color, line: Color | None = None) -> None:
        (x, y), r = center, radius
        self.pen.ellipse(self.at((x - r, y - r), (x + r, y + r)), fill, line, width=round(1.25 * SCALE * FINE))

    def text(self, point: Point, text: str, *, size: float = 13, color: Color = INK, anchor: str = "lm") -> None:
        self.words.append((point, text, size, color, anchor))

    def finish(self) -> NDArray[np.uint8]:
        picture = self.shapes.resize(self.size, Image.Resampling.BOX)
        pen = ImageDraw.Draw(picture)
        for (x, y), text, size, color, anchor in self.words:
            pen.text((x * SCALE, y * SCALE), text, color, font=load_font(size * SCALE), anchor=anchor)
        return np.asarray(picture)


def draw_channels() -> NDArray[np.uint8]:
    """Which output channel reads which input channel, and what that costs: 8 channels to 8, windows of 3×3."""
    canvas = Canvas(720, 290)
    c, cell, top = 8, 13, 64
    macs = {
        row.name: row.macs
        for row in compare(
            convolution_alternatives(in_channels=c, out_channels=c, kernel_size=3, groups=(2, 4, 8)), (c, 16, 16)
        ).rows
    }
    panels: list[tuple[str, str, str, list[tuple[int, bool]]]] = [  # head, way, share; (groups, window) of each matrix
        ("standard", "standard", "", [(1, True)]),
        ("2 groups", "2 groups", "1/2", [(2, True)]),
        ("depthwise", "8 groups", "1/8", [(8, True)]),
        ("separable: depthwise, then 1×1", "depthwise separable", "1/8 + 1/9", [(8, True), (1, False)]),
    ]
    x = 24.0
    for head, way, share, matrices in panels:
        canvas.text((x, 20), head, size=14)
        start = x
        for groups, window in matrices:
            for row in range(c):
                for column in range(c):
                    corner = (x + column * cell, top + row * cell)
                    used = row // (c // groups) == column // (c // groups)
                    canvas.box(corner, (cell, cell), None, HAIRLINE)
                    if used and window:
                        canvas.box((corner[0] + 1.5, corner[1] + 1.5), (cell - 3, cell - 3), ACCENT)
                    elif used:
                        canvas.box((corner[0] + 5, corner[1] + 5), (cell - 10, cell - 10), ACCENT)
            x += c * cell + 22
        base = top + c * cell + 44
        canvas.text((start, base - 18), f"{macs[way]:,} MACs", size=12, color=QUIET)
        canvas.box((start, base), (c * cell, 10), FILL)
        canvas.box((start, base), (c * cell * macs[way] / macs["standard"], 10), ACCENT)
        canvas.text((start, base + 26), share, size=12)
        x += 12
    canvas.text((24, 46), "in →, out ↓", size=11, color=QUIET)
    legend = "Large square: 3×3 weights for this pair of channels. Small: one weight. Empty: the two never meet."
    canvas.text((24, 270), legend, size=12, color=QUIET)
    return canvas.finish()


def _pyramid(canvas: Canvas, left: float, width: float, dilations: Sequence[int], head: str) -> None:
    """One unit, and everything under it that it reads, layer by layer."""
    layers: list[Layer] = [Convolution(out_channels=1, kernel_size=3, dilation=d) for d in dilations]
    places = 17
    sizes = [1]
    for count in range(1, len(layers) + 1):
        field = measure(layers[:count], (1, 99)).field
        if field is None:
            raise RuntimeError("a map has a field")
        sizes.append(field.size[0])
    step, bottom, rise = width / places, 246.0, 58.0
    middle = places // 2

    def spot(layer: int, place: int) -> Point:
        return left + (place + 0.5) * step, bottom - layer * rise

    used = [{middle}]
    for d in reversed(dilations):
        used.insert(0, {place + tap for place in used[0] for tap in (-d, 0, d)})
    for layer, d in enumerate(dilations):
        for place in used[layer + 1]:
            for tap in (-d, 0, d):
                canvas.line([spot(layer, place + tap), spot(layer + 1, place)], THREAD, 1.1)
    for layer in range(len(dilations) + 1):
        for place in range(places):
            hit = place in used[layer]
            canvas.dot(spot(layer, place), 6 if hit else 4.5, ACCENT if hit else PAPER, ACCENT if hit else HAIRLINE)
    canvas.text((left, 24), head, size=14)
    for layer, size in enumerate(sizes[1:], 1):
        canvas.text((left + width + 8, spot(layer, 0)[1]), f"sees {size}", size=12, color=QUIET)
    canvas.text((left + width + 8, bottom), "input", size=12, color=QUIET)


def draw_receptive_field() -> NDArray[np.uint8]:
    """Three layers of three taps: plain, and with dilation 1, 2, 4."""
    canvas = Canvas(720, 272)
    _pyramid(canvas, 16, 270, (1, 1, 1), "three layers, f = 3")
    _pyramid(canvas, 376, 270, (1, 2, 4), "the same with d = 1, 2, 4")
    return canvas.finish()


def draw_small_filters() -> NDArray[np.uint8]:
    """What layers of 3×3 cost in units of one large filter, over the ratio of channels in to filters."""
    canvas = Canvas(720, 340)
    left, top, width, height = 64.0, 48.0, 540.0, 236.0
    low, high = 0.25, 16.0

    def spot(share: float, cost: float) -> Point:
        x = (math.log2(share) + 5) / 6  # from 1/32 to 2
        y = (math.log2(cost) - math.log2(low)) / (math.log2(high) - math.log2(low))
        return left + x * width, top + (1 - y) * height

    for cost in (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0):
        start, end = spot(1 / 32, cost), spot(2, cost)
        canvas.line([start, end], INK if cost == 1 else HAIRLINE, 1.0)
        canvas.text((start[0] - 10, start[1]), f"{cost:g}×", size=12, color=QUIET, anchor="rm")
    for power in range(-5, 2):
        x, y = spot(2.0**power, low)
        canvas.text((x, y + 16), f"1/{2**-power}" if power < 0 else f"{2**power}", size=12, color=QUIET, anchor="mm")
    canvas.text((left, 24), "multiply-adds of layers of 3×3, in units of the one large filter", size=14)
    canvas.text(
        (left + width / 2, top + height + 40), "channels in for each filter, c/n", size=12, color=QUIET, anchor="mm"
    )
    n = 2**10
    for f, color in ((5, QUIET), (7, ACCENT)):
        curve = []
        for c in range(n // 32, 2 * n + 1, 16):
            one, small = compare(
                small_filter_alternatives(in_channels=c, out_channels=n, kernel_size=f), (c, f, f)
            ).rows
            if small.macs / one.macs <= high:
                curve.append(spot(c / n, small.macs / one.macs))
        canvas.line(curve, color, 2.2 if f == 7 else 1.4)
        x, y = curve[-1]
        canvas.text((x + 10, y), f"for {f}×{f}", size=12, color=color)
        even = float(small_filter_break_even(f))
        canvas.dot(spot(even, 1), 4, PAPER, color)
    for c, filters, label, shift in ((3, 64, "photo to 64", (12, -12)), (64, 64, "64 to 64", (-10, 14))):
        one, small = compare(small_filter_alternatives(in_channels=c, out_channels=filters), (c, 7, 7)).rows
        x, y = spot(c / filters, small.macs / one.macs)
        canvas.dot((x, y), 5, ACCENT)
        text = f"{label}: {small.macs / one.macs:.2f}×"
        canvas.text((x + shift[0], y + shift[1]), text, size=13, anchor="lm" if shift[0] > 0 else "rm")
    return canvas.finish()


PICTURES: dict[str, Callable[[], NDArray[np.uint8]]] = {
    "channels": draw_channels,
    "receptive-field": draw_receptive_field,
    "small-filters": draw_small_filters,
}


if __name__ == "__main__":
    for name, draw in PICTURES.items():
        (Path(__file__).parent / f"{name}.png").write_bytes(encode_png(draw()))
