"""Detectors side by side, as the course notes have them, with measured numbers: worth, time, proposals, disk."""

import math
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from striate.detection.detector_comparison import DetectorComparison, DetectorPair
from striate.detection.detector_facts import DetectorFacts
from striate.report.comparison_page import PairRow
from striate.report.detection_answer import say_ap
from striate.report.numbers import format_bytes, format_count, format_seconds, format_value
from striate.report.templates import render_page
from striate.training.comparison import say_p

__all__ = ["DetectorColumn", "SpeedDot", "build_detectors_page"]

NBSP = "\u00a0"
WIDTH, HEIGHT = 420.0, 240.0
ROOM = 110.0


@dataclass(frozen=True)
class DetectorColumn:
    """One detector: what the notes say of its kind, and its numbers as words."""

    name: str
    path: str
    title: str
    color: int
    best: bool
    idea: str
    steps: tuple[str, ...]
    advantages: tuple[str, ...]
    disadvantages: tuple[str, ...]
    numbers: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class SpeedDot:
    """A detector in the drawing of mAP against time; places in units of it."""

    name: str
    color: int
    x: float
    y: float
    low: float
    high: float
    name_y: float
    anchor: str


ROWS = (
    "mAP@.50",
    "COCO AP",
    "Test time a picture, proposals left out",
    "Times faster than {slowest}",
    "Time of its proposals",
    "Proposals a picture (N)",
    "Recall of the proposals",
    "Canvas",
    "Training",
    "Disk while training",
    "Weights",
    "Parameters",
    "Backbone",
    "Measured on",
)


def build_detectors_page(comparison: DetectorComparison) -> str:
    """One self-contained HTML page.

    Args:
        comparison: From `striate.detection.compare_detectors`.

    Returns:
        The text of the file.
    """
    columns = tuple(_column(comparison, number) for number in range(len(comparison.contestants)))
    slowest = comparison.slowest
    reference = "the slowest" if slowest is None else comparison.contestants[slowest].name
    widest = max((_reach(pair) for pair in comparison.pairs), default=0.0) or 0.01
    winner = _winner(comparison)
    return render_page(
        "detectors.html.j2",
        styles=("report.css", "scores.css", "comparison.css", "detectors.css"),
        scripts=("theme.js", "ready.js"),
        data={},
        columns=columns,
        rows=[row.format(slowest=reference) for row in ROWS],
        winner=None if winner is None else columns[winner],
        best=None if comparison.best is None else columns[comparison.best],
        speed=_speed_words(comparison),
        dots=_dots(comparison),
        ticks=_ticks(comparison),
        pairs=tuple(_pair(comparison, pair, widest) for pair in comparison.pairs),
        several=len(comparison.pairs) > 1,
        widest=f"{100 * widest:.1f}",
    )


@lru_cache(maxsize=1)
def _families() -> dict[str, Any]:
    return tomllib.loads(files("striate.report").joinpath("detector_families.toml").read_text(encoding="utf-8"))


def _winner(comparison: DetectorComparison) -> int | None:
    """The best, if it is better than every other by more than chance."""
    best = comparison.best
    for number in range(len(comparison.contestants)):
        if number != best and not any(
            pair.significant and {pair.a, pair.b} == {best, number} for pair in comparison.pairs
        ):
            return None
    return best


def _column(comparison: DetectorComparison, number: int) -> DetectorColumn:
    one = comparison.contestants[number]
    words = _families().get(one.facts.family, {})
    return DetectorColumn(
        name=one.name,
        path=one.path,
        title=str(words.get("title", one.facts.model)),
        color=_color(comparison, number),
        best=number == comparison.best,
        idea=str(words.get("idea", "")),
        steps=tuple(words.get("steps", ())),
        advantages=tuple(words.get("advantages", ())),
        disadvantages=tuple(words.get("disadvantages", ())),
        numbers=_numbers(comparison, number),
        notes=(*one.facts.notes, *one.notes),
    )


def _numbers(comparison: DetectorComparison, number: int) -> tuple[str, ...]:
    facts, faster = comparison.contestants[number].facts, comparison.faster(number)
    return (
        _ap(facts),
        "–" if facts.coco_ap is None else say_ap(facts.coco_ap),
        _time(facts.test_seconds),
        "–" if faster is None else "1" if number == comparison.slowest else f"{_ratio(faster)} ({_scale(facts)})",
        _proposals(facts),
        "–" if facts.proposals_per_picture is None else f"{facts.proposals_per_picture:,.0f}",
        "–" if facts.proposal_recall is None else say_ap(facts.proposal_recall),
        "–" if facts.image_size is None else f"{facts.image_size[0]}{NBSP}×{NBSP}{facts.image_size[1]} px",
        _training(facts),
        "–" if facts.cache_bytes is None else "none" if facts.cache_bytes == 0 else format_bytes(facts.cache_bytes),
        "–" if facts.weights_bytes is None else format_bytes(facts.weights_bytes),
        "–" if facts.parameters is None else format_count(facts.parameters),
        facts.backbone or "–",
        _where(facts),
    )


def _ap(facts: DetectorFacts) -> str:
    if facts.mean_ap is None:
        return "–"
    low, high = facts.mean_ap_low, facts.mean_ap_high
    interval = "" if low is None or high is None else f" ({100 * low:.1f} … {100 * high:.1f})"
    count = "" if facts.evaluated_pictures is None else f", {facts.evaluated_pictures:,} pictures"
    return f"{say_ap(facts.mean_ap)}{interval}{count}"


def _time(seconds: float | None) -> str:
    return "–" if seconds is None else _duration(seconds)


def _proposals(facts: DetectorFacts) -> str:
    if facts.proposal_seconds is not None:
        return _duration(facts.proposal_seconds) + (f", {facts.proposals}" if facts.proposals else "")
    return {"network": "part of the network", "none": "none are made"}.get(facts.proposals or "", "–")


def _duration(seconds: float) -> str:
    if seconds < 100:
        return format_seconds(seconds)
    return f"{seconds / 60:.0f}{NBSP}min" if seconds < 6000 else f"{seconds / 3600:.1f}{NBSP}h"


def _training(facts: DetectorFacts) -> str:
    if facts.training_seconds is None:
        return "–"
    count = "" if facts.training_pictures is None else f", {facts.training_pictures:,} pictures"
    parts = ", ".join(f"{stage.name} {_duration(stage.seconds)}" for stage in facts.stages)
    return f"{_duration(facts.training_seconds)}{count}" + (f": {parts}" if len(facts.stages) > 1 else "")


def _where(facts: DetectorFacts) -> str:
    words = [facts.device or "", f"{facts.threads} threads" if facts.threads else ""]
    words.append(f"{facts.test_pictures:,} pictures" if facts.test_pictures else "")
    return ", ".join(word for word in words if word) or "–"


def _ratio(value: float) -> str:
    return f"{format_value(value)}×"


def _scale(facts: DetectorFacts) -> str:
    """N and the size of the picture: without them a ratio says nothing."""
    known = facts.proposals_per_picture
    words = ["no proposals" if facts.proposals == "none" else f"N = {known:,.0f}" if known is not None else "N unknown"]
    words.append(
        "size unknown" if facts.image_size is None else f"{facts.image_size[0]}{NBSP}×{NBSP}{facts.image_size[1]} px"
    )
    return ", ".join(words)


def _speed_words(comparison: DetectorComparison) -> str:
    timed = [
        (value, number)
        for number in range(len(comparison.contestants))
        if (value := comparison.faster(number)) is not None
    ]
    slowest = comparison.slowest
    if slowest is None or len(timed) < 2:
        return ""
    factor, fastest = max(timed)
    first, second = comparison.contestants[fastest], comparison.contestants[slowest]
    return (
        f"{first.name} is fastest: {_ratio(factor)} the speed of {second.name}, a picture in "
        f"{_time(first.facts.test_seconds)} ({_scale(first.facts)}) instead of {_time(second.facts.test_seconds)} "
        f"({_scale(second.facts)}), proposals left out."
    )


def _dots(comparison: DetectorComparison) -> tuple[SpeedDot, ...]:
    known = [
        (number, one.facts, seconds)
        for number, one in enumerate(comparison.contestants)
        if one.facts.mean_ap is not None and (seconds := one.facts.whole_seconds)
    ]
    span = _span(comparison)
    if not known or span is None:
        return ()
    dots: list[SpeedDot] = []
    for number, facts, seconds in known:
        value = facts.mean_ap or 0.0
        x = round(WIDTH * (math.log10(seconds) - span[0]) / (span[1] - span[0]), 1)
        ends = (facts.mean_ap_low, facts.mean_ap_high)
        low, high = (value if end is None else end for end in ends)
        name_y = _height(high) - 12
        if any(abs(dot.x - x) < ROOM and abs(dot.name_y - name_y) < 14 for dot in dots):
            name_y = _height(low) + 14
        anchor = "start" if x < 40 else "end" if x > WIDTH - 40 else "middle"
        name, color = comparison.contestants[number].name, _color(comparison, number)
        dots.append(SpeedDot(name, color, x, _height(value), _height(low), _height(high), round(name_y, 1), anchor))
    return tuple(dots)


def _height(value: float) -> float:
    return round(HEIGHT * (1 - value), 1)


def _span(comparison: DetectorComparison) -> tuple[int, int] | None:
    """Powers of ten around all times."""
    times = [seconds for one in comparison.contestants if (seconds := one.facts.whole_seconds)]
    if not times:
        return None
    low, high = math.floor(math.log10(min(times))), math.ceil(math.log10(max(times)))
    return low, max(high, low + 1)


def _ticks(comparison: DetectorComparison) -> list[tuple[float, str]]:
    span = _span(comparison)
    if span is None:
        return []
    steps = range(span[0], span[1] + 1)
    return [(round(WIDTH * (p - span[0]) / (span[1] - span[0]), 1), _tick(10.0**p)) for p in steps]


def _tick(seconds: float) -> str:
    return f"{1000 * seconds:g}{NBSP}ms" if seconds < 1 else f"{seconds:g}{NBSP}s"


def _color(comparison: DetectorComparison, number: int) -> int:
    """The best has color 0, the accent; the others follow in their order."""
    if number == comparison.best:
        return 0
    others = [i for i in range(len(comparison.contestants)) if i != comparison.best]
    return 1 + others.index(number) % 7


def _reach(pair: DetectorPair) -> float:
    return 0.0 if pair.difference is None else 1.08 * max(abs(pair.difference.low), abs(pair.difference.high))


def _pair(comparison: DetectorComparison, pair: DetectorPair, widest: float) -> PairRow:
    first, second = comparison.contestants[pair.a].name, comparison.contestants[pair.b].name
    if pair.difference is None or pair.p is None:
        return PairRow(pair.verdict, pair.notes, False, first, second, "", "", "", 0.0, 0.0, 50.0, "")
    low, high, at = (50 + 50 * v / widest for v in (pair.difference.low, pair.difference.high, pair.difference.value))
    return PairRow(
        verdict=pair.verdict,
        notes=pair.notes,
        significant=pair.significant,
        first=first,
        second=second,
        only_first="",
        only_second="",
        p=say_p(pair.p),
        low=round(low, 2),
        high=round(high, 2),
        at=round(at, 2),
        numbers="shown",
    )
