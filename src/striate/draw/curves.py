"""How a training went, and how its learning rate was found: curves with their names at their ends."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striate.draw.chart import Chart, chart_numbers, spread_labels
from striate.errors import ShapeError

__all__ = ["draw_lr_finder", "draw_training_curves"]


def draw_training_curves(
    rows: Sequence[Mapping[str, Any]], *, theme: str = "light", width: int = 1200, height: int = 420
) -> NDArray[np.uint8]:
    """Loss and top-1 of every epoch, side by side; the best epoch is marked.

    Args:
        rows: Those of `metrics.jsonl`: `epoch`, `train_loss`, `train_top1`, and where there is validation `val_loss`,
            `val_top1`, `val_top5`. What a row lacks is a gap.
        theme: `light` or `dark`.
        width: In pixels, at least 560.
        height: In pixels, at least 180.

    Returns:
        uint8 `h w 3`.

    Raises:
        ShapeError: No rows, or values that are no numbers.
        ConfigError: A size that is too small, or an unknown theme.

    >>> rows = [{"epoch": n, "train_loss": 1 / n, "val_loss": 1.2 / n, "val_top1": 1 - 0.5 / n} for n in (1, 2, 3)]
    >>> draw_training_curves(rows, width=600, height=240).shape
    (240, 600, 3)
    """
    if not rows:
        raise ShapeError("rows must hold at least one epoch, got none.")
    chart = Chart.open(width=width, height=height, columns=2, theme=theme)
    epochs = chart_numbers([row.get("epoch", number) for number, row in enumerate(rows, start=1)], name="epoch")
    series = {
        name: chart_numbers([row.get(name) for row in rows], name=name)
        for name in ("train_loss", "val_loss", "train_top1", "val_top1", "val_top5")
    }
    loss, accuracy = chart.axes
    _curves(chart, loss, epochs, {"training": series["train_loss"], "validation": series["val_loss"]}, unit="")
    tops: dict[str, ArrayLike] = {
        "training": series["train_top1"],
        "validation": series["val_top1"],
        "validation, top-5": series["val_top5"] if not np.nanmin(np.append(series["val_top5"], 1)) >= 0.9999 else [],
    }
    percents = {name: 100 * np.asarray(values) for name, values in tops.items()}
    _curves(chart, accuracy, epochs, percents, unit=" %")
    chart.title(loss, "Loss")
    chart.title(accuracy, "Right answers, %")
    for axes in chart.axes:
        chart.name_axes(axes, x="epoch")
    if np.isfinite(series["val_top1"]).any():
        best = int(np.nanargmax(series["val_top1"]))
        x, y = float(epochs[best]), 100 * float(series["val_top1"][best])
        accuracy.plot([x], [y], "o", markersize=5, color=chart.colors["accent"], zorder=5)
        if best < len(rows) - 1:
            words = f"best: {y:.1f} % in epoch {x:g}"
            chart.write(
                accuracy, x, y, words, color=chart.colors["accent"], xytext=(0, -16), ha="right" if best else "left"
            )
    return chart.pixels()


def draw_lr_finder(
    lrs: ArrayLike,
    losses: ArrayLike,
    suggestion: float | None = None,
    *,
    theme: str = "light",
    width: int = 800,
    height: int = 420,
) -> NDArray[np.uint8]:
    """Loss against the learning rate that was raised from step to step; a suggested rate is marked.

    Args:
        lrs: Rates, above 0, one a step.
        losses: The loss at each; not finite where training broke.
        suggestion: The rate to mark, or None.
        theme: `light` or `dark`.
        width: In pixels, at least 280.
        height: In pixels, at least 180.

    Returns:
        uint8 `h w 3`.

    Raises:
        ShapeError: Rates and losses that are not as many, fewer than two, or rates that are not above 0.
        ConfigError: A size that is too small, or an unknown theme.

    >>> draw_lr_finder([1e-4, 1e-3, 1e-2], [2.3, 2.0, 5.0], 1e-3, width=400, height=240).shape
    (240, 400, 3)
    """
    rates, values = np.asarray(lrs, dtype=np.float64), np.asarray(losses, dtype=np.float64)
    if rates.ndim != 1 or rates.shape != values.shape or len(rates) < 2 or not (rates > 0).all():
        raise ShapeError(
            f"lrs and losses must be at least two of each, rates above 0, got {rates.shape}, {values.shape}."
        )
    chart = Chart.open(width=width, height=height, theme=theme)
    (axes,) = chart.axes
    axes.set_xscale("log")
    values = np.where(np.isfinite(values), values, np.nan)
    axes.plot(rates, values, color=chart.colors["ink"], linewidth=1.3)
    finite = values[np.isfinite(values)]
    if finite.size:
        low, first = float(finite.min()), float(finite[0])
        top = max(first + 0.5 * (first - low), first * 1.05, low + 1e-9)  # where it flies off, nothing is to be read
        axes.set_ylim(low - 0.08 * (top - low), top)
    if suggestion is not None and np.isfinite(suggestion) and suggestion > 0:
        axes.axvline(suggestion, color=chart.colors["accent"], linewidth=1)
        chart.write(
            axes,
            suggestion,
            axes.get_ylim()[1],
            f"suggested: {suggestion:.2g}",
            color=chart.colors["accent"],
            xytext=(6, -12),
        )
    chart.title(axes, "Loss while the learning rate rises")
    chart.name_axes(axes, x="learning rate", y="")
    axes.minorticks_off()
    return chart.pixels()


def _curves(
    chart: Chart, axes: Any, epochs: NDArray[np.float64], series: Mapping[str, ArrayLike], *, unit: str
) -> None:
    """Lines with their names and last values at their ends; what was learned from is quiet."""
    looks = {
        "training": ("quiet", "-", 1.0),
        "validation": ("ink", "-", 1.5),
        "validation, top-5": ("ink", (0, (4, 3)), 1.0),
    }
    ends: list[tuple[str, float, float, str]] = []
    for name, values in series.items():
        array = np.asarray(values, dtype=np.float64)
        if not np.isfinite(array).any():
            continue
        color, style, line = looks[name]
        mark = "o" if np.isfinite(array).sum() == 1 else ""
        axes.plot(epochs, array, color=chart.colors[color], linestyle=style, linewidth=line, marker=mark, markersize=4)
        last = int(np.flatnonzero(np.isfinite(array))[-1])
        ends.append((name, float(epochs[last]), float(array[last]), color))
    axes.margins(x=0.02, y=0.08)
    axes.xaxis.get_major_locator().set_params(integer=True)
    if not ends:
        return
    low, high = axes.get_ylim()
    if not unit:
        low = 0.0 if low < 0.35 * high else low
        axes.set_ylim(bottom=low)
    else:
        axes.set_ylim(top=min(high, 100 + 0.02 * (100 - low)))
    low, high = axes.get_ylim()
    places = spread_labels([end[2] for end in ends], 0.065 * (high - low))
    for (name, x, value, color), y in zip(ends, places, strict=True):
        words = f"{name} {value:.1f}{unit}" if unit else f"{name} {value:.3f}"
        chart.write(axes, x, y, words, color=chart.colors[color], xytext=(7, 0), va="center")
