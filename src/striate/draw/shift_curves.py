"""Curves over a shift: how far feature maps follow, and what becomes of the answer."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striate.draw.chart import Chart, spread_labels
from striate.errors import ShapeError

__all__ = ["draw_shift_curves"]


def draw_shift_curves(
    shifts: ArrayLike,
    layers: Mapping[str, tuple[float | None, ArrayLike, ArrayLike]],
    probability: ArrayLike | None = None,
    same: ArrayLike | None = None,
    *,
    axis: str = "pixels to the right",
    title: str = "",
    theme: str = "light",
    width: int = 1300,
    height: int = 460,
) -> NDArray[np.uint8]:
    """Errors of layers, and beside them, where there is one, the answer.

    A layer's line is solid where it is free of borders, dashed where for most shifts only the one with borders is
    known. Dots mark the multiples of its stride.

    Args:
        shifts: `s`, pixels.
        layers: Layer → (its stride or None, the error without borders `s`, with borders `s`); NaN is a gap.
        probability: `n s`, of each picture's class.
        same: `s`, the share of pictures with the same answer.
        axis: What the shifts are.
        title: What was looked at.
        theme: `light` or `dark`.
        width: In pixels.
        height: In pixels.

    Returns:
        uint8 `h w 3`.

    Raises:
        ShapeError: No shifts.
        ConfigError: A size that is too small, or an unknown theme.
    """
    pixels = np.asarray(shifts, np.float64)
    if pixels.ndim != 1 or not pixels.size:
        raise ShapeError(f"shifts must be a row of at least one number; got shape {pixels.shape}.")
    answered = probability is not None
    chart = Chart.open(
        width=width if answered else width * 2 // 3, height=height, columns=2 if answered else 1, theme=theme
    )
    left = chart.axes[0]
    ends: list[tuple[str, float]] = []
    for place, (name, (stride, interior, overlap)) in enumerate(layers.items()):
        inner = np.asarray(interior, np.float64)
        solid = bool(np.isfinite(inner).mean() > 0.5)
        values = inner if solid else np.asarray(overlap, np.float64)
        if not np.isfinite(values).any():
            continue
        shade = _between(chart.colors["quiet"], chart.colors["ink"], (place + 1) / max(len(layers), 1))
        left.plot(pixels, values, color=shade, linewidth=1.2, linestyle="-" if solid else (0, (3, 2)))
        if stride:
            whole = np.isclose(np.mod(pixels, stride), 0) & np.isfinite(values)
            left.plot(pixels[whole], values[whole], "o", markersize=3.5, color=chart.colors["accent"], linestyle="none")
        last = int(np.flatnonzero(np.isfinite(values))[-1])
        words = f"{name}, stride {stride:g}" if stride else name
        ends.append((words if solid else f"{words} (with borders)", float(values[last])))
    left.set_ylim(bottom=-0.04)
    low, high = left.get_ylim()
    for (words, value), y in zip(ends, spread_labels([v for _, v in ends], 0.055 * (high - low)), strict=True):
        del value
        chart.write(left, float(pixels.max()), y, words, xytext=(8, 0), va="center", fontsize=7.5)
    chart.title(left, f"Do the maps follow?{f'  {title}' if title else ''}")
    chart.name_axes(left, x=f"{axis} (dots: multiples of the stride)", y="error (0: moves along, √2: unrelated)")
    if answered:
        right = chart.axes[1]
        values = 100 * np.asarray(probability, np.float64)
        right.fill_between(
            pixels, *np.percentile(values, [25, 75], axis=0), color=chart.colors["line"], linewidth=0, zorder=1
        )
        right.plot(pixels, np.median(values, axis=0), color=chart.colors["ink"], linewidth=1.4)
        middle = len(pixels) // 2
        at = (float(pixels[middle]), float(np.median(values[:, middle])))
        _label(chart, right, at, "probability, median and quartiles", color="ink", up=-14)
        if same is not None:
            share = 100 * np.asarray(same, np.float64)
            right.plot(pixels, share, color=chart.colors["accent"], linewidth=1.4)
            at = (float(pixels[middle]), float(share[middle]))
            _label(chart, right, at, "pictures with the same answer", color="accent", up=6)
        right.set_ylim(0, 108)
        chart.title(right, "Does the answer stay?", f"{len(values)} pictures")
        chart.name_axes(right, x=axis, y="%")
    return chart.pixels()


def _label(chart: Chart, axes: Any, at: tuple[float, float], words: str, *, color: str, up: int) -> None:
    chart.write(axes, *at, words, color=chart.colors[color], xytext=(0, up), ha="center")


def _between(first: tuple[float, ...], second: tuple[float, ...], part: float) -> tuple[float, ...]:
    return tuple(a + (b - a) * part for a, b in zip(first, second, strict=True))
