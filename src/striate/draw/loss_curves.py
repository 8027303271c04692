"""Losses as they fall: lines with their names at their ends, on logarithmic axes."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striate.draw.chart import Chart
from striate.draw.perturbation import CYCLE
from striate.errors import ShapeError

__all__ = ["draw_loss_curves"]


def draw_loss_curves(
    lines: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    title: str = "Loss",
    note: str = "",
    x: str = "step",
    bands: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    theme: str = "light",
    width: int = 800,
    height: int = 420,
) -> NDArray[np.uint8]:
    """Losses above 0 on a logarithmic axis.

    Args:
        lines: Name → places along the horizontal axis, losses there; what is not finite or not above 0 is a gap.
        title: What stands above.
        note: A quieter note beside it.
        x: What the horizontal axis measures, with its unit.
        bands: Name of a line → its lowest and highest losses.
        theme: `light` or `dark`.
        width: In pixels.
        height: In pixels.

    Returns:
        uint8 `h w 3`.

    Raises:
        ShapeError: No lines, or places and losses that are not as many.
        ConfigError: A size that is too small, or an unknown theme.

    >>> draw_loss_curves({"L-BFGS": ([1, 2, 3], [1.0, 0.1, 0.02])}, width=400, height=240).shape
    (240, 400, 3)
    """
    from matplotlib.ticker import FuncFormatter, LogLocator

    if not lines:
        raise ShapeError("lines must hold at least one curve, got none.")
    chart = Chart.open(width=width, height=height, theme=theme)
    (axes,) = chart.axes
    axes.set_yscale("log")
    rest = [(r / 255, g / 255, b / 255) for r, g, b in CYCLE[theme]]
    colors = [chart.colors["accent"], *rest]
    ends = []
    for number, (name, (places, losses)) in enumerate(lines.items()):
        at, values = np.asarray(places, np.float64), _positive(losses)
        if at.shape != values.shape or at.ndim != 1:
            raise ShapeError(f"curve '{name}' must have a loss for each place; got {values.shape} for {at.shape}.")
        color = colors[number % len(colors)]
        axes.plot(at, values, color=color, linewidth=1.4, marker="o" if np.isfinite(values).sum() == 1 else "")
        if bands and name in bands:
            low, high = (_positive(one) for one in bands[name])
            axes.fill_between(at, low, high, color=color, alpha=0.15, linewidth=0)
        if np.isfinite(values).any():
            last = int(np.flatnonzero(np.isfinite(values))[-1])
            ends.append((name, float(at[last]), float(values[last]), color))
    axes.margins(x=0.02, y=0.08)
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.minorticks_off()
    low, high = np.log10(axes.get_ylim())
    for number, (name, place, value, color) in enumerate(sorted(ends, key=lambda end: end[2])):
        shift = 0.0
        if number and abs(np.log10(value / sorted(end[2] for end in ends)[number - 1])) < 0.06 * (high - low):
            shift = 12.0
        chart.write(axes, place, value, f"{name}  {value:.3g}", color=color, xytext=(7, shift), va="center")
    chart.title(axes, title, note)
    chart.name_axes(axes, x=x)
    return chart.pixels()


def _positive(values: ArrayLike) -> NDArray[np.float64]:
    found = np.array(values, dtype=np.float64)
    found[~(np.isfinite(found) & (found > 0))] = np.nan
    return found
