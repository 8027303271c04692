"""The page of a comparison, drawn from a `Comparison`: verdicts, scores, curves, settings that differ."""

import math
from dataclasses import dataclass
from typing import Any

from striate.report.evaluation_answer import say_rate
from striate.report.line_plot import Curve, LinePlot, build_line_plot
from striate.report.numbers import format_count, format_seconds, format_value
from striate.report.templates import render_page
from striate.training.comparison import Comparison, Contender, Pair, say_p

__all__ = ["ContenderLine", "PairRow", "build_comparison_page"]

COLORS = 8
MOST_SETTINGS = 60


@dataclass(frozen=True)
class ContenderLine:
    """One run in the table of scores."""

    name: str
    path: str
    color: int
    best: bool
    state: str
    network: str
    data: str
    top1: str
    interval: str
    low: float
    high: float
    width: float
    order: float
    loss: str
    epochs: str
    time: str
    speed: str
    parameters: str
    macs: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class PairRow:
    """One pair: its sentence, and the place of its interval on the common scale, in percent."""

    verdict: str
    notes: tuple[str, ...]
    significant: bool
    first: str
    second: str
    only_first: str
    only_second: str
    p: str
    low: float
    high: float
    at: float
    numbers: str


def build_comparison_page(comparison: Comparison) -> str:
    """One self-contained HTML page.

    Args:
        comparison: From `striate.training.comparison.compare`.

    Returns:
        The text of the file.
    """
    runs = tuple(_line(comparison, number) for number in range(len(comparison.contenders)))
    widest = max((_reach(pair) for pair in comparison.pairs), default=0.0) or 0.01
    differing = list(comparison.differing.items())
    return render_page(
        "comparison.html.j2",
        styles=("report.css", "scores.css", "comparison.css"),
        scripts=("theme.js", "sort.js", "ready.js"),
        data={},
        runs=runs,
        winner=None if comparison.winner is None else runs[comparison.winner],
        tested=any(pair.test is not None for pair in comparison.pairs),
        pairs=tuple(_pair(comparison, pair, widest) for pair in comparison.pairs),
        widest=f"{100 * widest:.1f}",
        plots=_plots(comparison),
        settings=[(name, [_value(v) for v in values]) for name, values in differing[:MOST_SETTINGS]],
        more_settings=max(0, len(differing) - MOST_SETTINGS),
        shared=comparison.shared,
        several=len(comparison.pairs) > 1,
    )


def _line(comparison: Comparison, number: int) -> ContenderLine:
    one = comparison.contenders[number]
    rate, cost = one.top1, one.cost or {}
    last = one.rows[-1] if one.rows else {}
    losses = [value for row in one.rows if (value := _number(row.get("val_loss"))) is not None]
    seconds = _number(cost.get("seconds"))
    return ContenderLine(
        name=one.name,
        path=one.path,
        color=_color(comparison, number),
        best=number == comparison.best,
        state=one.state,
        network=one.network,
        data=one.data.replace("\\", "/").rstrip("/").rpartition("/")[2],
        top1="–" if rate is None else say_rate(rate),
        interval="" if rate is None else f"{100 * rate.low:.1f} … {100 * rate.high:.1f}",
        low=0.0 if rate is None else round(100 * rate.low, 1),
        high=0.0 if rate is None else round(100 * rate.high, 1),
        width=0.0 if rate is None else round(100 * rate.value, 1),
        order=-1.0 if rate is None else round(rate.value, 6),
        loss=f"{min(losses):.3f}" if losses else "–",
        epochs=f"{last.get('epoch', len(one.rows))}" if one.rows else "–",
        time="–" if seconds is None else _duration(seconds),
        speed=_maybe(cost.get("images_per_s"), "{:,.0f}"),
        parameters="–" if cost.get("parameters") is None else format_count(int(cost["parameters"])),
        macs="–" if cost.get("macs") is None else format_count(int(cost["macs"])),
        notes=one.notes,
    )


def _pair(comparison: Comparison, pair: Pair, widest: float) -> PairRow:
    first, second = comparison.contenders[pair.a].name, comparison.contenders[pair.b].name
    if pair.test is None or pair.interval is None or pair.p is None:
        return PairRow(pair.verdict, pair.notes, False, first, second, "", "", "", 0.0, 0.0, 50.0, "")
    low, high, at = (50 + 50 * v / widest for v in (pair.interval.low, pair.interval.high, pair.interval.difference))
    odds = pair.test.odds
    words = "" if not math.isfinite(odds) else f", odds {format_value(odds)}"
    return PairRow(
        verdict=pair.verdict,
        notes=pair.notes,
        significant=pair.significant,
        first=first,
        second=second,
        only_first=f"{pair.test.only_a:,}",
        only_second=f"{pair.test.only_b:,}",
        p=say_p(pair.p),
        low=round(low, 2),
        high=round(high, 2),
        at=round(at, 2),
        numbers=(
            f"Both right {pair.test.both:,}, both wrong {pair.test.neither:,}; only {first} right "
            f"{pair.test.only_a:,}, only {second} right {pair.test.only_b:,}{words}; McNemar p {say_p(pair.test.p)}"
            + (f", after Holm {say_p(pair.p)}." if pair.adjusted else ".")
        ),
    )


def _reach(pair: Pair) -> float:
    return 0.0 if pair.interval is None else 1.08 * max(abs(pair.interval.low), abs(pair.interval.high))


def _plots(comparison: Comparison) -> list[LinePlot]:
    def curves(y: str, x: str, *, quiet: str = "") -> list[Curve]:
        made = []
        for number, one in enumerate(comparison.contenders):
            color = _color(comparison, number)
            if quiet:
                made.append(Curve(one.name, color, _column(one, x), _column(one, quiet), solid=False))
            made.append(Curve(one.name, color, _column(one, x), _column(one, y)))
        return made

    found = [
        build_line_plot("Validation top-1, %", "epoch", curves("val_top1", "epoch"), percent=True),
        build_line_plot("Validation loss", "epoch", curves("val_loss", "epoch", quiet="train_loss")),
        build_line_plot("Validation top-1, %", "minutes", curves("val_top1", "minutes"), percent=True),
        build_line_plot("Learning rate", "epoch", curves("lr", "epoch")),
    ]
    return [plot for plot in found if plot is not None]


def _column(one: Contender, name: str) -> list[float]:
    values = []
    for number, row in enumerate(one.rows, start=1):
        value = _number(row.get("seconds" if name == "minutes" else name))
        if value is None and name == "epoch":
            value = float(number)
        values.append(math.nan if value is None else value / 60 if name == "minutes" else value)
    return values


def _color(comparison: Comparison, number: int) -> int:
    """The best has color 0, the accent; the others follow in their order."""
    if number == comparison.best:
        return 0
    others = [i for i in range(len(comparison.contenders)) if i != comparison.best]
    return 1 + others.index(number) % (COLORS - 1)


def _number(value: Any) -> float | None:
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if good else None


def _maybe(value: Any, form: str) -> str:
    number = _number(value)
    return "–" if number is None else form.format(number)


def _duration(seconds: float) -> str:
    if seconds < 100:
        return format_seconds(seconds)
    return f"{seconds / 60:.0f}\u00a0min" if seconds < 6000 else f"{seconds / 3600:.1f}\u00a0h"


def _value(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
