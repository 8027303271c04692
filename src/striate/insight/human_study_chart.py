"""Error rates of people and networks under every condition, as one picture: dots with their intervals."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from striate.draw.chart import Chart

if TYPE_CHECKING:
    from striate.insight.human_study_result import StudyResult

__all__ = ["draw_error_rates"]

MOST_PEOPLE = 12
"""Beyond it, people are drawn without names."""


def draw_error_rates(result: "StudyResult", *, theme: str = "light", width: int = 900) -> NDArray[np.uint8]:
    """A dot for every observer under every condition, with its 95 % interval: people quiet, networks in the accent.

    Args:
        result: What was found.
        theme: `light` or `dark`.
        width: In pixels, at least 280.

    Returns:
        uint8 `h w 3`.

    Raises:
        ConfigError: A size that is too small, or an unknown theme.
    """
    chart = Chart.open(width=width, height=max(240, round(0.5 * width)), theme=theme)
    (axes,) = chart.axes
    order = [*result.people(), *result.networks()]
    step = 0.8 / max(1, len(order))
    for place, observer in enumerate(order):
        offset = (place - (len(order) - 1) / 2) * step
        network = result.kinds[observer] == "network"
        color = chart.colors["accent" if network else "quiet"]
        last: tuple[float, float] | None = None
        for number in range(len(result.conditions)):
            rate = result.errors(observer, number)
            if not rate.count:
                continue
            x, y = number + offset, 100 * rate.value
            axes.plot([x, x], [100 * rate.low, 100 * rate.high], color=color, linewidth=1.0, alpha=0.7)
            axes.plot([x], [y], marker="D" if network else "o", markersize=5, color=color, linestyle="none")
            last = x, 100 * rate.high
        if last is not None and len(order) <= MOST_PEOPLE:
            words = result.observers[observer]
            chart.write(
                axes,
                *last,
                words if len(words) <= 26 else words[:25] + "…",
                color=color,
                xytext=(0, 6),
                rotation=90,
                ha="center",
                va="bottom",
                fontsize=7.5,
            )
    chance = 100 * (1 - 1 / len(result.classes))
    axes.axhline(chance, color=chart.colors["quiet"], linewidth=0.8, linestyle=(0, (4, 3)))
    chart.write(
        axes, -0.5, chance, "guessing", color=chart.colors["quiet"], xytext=(4, 3), ha="left", va="bottom", fontsize=7.5
    )
    axes.set_xlim(-0.5, len(result.conditions) - 0.5)
    axes.set_ylim(-3, 104)
    axes.set_xticks(range(len(result.conditions)), _names(result))
    chart.name_axes(axes, y="wrong answers, %")
    chart.title(axes, "Error rates", "bars: 95 % intervals (Wilson)")
    return chart.pixels()


def _names(result: Any) -> list[str]:
    return [name.replace("+", "\n+ ") for name in result.conditions]
