"""The answer of an evaluation in one second: how often it is right, how sure that number is, and what it hides."""

from dataclasses import dataclass

import numpy as np

from striate.report.numbers import format_value
from striate.training.evaluation import Evaluation
from striate.training.metrics import Rate
from striate.training.predicting import VIEWS

__all__ = ["EvaluationAnswer", "ScoreLine", "build_evaluation_answer", "say_points", "say_rate"]

NBSP = "\u00a0"


@dataclass(frozen=True)
class ScoreLine:
    """One score: its value in words, the place of its bar and of its interval in percent of the track."""

    name: str
    value: str
    interval: str
    what: str
    width: float
    low: float
    high: float
    first: bool = False


@dataclass(frozen=True)
class EvaluationAnswer:
    """What the first screen shows."""

    percent: str
    interval: str
    sentence: str
    trust: str
    notes: tuple[str, ...]
    lines: tuple[ScoreLine, ...]
    count: int
    network: str
    data: str


def build_evaluation_answer(found: Evaluation) -> EvaluationAnswer:
    """Words and numbers of the first section."""
    facts, n = found.predictions.facts, len(found.predictions)
    view = VIEWS.get(str(facts.get("view")), "")
    run = found.provenance.get("run") or {}
    network = str(run.get("name") or facts.get("weights") or facts.get("network") or "the network")
    data = str(facts.get("data") or "").replace("\\", "/").rstrip("/").rpartition("/")[2]
    split = found.provenance.get("split")
    where = f" ({split})" if split else ""
    return EvaluationAnswer(
        percent=say_rate(found.top1),
        interval=f"{100 * found.top1.low:.1f} to {100 * found.top1.high:.1f}{NBSP}%",
        sentence=(
            f"{network} names {found.top1.hits:,} of {n:,} picture{'s' if n != 1 else ''}"
            f"{f' of {data}' if data else ''}{where} right" + (f", {view}." if view else ".")
        ),
        trust=_trust(found),
        notes=tuple(str(note) for note in found.provenance.get("notes") or ()),
        lines=_lines(found),
        count=n,
        network=network,
        data=data,
    )


def say_rate(rate: Rate) -> str:
    r"""A share in percent with one digit; never rounded to all or to none.

    >>> [say_rate(Rate.of(hits, count)) for hits, count in ((9999, 10_000), (2, 3), (99_999, 100_000), (0, 0))]
    ['99.99\xa0%', '66.7\xa0%', '99.999\xa0%', '–']
    """
    if not rate.count:
        return "–"
    digits = 1
    while digits < 6 and rate.hits not in (0, rate.count) and f"{100 * rate.value:.{digits}f}" in _certain(digits):
        digits += 1
    return f"{100 * rate.value:.{digits}f}{NBSP}%"


def say_points(share: float) -> str:
    r"""Half an interval in points.

    >>> say_points(0.138), say_points(0.0061)
    ('14', '0.6')
    """
    points = 100 * share
    return f"{points:.0f}" if points >= 9.95 else f"{points:.1f}"


def _certain(digits: int) -> tuple[str, str]:
    return f"{100:.{digits}f}", f"{0:.{digits}f}"


def _lines(found: Evaluation) -> tuple[ScoreLine, ...]:
    n, k = len(found.predictions), len(found.predictions.classes)
    lines = [_rate_line("Top-1", found.top1, "share of pictures whose best answer is right", first=True)]
    if k > 5:
        lines.append(_rate_line("Top-5", found.top5, "the right class is among the five best answers"))
    scores = found.classes
    there = int((scores.support > 0).sum())
    for name, value, what in (
        ("Balanced", scores.balanced_accuracy, f"mean over the {there:,} classes with pictures, each counted once"),
        ("Macro F1", scores.mean("f1"), "harmonic mean of precision and recall, averaged over the classes"),
    ):
        percent = 100 * value
        lines.append(ScoreLine(name, f"{percent:.1f}{NBSP}%", "", what, percent, percent, percent))
    ece = 100 * found.calibration.ece
    lines.append(
        ScoreLine(
            "ECE",
            f"{ece:.1f}{NBSP}%",
            f"in bins of equal counts {100 * found.calibration_mass.ece:.1f}{NBSP}%",
            "expected calibration error, 15 bins: how far probabilities are from how often they hold",
            ece,
            ece,
            ece,
        )
    )
    nats = (
        f"mean −log p of the right class; knowing nothing gives {np.log(k):.2f}"
        f"{f'; Brier score {format_value(found.brier)}' if n else ''}"
    )
    share = 100 * min(found.loss / max(float(np.log(k)), 1e-9), 1.0)
    lines.append(ScoreLine("Loss", f"{found.loss:.3f}", "", nats, share, share, share))
    return tuple(lines)


def _rate_line(name: str, rate: Rate, what: str, *, first: bool = False) -> ScoreLine:
    low, high = 100 * rate.low, 100 * rate.high
    interval = f"{low:.1f} … {high:.1f}"
    return ScoreLine(name, say_rate(rate), interval, what, 100 * rate.value, round(low, 2), round(high, 2), first)


def _trust(found: Evaluation) -> str:
    rate, n = found.top1, len(found.predictions)
    support = found.classes.support
    usual = int(support.max())
    words = [
        f"With {n:,} picture{'s' if n != 1 else ''}, chance alone moves this number by about",
        f"±{say_points(rate.margin)} points (95{NBSP}% Wilson interval).",
        f"Always answering “{found.predictions.classes[int(support.argmax())]}” would be right for",
        f"{100 * usual / n:.1f}{NBSP}%.",
    ]
    empty = int((support == 0).sum())
    if empty:
        words.append(f"{empty:,} of {len(support):,} classes have no pictures here: nothing is known about them.")
    few = int(((support > 0) & (support < 10)).sum())
    if few:
        words.append(f"{few:,} class{'es have' if few > 1 else ' has'} fewer than 10 pictures.")
    return " ".join(words)
