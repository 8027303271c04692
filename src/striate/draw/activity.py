"""How often each unit of each layer is above zero: a dot a unit, a column a layer."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striate.draw.chart import Chart, chart_numbers
from striate.errors import ShapeError

__all__ = ["draw_activity"]


def draw_activity(
    shares: Mapping[str, ArrayLike],
    dead: Mapping[str, int],
    *,
    title: str,
    note: str = "",
    theme: str = "light",
    width: int = 1200,
    height: int = 460,
) -> NDArray[np.uint8]:
    """The dots, the median of each layer, and the number of dead units over each column that has some.

    Args:
        shares: Layer → for each of its units the share of places above zero, 0 to 1.
        dead: Layer → how many of them never are.
        title: What stands above.
        note: A quieter note after it.
        theme: `light` or `dark`.
        width: In pixels.
        height: In pixels.

    Returns:
        uint8 `h w 3`.

    Raises:
        ShapeError: No layers, or one without units.
        ConfigError: A size that is too small, or an unknown theme.
    """
    if not shares:
        raise ShapeError("shares must hold at least one layer; got none.")
    chart = Chart.open(width=width, height=height, theme=theme)
    (axes,) = chart.axes
    medians = []
    for place, (name, values) in enumerate(shares.items()):
        array = 100 * chart_numbers(list(np.asarray(values).ravel()), name=name)
        if not array.size:
            raise ShapeError(f"layer '{name}' has no units.")
        # Side by side in a fixed pattern: the golden ratio spreads neighbors evenly and repeats the same picture.
        across = place + 0.62 * ((np.arange(array.size) * 0.618034) % 1 - 0.5)
        size = float(np.clip(260 / array.size, 0.8, 9))
        axes.scatter(across, array, s=size, color=chart.colors["quiet"], alpha=0.55, linewidths=0)
        medians.append(float(np.median(array)))
        axes.plot([place - 0.36, place + 0.36], [medians[-1]] * 2, color=chart.colors["ink"], linewidth=1.8)
        if dead.get(name):
            chart.write(
                axes,
                place,
                104,
                str(dead[name]),
                color=chart.colors["accent"],
                ha="center",
                va="center",
                fontsize=7.5,
            )
    axes.set_ylim(-3, 108)
    axes.set_xlim(-0.6, len(shares) - 0.4)
    axes.set_yticks([0, 25, 50, 75, 100])
    many = len(shares) > 10
    axes.set_xticks(range(len(shares)), list(shares), rotation=90 if many else 0)
    words = f"{note}; above a column: its dead units" if any(dead.values()) else note
    chart.title(axes, title, words)
    chart.name_axes(axes, y="places above 0, % (bar: the median unit)")
    return chart.pixels(tick_size=7.0 if many else 8.0)
