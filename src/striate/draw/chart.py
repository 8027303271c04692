"""Axes on paper: thin lines, hairlines for a grid, words at the lines themselves instead of a legend.

matplotlib draws them, without pyplot: no window, no state shared between threads. Words are never read as formulas: a
class may be called `$5`.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.draw.themes import RGB, theme_colors
from striate.errors import ConfigError, ShapeError

__all__ = ["Chart", "chart_numbers", "spread_labels"]

DPI = 100


@dataclass(frozen=True)
class Chart:
    """A picture with axes in it; `open` begins one, `pixels` ends it.

    Attributes:
        figure: matplotlib's figure.
        axes: Its axes, from left to right.
        colors: Those of the theme, as matplotlib takes them.
        font: The typeface of the words.
    """

    figure: Any
    axes: tuple[Any, ...]
    colors: dict[str, tuple[float, float, float]]
    font: Any

    @classmethod
    def open(cls, *, width: int, height: int, columns: int = 1, theme: str = "light") -> "Chart":
        """An empty picture of `width` × `height` pixels with `columns` axes side by side.

        Raises:
            ConfigError: A size below 280 × 180 pixels for each of the axes, or an unknown theme.
        """
        import matplotlib
        from matplotlib.figure import Figure
        from matplotlib.font_manager import FontProperties
        from matplotlib.layout_engine import ConstrainedLayoutEngine

        colors = {name: _unit(color) for name, color in theme_colors(theme).items()}
        if width < 280 * columns or height < 180:
            raise ConfigError(f"A plot needs at least {280 * columns} × 180 pixels, got {width} × {height}.")
        figure = Figure(
            figsize=(width / DPI, height / DPI),
            dpi=DPI,
            facecolor=colors["paper"],
            layout=ConstrainedLayoutEngine(w_pad=0.14, h_pad=0.14),
        )
        font = FontProperties(fname=str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"))
        chart = cls(figure, tuple(figure.subplots(1, columns, squeeze=False)[0]), colors, font)
        for axes in chart.axes:
            chart._style(axes)
        return chart

    def title(self, axes: Any, text: str, note: str = "") -> None:
        """What stands over the axes, at the left; a quieter note after it."""
        words = f"{text}   " if note else text
        label = axes.set_title(
            words, loc="left", fontproperties=self.font, fontsize=10, color=self.colors["ink"], pad=10
        )
        label.set_parse_math(False)
        if note:
            right = axes.set_title(
                note, loc="right", fontproperties=self.font, fontsize=8.5, color=self.colors["quiet"], pad=10
            )
            right.set_parse_math(False)

    def name_axes(self, axes: Any, *, x: str = "", y: str = "") -> None:
        """What the axes measure, with their units."""
        for words, setter in ((x, axes.set_xlabel), (y, axes.set_ylabel)):
            if words:
                setter(words, fontproperties=self.font, fontsize=8.5, color=self.colors["quiet"]).set_parse_math(False)

    def write(self, axes: Any, x: float, y: float, text: str, *, color: Any = None, **settings: Any) -> Any:
        """Words at a place of the axes, in points to the side of it where `xytext` says so."""
        placed = {
            "xytext": (0, 0),
            "textcoords": "offset points",
            "fontsize": 8.5,
            "annotation_clip": False,
            **settings,
        }
        label = axes.annotate(text, (x, y), fontproperties=self.font, color=color or self.colors["ink"], **placed)
        label.set_parse_math(False)
        return label

    def pixels(self, *, tick_size: float = 8.5) -> NDArray[np.uint8]:
        """The picture, uint8 `h w 3`; `tick_size` is that of the words at the axes, in points."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        for axes in self.axes:
            for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
                label.set_fontproperties(self.font)
                label.set_fontsize(tick_size)
                label.set_color(self.colors["quiet"])
                label.set_parse_math(axes.get_xscale() == "log")  # powers of ten are formulas, names never are
        canvas = FigureCanvasAgg(self.figure)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing")  # a box stands for it
            canvas.draw()
        return np.array(canvas.buffer_rgba(), dtype=np.uint8)[..., :3].copy()

    def _style(self, axes: Any) -> None:
        axes.set_facecolor(self.colors["paper"])
        for side, spine in axes.spines.items():
            spine.set_visible(side == "bottom")
            spine.set_color(self.colors["line"])
        axes.grid(visible=True, axis="y", color=self.colors["line"], linewidth=0.6)
        axes.set_axisbelow(True)
        axes.tick_params(length=0, pad=5)


def chart_numbers(values: Sequence[Any], *, name: str) -> NDArray[np.float64]:
    """A row of numbers; what is missing (None) becomes NaN, which draws as a gap.

    Raises:
        ShapeError: It is no row of numbers.
    """
    try:
        array = np.array([np.nan if value is None else float(value) for value in values], dtype=np.float64)
    except (TypeError, ValueError):
        raise ShapeError(f"{name} must be a row of numbers, got {str(values)[:80]}.") from None
    array[~np.isfinite(array)] = np.nan
    return array


def spread_labels(heights: Sequence[float], gap: float) -> list[float]:
    """Heights for labels that belong to `heights`, moved apart until neighbors are `gap` from each other.

    >>> spread_labels([1.0, 1.1, 5.0], 0.5)
    [0.8, 1.3, 5.0]
    """
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    groups: list[tuple[float, list[int]]] = []  # center, members from below
    for index in order:
        center, members = float(heights[index]), [index]
        while groups and center - groups[-1][0] < gap * (len(members) + len(groups[-1][1])) / 2:
            before, earlier = groups.pop()
            members = [*earlier, *members]
            center = (before * len(earlier) + center * (len(members) - len(earlier))) / len(members)
        groups.append((center, members))
    placed = [0.0] * len(heights)
    for center, members in groups:
        for number, index in enumerate(members):
            placed[index] = round(center + gap * (number - (len(members) - 1) / 2), 9)
    return placed


def _unit(color: RGB) -> tuple[float, float, float]:
    red, green, blue = (value / 255 for value in color)
    return red, green, blue
