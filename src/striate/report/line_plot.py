"""Curves of several runs on common axes, as places in a drawing; each line has its name at its end."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from striate.draw.chart import spread_labels

__all__ = ["Curve", "LinePlot", "PlotLine", "Tick", "build_line_plot", "nice_ticks"]

WIDTH, HEIGHT = 420.0, 240.0
LABEL_GAP = 15.0


@dataclass(frozen=True)
class Curve:
    """A run's values: x and y of the same length; what is not finite is left out.

    Attributes:
        name: Stands at its end.
        color: Number of its color.
        x: From left to right.
        y: The values.
        solid: False for a dashed, quiet line, which gets no name.
    """

    name: str
    color: int
    x: Sequence[float]
    y: Sequence[float]
    solid: bool = True


@dataclass(frozen=True)
class Tick:
    """A number at an axis."""

    at: float
    text: str


@dataclass(frozen=True)
class PlotLine:
    """A path, and where its name stands."""

    path: str
    color: int
    solid: bool
    label: str
    label_x: float
    label_y: float
    end_x: float
    end_y: float


@dataclass(frozen=True)
class LinePlot:
    """Places in units of the drawing."""

    title: str
    x_title: str
    lines: tuple[PlotLine, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    words: str


def build_line_plot(title: str, x_title: str, curves: Sequence[Curve], *, percent: bool = False) -> LinePlot | None:
    """Places of all curves, or None where there is nothing to draw.

    Args:
        title: What the values are, with their unit.
        x_title: What runs to the right, with its unit.
        curves: Any number.
        percent: Values are shares, and the axis counts in percent, up to 100 at most.
    """
    points = [_finite(curve, 100.0 if percent else 1.0) for curve in curves]
    every = [point for line in points for point in line]
    if not every:
        return None
    first, last = min(x for x, _ in every), max(x for x, _ in every)
    x_ticks = nice_ticks(first, last, whole=x_title == "epoch")
    low, high = min(y for _, y in every), max(y for _, y in every)
    if low < 0.35 * high and not percent:
        low = min(low, 0.0)
    y_ticks = nice_ticks(low, high)
    if percent:
        y_ticks = [tick for tick in y_ticks if tick <= 100.0]
    left, right = min(x_ticks[0], first), max(x_ticks[-1], last)
    bottom, top = min(y_ticks[0], low), max(y_ticks[-1], high)

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            round(WIDTH * (x - left) / ((right - left) or 1.0), 1),
            round(HEIGHT * (1 - (y - bottom) / ((top - bottom) or 1.0)), 1),
        )

    named = [i for i, (curve, line) in enumerate(zip(curves, points, strict=True)) if curve.solid and line]
    heights = dict(zip(named, _label_heights([place(*points[i][-1])[1] for i in named]), strict=True))
    lines = []
    for number, (curve, line) in enumerate(zip(curves, points, strict=True)):
        if line:
            placed = [place(*point) for point in line]
            path = "M" + "L".join(f"{x} {y}" for x, y in placed)
            x, y = placed[-1]
            label = curve.name if curve.solid else ""
            label_y = heights.get(number, y)
            lines.append(PlotLine(path, curve.color, curve.solid, label, WIDTH + 8, label_y, x, y))
    ends = [f"{curves[i].name} {points[i][-1][1]:.3g}" for i in named]
    return LinePlot(
        title=title,
        x_title=x_title,
        lines=tuple(lines),
        x_ticks=tuple(Tick(place(t, bottom)[0], _say(t)) for t in x_ticks),
        y_ticks=tuple(Tick(place(left, t)[1], _say(t)) for t in y_ticks),
        words=f"{title} against {x_title}; at the end: {', '.join(ends)}",
    )


def nice_ticks(low: float, high: float, *, whole: bool = False) -> list[float]:
    """Round numbers from about `low` to about `high`, three to seven of them; whole ones where asked for.

    >>> nice_ticks(0.13, 0.72), nice_ticks(1, 6, whole=True)
    ([0.2, 0.4, 0.6], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    """
    span = high - low
    if span <= 0 or not math.isfinite(span):
        return [low]
    raw = span / 5
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(s * power for s in (1.0, 2.0, 5.0, 10.0) if s * power >= raw * 0.999)
    if whole:
        step = max(1.0, float(round(step)))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    ticks = [round(n * step, 12) for n in range(first, last + 1)]
    return ticks or [low]


def _label_heights(heights: list[float]) -> list[float]:
    """Apart from each other, and inside of the drawing as far as there is room."""
    placed = spread_labels(heights, LABEL_GAP)
    order = sorted(range(len(placed)), key=lambda i: placed[i])
    for number, i in enumerate(order):  # from the top down, then from the bottom up
        placed[i] = max(placed[i], LABEL_GAP * number)
    for number, i in enumerate(reversed(order)):
        placed[i] = min(placed[i], HEIGHT - LABEL_GAP * number)
    return [round(y, 1) for y in placed]


def _finite(curve: Curve, scale: float) -> list[tuple[float, float]]:
    pairs = zip(curve.x, curve.y, strict=True)
    return [(float(x), scale * float(y)) for x, y in pairs if math.isfinite(x) and math.isfinite(y)]


def _say(value: float) -> str:
    return f"{value:,.6g}".replace("-", "−")
