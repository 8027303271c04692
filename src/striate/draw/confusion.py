"""A confusion matrix as a picture: right answers gray on the diagonal, mistakes in the accent color."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.draw.chart import Chart
from striate.draw.checks import check_map
from striate.errors import ConfigError, ShapeError

__all__ = ["draw_confusion"]

MOST = 100
_NUMBERED = 20


def draw_confusion(
    matrix: NDArray[Any], classes: Sequence[str], *, theme: str = "light", width: int = 900
) -> NDArray[np.uint8]:
    """How often each class (row) was answered with each class (column); the darker, the larger its share of the row.

    Args:
        matrix: Counts, `k k`.
        classes: k names.
        theme: `light` or `dark`.
        width: The picture's sides in pixels, at least 280.

    Returns:
        uint8 `h w 3`.

    Raises:
        ShapeError: A matrix that is not square, or not as many names.
        ConfigError: More classes than names can be read of, a size that is too small, or an unknown theme.

    >>> draw_confusion(np.array([[8, 2], [1, 9]]), ["cat", "dog"], width=300).shape
    (300, 300, 3)
    """
    counts = check_map(matrix, name="matrix")
    k = len(counts)
    if counts.shape != (k, k) or len(classes) != k:
        raise ShapeError(f"matrix must be k × k with k names, got {counts.shape} and {len(classes)}.")
    if k > MOST:
        raise ConfigError(f"A matrix of {k} classes cannot be read in a picture; take at most {MOST} of them.")
    chart = Chart.open(width=width, height=width, theme=theme)
    (axes,) = chart.axes
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    paper, ink, accent = (np.array(chart.colors[name]) for name in ("paper", "quiet", "accent"))
    tone = np.where(np.eye(k, dtype=bool)[..., None], ink, accent)
    strength = np.where(np.eye(k, dtype=bool), 0.75 * share, np.minimum(1.0, share**0.6 * 1.2))[..., None]
    axes.imshow(paper + (tone - paper) * strength, interpolation="nearest")
    axes.grid(visible=False)
    axes.set_xticks(np.arange(k + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(k + 1) - 0.5, minor=True)
    axes.grid(which="minor", color=chart.colors["line"], linewidth=0.5)
    axes.tick_params(which="minor", length=0)
    names = [name if len(name) <= 18 else name[:17] + "…" for name in classes]
    size = min(8.5, max(3.0, 0.55 * 72 / 100 * (0.8 * width) / k))
    axes.set_xticks(range(k), names, rotation=90)
    axes.set_yticks(range(k), names)
    if k <= _NUMBERED:
        for row, column in zip(*np.nonzero(counts), strict=True):
            dark = strength[row, column, 0] > 0.55
            color = chart.colors["paper"] if dark else chart.colors["ink"]
            words = f"{int(counts[row, column]):,}" if counts[row, column] == int(counts[row, column]) else "…"
            chart.write(
                axes, float(column), float(row), words, color=color, ha="center", va="center", fontsize=min(size, 8.0)
            )
    chart.name_axes(axes, x="answered", y="right class")
    wrong = counts.sum() - np.trace(counts)
    chart.title(axes, "Confusion", f"{int(wrong):,} of {int(counts.sum()):,} wrong")
    return chart.pixels(tick_size=size)
