"""How a score falls or rises as pixels change, how alike maps stay as weights change: curves with direct labels."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striate.draw.chart import Chart, spread_labels
from striate.errors import ShapeError

__all__ = ["draw_perturbation_curves", "draw_similarity_curves"]

# Okabe and Ito's colors, which the color-blind tell apart, those that stand out on both themes.
CYCLE = {
    "light": ((0, 114, 178), (0, 135, 98), (190, 95, 150), (40, 130, 190), (150, 120, 0)),
    "dark": ((86, 180, 233), (40, 190, 145), (225, 150, 192), (120, 160, 240), (240, 228, 66)),
}


def draw_perturbation_curves(
    fractions: ArrayLike,
    curves: Mapping[str, ArrayLike],
    *,
    references: Mapping[str, ArrayLike] | None = None,
    band: ArrayLike | None = None,
    kind: str = "deletion",
    score: str = "probability",
    note: str = "",
    theme: str = "light",
    width: int = 800,
    height: int = 420,
) -> NDArray[np.uint8]:
    """Scores against the share of changed pixels; each curve with its name and area at its side.

    Args:
        fractions: Shares from 0 to 1, `s`.
        curves: Name → scores, `s`. The first is drawn in the accent color.
        references: The same for orders that know nothing: quiet, dashed.
        band: `2 s`, the lowest and highest of the random orders.
        kind: `deletion` or `insertion`, for the words.
        score: What is scored, for the words.
        note: A few words at the right of the title.
        theme: `light` or `dark`.
        width: In pixels, at least 280.
        height: In pixels, at least 180.

    Returns:
        uint8 `h w 3`.

    Raises:
        ShapeError: A curve of another length, or no curve.
        ConfigError: A size that is too small, or an unknown theme.

    >>> draw_perturbation_curves([0, 0.5, 1], {"saliency": [0.9, 0.2, 0.0]}, width=400, height=240).shape
    (240, 400, 3)
    """
    shares = 100.0 * np.asarray(fractions, dtype=np.float64)
    lines = {name: _line(curve, len(shares), name) for name, curve in curves.items()}
    quiet = {name: _line(curve, len(shares), name) for name, curve in (references or {}).items()}
    if not lines:
        raise ShapeError("curves must hold at least one curve, got none.")
    chart = Chart.open(width=width, height=height, theme=theme)
    (axes,) = chart.axes
    if band is not None:
        low, high = np.asarray(band, dtype=np.float64)
        axes.fill_between(shares, low, high, color=chart.colors["quiet"], alpha=0.15, linewidth=0)
    styles = ((1, (4, 2)), (0, (1, 1.5)))
    for number, curve in enumerate(quiet.values()):
        axes.plot(shares, curve, color=chart.colors["quiet"], linewidth=1, linestyle=styles[number % 2])
    colors = _colors(chart, len(lines), theme)
    for color, curve in zip(colors, lines.values(), strict=True):
        axes.plot(shares, curve, color=color, linewidth=1.5)
    everything = np.concatenate([*lines.values(), *quiet.values()])
    _limit(axes, everything, zero=score == "probability")
    axes.set_xlim(0, 100)
    dashes = dict(zip(quiet, ("  (dashed)", "  (dotted)") * len(quiet), strict=False))
    named = [
        (f"{name}{dashes.get(name, '')}  {np.trapezoid(curve, shares / 100):.3f}", curve, color)
        for (name, curve), color in zip(
            [*lines.items(), *quiet.items()], [*colors, *[chart.colors["quiet"]] * len(quiet)], strict=True
        )
    ]
    _label_at_the_side(chart, axes, named)
    doing = "deleted" if kind == "deletion" else "inserted"
    better = "smaller is better" if kind == "deletion" else "larger is better"
    chart.title(axes, f"{kind.capitalize()}: {score}, and area under the curve ({better})", note)
    chart.name_axes(axes, x=f"pixels {doing}, %")
    return chart.pixels()


def draw_similarity_curves(
    steps: Sequence[str],
    curves: Mapping[str, ArrayLike],
    *,
    title: str = "How alike the map stays",
    note: str = "",
    theme: str = "light",
    width: int = 900,
    height: int = 460,
) -> NDArray[np.uint8]:
    """Similarities to the first map against the layers whose weights have been drawn anew.

    Args:
        steps: A name for each step, the first for the untouched network.
        curves: Measure → values, as many as steps; NaN is a gap.
        title: What stands over it.
        note: A few words at its right.
        theme: `light` or `dark`.
        width: In pixels, at least 280.
        height: In pixels, at least 180.

    Returns:
        uint8 `h w 3`.

    Raises:
        ShapeError: A curve of another length, or no curve.
        ConfigError: A size that is too small, or an unknown theme.

    >>> draw_similarity_curves(["trained", "fc"], {"SSIM": [1.0, 0.2]}, width=400, height=240).shape
    (240, 400, 3)
    """
    lines = {name: _line(curve, len(steps), name) for name, curve in curves.items()}
    if not lines:
        raise ShapeError("curves must hold at least one curve, got none.")
    chart = Chart.open(width=width, height=height, theme=theme)
    (axes,) = chart.axes
    places = np.arange(len(steps))
    colors = _colors(chart, len(lines), theme)
    axes.axhline(0, color=chart.colors["quiet"], linewidth=0.8)
    for color, curve in zip(colors, lines.values(), strict=True):
        axes.plot(places, curve, color=color, linewidth=1.3, marker="o", markersize=2.5)
    everything = np.concatenate(list(lines.values()))
    finite = everything[np.isfinite(everything)]
    axes.set_ylim(min(-0.05, float(finite.min()) - 0.05 if finite.size else 0), 1.05)
    axes.set_xlim(-0.3, len(steps) - 0.7 if len(steps) > 1 else 0.3)
    every = max(1, -(-len(steps) // max(2, width // 28)))  # names stand upright, about 20 px each
    axes.set_xticks(places[::every], list(steps)[::every], rotation=90 if len(steps) > 6 else 0)
    _label_at_the_side(
        chart, axes, [(name, curve, color) for (name, curve), color in zip(lines.items(), colors, strict=True)]
    )
    chart.title(axes, title, note)
    return chart.pixels(tick_size=7.5)


def _line(curve: ArrayLike, length: int, name: str) -> NDArray[np.float64]:
    values = np.asarray(curve, dtype=np.float64)
    if values.shape != (length,):
        raise ShapeError(f"curve '{name}' must have {length} values, one for each step; got {values.shape}.")
    return values


def _colors(chart: Chart, count: int, theme: str) -> list[tuple[float, float, float]]:
    rest = [(r / 255, g / 255, b / 255) for r, g, b in CYCLE[theme]]
    return [chart.colors["accent"], *(rest[i % len(rest)] for i in range(count - 1))]


def _limit(axes: Any, values: NDArray[np.float64], *, zero: bool) -> None:
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if zero or low >= 0:
        low = 0.0
    room = 0.05 * ((high - low) or 1.0)
    axes.set_ylim(low if low == 0 else low - room, high + room)


def _label_at_the_side(
    chart: Chart, axes: Any, named: Sequence[tuple[str, NDArray[np.float64], tuple[float, float, float]]]
) -> None:
    """Names right of the axes, at the heights where the curves end, moved apart where they meet."""
    low, high = axes.get_ylim()
    ends = [float(curve[np.isfinite(curve)][-1]) if np.isfinite(curve).any() else low for _, curve, _ in named]
    # Curves that end at one place are told apart by how high they run on the whole.
    lifted = [
        end + 1e-3 * (high - low) * float(np.nanmean(curve)) for end, (_, curve, _) in zip(ends, named, strict=True)
    ]
    gap = 0.07 * (high - low)
    places = spread_labels(lifted, gap)
    shift = max(0.0, low - min(places)) or min(0.0, high - max(places))
    edge = axes.get_xlim()[1]
    for (words, _, color), y in zip(named, places, strict=True):
        chart.write(axes, edge, y + shift, words, color=color, xytext=(8, 0), va="center")
