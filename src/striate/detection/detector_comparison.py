"""Detectors side by side: what each is worth and costs, and whether a difference of mAP is more than luck.

Both answered the same pictures, so pictures are drawn again in pairs: each draw weighs the pictures alike for both, and
the difference of mAP varies only as far as the two detectors differ.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.detection.ap_interval import Interval, picture_weights, resampled_ap
from striate.detection.box_predictions import BoxPredictions
from striate.detection.detector_facts import DetectorFacts
from striate.detection.voc_ap import class_average_precision, match_boxes
from striate.errors import ConfigError
from striate.training.comparison import say_p
from striate.training.significance import holm

__all__ = ["Contestant", "DetectorComparison", "DetectorPair", "compare_detectors", "paired_map"]


@dataclass(frozen=True, eq=False)
class Contestant:
    """One detector.

    Attributes:
        name: Tells it from the others.
        path: Its folder.
        facts: What it cost and is worth.
        predictions: Its answers, if they are at hand.
        notes: What is missing or damaged.
    """

    name: str
    path: str
    facts: DetectorFacts
    predictions: BoxPredictions | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class DetectorPair:
    """Two detectors on the pictures that both answered.

    Attributes:
        a: Place of the first.
        b: Place of the second.
        count: Pictures that both answered.
        difference: mAP of the second minus mAP of the first, with its interval; None where nothing can be compared.
        p: Two-sided, from the draws; after Holm where there are several pairs.
        significant: Whether p is below .05.
        verdict: One sentence.
        notes: What to know about the pictures.
    """

    a: int
    b: int
    count: int
    difference: Interval | None
    p: float | None
    significant: bool
    verdict: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class DetectorComparison:
    """All of them, in the order given, and every pair."""

    contestants: tuple[Contestant, ...]
    pairs: tuple[DetectorPair, ...]

    @property
    def best(self) -> int | None:
        """The place of the highest mAP; None where none is known."""
        known = [(one.facts.mean_ap, -i) for i, one in enumerate(self.contestants) if one.facts.mean_ap is not None]
        return -max(known)[1] if known else None

    @property
    def slowest(self) -> int | None:
        """The place of the one that needs most time at test, proposals left out; ratios refer to it."""
        known = [
            (one.facts.test_seconds, -i) for i, one in enumerate(self.contestants) if one.facts.test_seconds is not None
        ]
        return -max(known)[1] if known else None

    def faster(self, number: int) -> float | None:
        """How many times less time it needs than the slowest, both without proposals."""
        reference = self.slowest
        own = self.contestants[number].facts.test_seconds
        if reference is None or not own:
            return None
        whole = self.contestants[reference].facts.test_seconds
        return None if whole is None else whole / own

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        reference = self.slowest
        return {
            "format": 1,
            "task": "detect",
            "best": None if self.best is None else self.contestants[self.best].name,
            "times_refer_to": None if reference is None else self.contestants[reference].name,
            "detectors": [
                {
                    "name": one.name,
                    "path": one.path,
                    **asdict(one.facts),
                    "training_seconds": one.facts.training_seconds,
                    "test_seconds_with_proposals": one.facts.whole_seconds,
                    "times_faster": self.faster(number),
                    "notes": [*one.facts.notes, *one.notes],
                }
                for number, one in enumerate(self.contestants)
            ],
            "pairs": [
                {
                    "a": self.contestants[pair.a].name,
                    "b": self.contestants[pair.b].name,
                    "pictures": pair.count,
                    "map_difference": None if pair.difference is None else asdict(pair.difference),
                    "p": pair.p,
                    "significant": pair.significant,
                    "verdict": pair.verdict,
                    "notes": list(pair.notes),
                }
                for pair in self.pairs
            ],
        }


def paired_map(
    a: BoxPredictions, b: BoxPredictions, *, iou: float = 0.5, resamples: int = 2000, seed: int = 0
) -> tuple[Interval, float]:
    """The difference of mAP, second minus first, with its 95 % interval, and the chance of one this large by luck.

    Args:
        a: Answers of the first detector.
        b: Answers of the second to the same pictures in the same order.
        iou: The least IoU of a hit.
        resamples: Draws.
        seed: Of the draws.

    Returns:
        The interval, and a two-sided p-value, at least 1 / `resamples`; both NaN if nothing is to be found.

    Raises:
        ConfigError: If the pictures or classes differ, or `iou` or `resamples` is out of range.
    """
    if a.names != b.names or a.labels != b.labels:
        raise ConfigError("Two detectors are compared on the same pictures and classes, in the same order.")
    ap = [np.array([*class_average_precision(one, iou=iou).values()]) for one in (a, b)]
    known = np.flatnonzero(~np.isnan(ap[0]))
    if not known.size:
        return Interval(float("nan"), float("nan"), float("nan")), float("nan")
    value = float((ap[1] - ap[0])[known].mean())
    weights = picture_weights(len(a), resamples, seed)
    added = np.random.default_rng([seed, 1]).standard_gamma(0.5, (resamples, len(a.labels), 2))
    first, second = (resampled_ap(one, match_boxes(one, iou=iou), weights, added=added) for one in (a, b))
    draws = (second - first)[:, known].mean(axis=1)
    draws += value - draws.mean()  # the added objects pull both towards the middle
    low, high = np.quantile(draws, [0.025, 0.975])
    tail = min(int((draws <= 0).sum()), int((draws >= 0).sum()))
    p = min(1.0, 2 * max(tail, 0.5) / resamples)
    return Interval(value, min(value, float(low)), max(value, float(high))), p


def compare_detectors(contestants: Sequence[Contestant], *, iou: float = 0.5) -> DetectorComparison:
    """Compare every two of them on the pictures that both answered.

    Args:
        contestants: At least two, of different names.
        iou: The least IoU of a hit.

    Raises:
        ConfigError: Fewer than two, or two of one name.
    """
    names = [one.name for one in contestants]
    if len(names) < 2 or len(set(names)) < len(names):
        raise ConfigError(f"A comparison needs at least two detectors of different names, got {', '.join(names)}.")
    drafts = [_pair(contestants, a, b, iou) for a, b in combinations(range(len(contestants)), 2)]
    tested = [pair for pair in drafts if pair.p is not None]
    adjusted = dict(zip(map(id, tested), holm([pair.p for pair in tested if pair.p is not None]), strict=True))
    pairs = tuple(_judged(replace(pair, p=adjusted.get(id(pair))), contestants, len(tested) > 1) for pair in drafts)
    return DetectorComparison(tuple(contestants), pairs)


def _pair(contestants: Sequence[Contestant], a: int, b: int, iou: float) -> DetectorPair:
    first, second = contestants[a], contestants[b]
    if first.predictions is None or second.predictions is None:
        without = " and ".join(one.name for one in (first, second) if one.predictions is None)
        return DetectorPair(
            a, b, 0, None, None, False, f"{first.name} and {second.name} cannot be tested: no answers of {without}."
        )
    rows_a, rows_b, notes = _common(first.predictions, second.predictions)
    if not len(rows_a):
        verdict = (
            f"{first.name} and {second.name} cannot be tested: they have no picture with the same boxes in common."
        )
        way = (
            "Let both answer the same pictures (striate evaluate RUN DATA), then compare the folders with the answers."
        )
        return DetectorPair(a, b, 0, None, None, False, verdict, (*notes, way))
    interval, p = paired_map(first.predictions.subset(rows_a), second.predictions.subset(rows_b), iou=iou)
    if np.isnan(p):
        verdict = f"{first.name} and {second.name} cannot be tested: nothing is to be found on their common pictures."
        return DetectorPair(a, b, len(rows_a), None, None, False, verdict, notes)
    return DetectorPair(a, b, len(rows_a), interval, p, False, "", notes)


def _judged(pair: DetectorPair, contestants: Sequence[Contestant], several: bool) -> DetectorPair:
    if pair.difference is None or pair.p is None:
        return pair
    first, second = contestants[pair.a].name, contestants[pair.b].name
    points, low, high = (100 * value for value in (pair.difference.value, pair.difference.low, pair.difference.high))
    if points < 0:
        first, second, points, low, high = second, first, -points, -high, -low
    words = " after Holm" if several else ""
    numbers = f"(95 % {_signed(low)} … {_signed(high)}; p {say_p(pair.p)}{words}, n = {pair.count:,} pictures)"
    significant = pair.p < 0.05
    verdict = (
        f"{second} finds better than {first} by {points:.1f} points of mAP {numbers}."
        if significant
        else f"No difference of mAP can be shown between {first} and {second}: {points:.1f} points {numbers}."
    )
    return replace(pair, significant=significant, verdict=verdict)


def _signed(points: float) -> str:
    return f"{points:.1f}".replace("-", "−").replace("−0.0", "0.0")


def _common(a: BoxPredictions, b: BoxPredictions) -> tuple[NDArray[np.int64], NDArray[np.int64], tuple[str, ...]]:
    """Places of the pictures that both answered with the same true boxes, in the order of the first."""
    if a.labels != b.labels:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), ("They know different classes.",)
    places = {name: place for place, name in enumerate(b.names)}
    doubled = (len(set(a.names)) < len(a.names)) or (len(places) < len(b.names))
    pairs, other = [], 0
    for name, place in {name: place for place, name in enumerate(a.names)}.items():
        if name in places:
            one, two = a.truth(place), b.truth(places[name])
            same = np.array_equal(one.boxes, two.boxes) and np.array_equal(one.classes, two.classes)
            if same and np.array_equal(one.difficult | one.crowd, two.difficult | two.crowd):
                pairs.append((place, places[name]))
            else:
                other += 1
    notes = []
    if doubled:
        notes.append("Of pictures that share a name only one counts.")
    if other:
        notes.append(f"Pictures whose true boxes differ are left out: {other:,}.")
    if len(pairs) < max(len(a), len(b)):
        notes.append(f"{len(a):,} and {len(b):,} pictures were answered, {len(pairs):,} by both: only these count.")
    rows = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return rows[:, 0], rows[:, 1], tuple(notes)
