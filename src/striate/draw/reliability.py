"""A reliability diagram: how often answers are right, against how sure the network was of them."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striate.draw.chart import Chart
from striate.errors import ShapeError

__all__ = ["draw_reliability"]


def draw_reliability(
    low: ArrayLike,
    high: ArrayLike,
    accuracy: ArrayLike,
    confidence: ArrayLike,
    counts: ArrayLike,
    *,
    theme: str = "light",
    width: int = 560,
) -> NDArray[np.uint8]:
    """Bins of answers; the gap between a bar and the diagonal is how far the network is off there.

    Args:
        low: Lower ends of the bins, from 0 to 1, `b`.
        high: Upper ends.
        accuracy: Share of right answers in each.
        confidence: Mean probability in each.
        counts: Answers in each.
        theme: `light` or `dark`.
        width: The picture's sides in pixels, at least 280.

    Returns:
        uint8 `h w 3`.

    Raises:
        ShapeError: Not as many of each, or none.
        ConfigError: A size that is too small, or an unknown theme.

    >>> draw_reliability([0.5, 0.9], [0.6, 1.0], [0.5, 0.9], [0.55, 0.97], [10, 90], width=300).shape
    (300, 300, 3)
    """
    left, right, share, sure, many = (
        np.asarray(values, dtype=np.float64) for values in (low, high, accuracy, confidence, counts)
    )
    if left.ndim != 1 or not left.size or any(values.shape != left.shape for values in (right, share, sure, many)):
        raise ShapeError("low, high, accuracy, confidence and counts must be as many, at least one each.")
    chart = Chart.open(width=width, height=width, theme=theme)
    (axes,) = chart.axes
    axes.bar(left, share, width=right - left, align="edge", color=chart.colors["quiet"], alpha=0.45, linewidth=0)
    axes.plot([0, 1], [0, 1], color=chart.colors["quiet"], linewidth=0.8, linestyle=(0, (4, 3)))
    axes.vlines(sure, share, sure, color=chart.colors["accent"], linewidth=1.2)
    axes.plot(sure, share, "o", color=chart.colors["accent"], markersize=4)
    ece = float((np.abs(share - sure) * many).sum() / max(many.sum(), 1))
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.set_aspect("equal")
    ticks = np.linspace(0, 1, 6)
    axes.set_xticks(ticks, [f"{100 * tick:.0f}" for tick in ticks])
    axes.set_yticks(ticks, [f"{100 * tick:.0f}" for tick in ticks])
    chart.name_axes(axes, x="probability of the answer, %", y="right, %")
    chart.title(axes, "Reliability", f"ECE {100 * ece:.1f} %, {int(many.sum()):,} answers")
    return chart.pixels()
