"""Which of several runs is better, by how much, and whether that could be luck.

Runs are compared picture by picture: those that two of them have answered are found by their names. The test is about
the weights that there are; whether a recipe is better than another is a question to several trainings of each.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.errors import ConfigError
from striate.training.metrics import Rate
from striate.training.predictions import Predictions
from striate.training.significance import McNemar, Paired, holm, mcnemar, paired_bootstrap

__all__ = ["Comparison", "Contender", "Pair", "compare", "match_pictures", "say_p"]

LEVEL = 0.05


@dataclass(frozen=True, eq=False)
class Contender:
    """One run, or one evaluation.

    Attributes:
        name: What to call it; no two have the same.
        path: Its folder.
        network: The catalogue's name of the network.
        data: What it was trained on, or evaluated on.
        state: `running`, `stopped`, `finished`, `failed`; `evaluation` for one that has no curves.
        rows: Those of `metrics.jsonl`.
        settings: Every setting by name, as JSON values.
        predictions: Answers to its validation pictures, or None.
        cost: `parameters`, `macs`, `seconds`, `images_per_s`, as far as they are known.
        notes: What is wrong with it, one sentence each.
    """

    name: str
    path: str
    network: str = ""
    data: str = ""
    state: str = ""
    rows: tuple[dict[str, Any], ...] = ()
    settings: dict[str, Any] | None = None
    predictions: Predictions | None = None
    cost: dict[str, Any] | None = None
    notes: tuple[str, ...] = ()

    @property
    def top1(self) -> Rate | None:
        """Right answers to the validation pictures."""
        if self.predictions is None:
            return None
        return Rate.of(int(self.predictions.correct.sum()), len(self.predictions))


@dataclass(frozen=True)
class Pair:
    """Two contenders on the pictures that both have answered.

    Attributes:
        a: Index of the first.
        b: Index of the second.
        count: Pictures in common.
        test: McNemar's test, or None without pictures in common.
        interval: The difference, second minus first, with its 95 % interval.
        p: p-value, adjusted for the number of pairs.
        adjusted: Whether there is more than one pair.
        verdict: One sentence.
        notes: What to know about the pictures, one sentence each.
    """

    a: int
    b: int
    count: int
    test: McNemar | None
    interval: Paired | None
    p: float | None
    adjusted: bool
    verdict: str
    notes: tuple[str, ...]

    @property
    def significant(self) -> bool:
        """Whether the adjusted p-value is below .05."""
        return self.p is not None and self.p < LEVEL


@dataclass(frozen=True, eq=False)
class Comparison:
    """Several contenders side by side.

    Attributes:
        contenders: In the order given.
        pairs: Every two of them.
        differing: Settings that are not the same everywhere: name, and the value of each (None: it has none).
        shared: How many settings are the same everywhere.
    """

    contenders: tuple[Contender, ...]
    pairs: tuple[Pair, ...]
    differing: dict[str, tuple[Any, ...]]
    shared: int

    @property
    def best(self) -> int | None:
        """Index of the one with the highest top-1; None where none is known."""
        known = [(one.top1.value, -i) for i, one in enumerate(self.contenders) if one.top1 is not None]
        return -max(known)[1] if known else None

    @property
    def winner(self) -> int | None:
        """Index of the one that is better than every other beyond chance; None where there is none."""
        for i in range(len(self.contenders)):
            won = sum(
                pair.significant and pair.test is not None and (pair.test.difference > 0) == (pair.b == i)
                for pair in self.pairs
                if i in (pair.a, pair.b)
            )
            if won == len(self.contenders) - 1:
                return i
        return None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, without curves and answers."""
        winner = self.winner
        return {
            "winner": None if winner is None else self.contenders[winner].name,
            "runs": [_contender(one) for one in self.contenders],
            "pairs": [
                {
                    "a": self.contenders[pair.a].name,
                    "b": self.contenders[pair.b].name,
                    "pictures": pair.count,
                    "difference": None if pair.interval is None else asdict(pair.interval),
                    "mcnemar": None if pair.test is None else _finite(asdict(pair.test)),
                    "p_adjusted": pair.p,
                    "significant": pair.significant,
                    "verdict": pair.verdict,
                    "notes": list(pair.notes),
                }
                for pair in self.pairs
            ],
            "differing_settings": {name: list(values) for name, values in self.differing.items()},
            "shared_settings": self.shared,
        }


def compare(contenders: Sequence[Contender]) -> Comparison:
    """Test every two of them, and list what is set differently.

    Raises:
        ConfigError: Fewer than two, or two of one name.
    """
    if len(contenders) < 2:
        raise ConfigError(f"A comparison needs at least 2 runs, got {len(contenders)}.")
    names = [one.name for one in contenders]
    if len(set(names)) < len(names):
        raise ConfigError(f"Runs must have different names to be told apart, got {', '.join(names)}.")
    drafts = [_pair(contenders, a, b) for a, b in combinations(range(len(contenders)), 2)]
    tested = [pair for pair in drafts if pair.test is not None]
    adjusted = dict(zip(map(id, tested), holm([pair.test.p for pair in tested if pair.test]), strict=True))
    pairs = tuple(
        _judged(replace(pair, p=adjusted.get(id(pair)), adjusted=len(tested) > 1), contenders) for pair in drafts
    )
    differing, shared = _differences(contenders)
    return Comparison(tuple(contenders), pairs, differing, shared)


def match_pictures(a: Predictions, b: Predictions) -> tuple[NDArray[np.int64], NDArray[np.int64], tuple[str, ...]]:
    """Places of the pictures that both have answered, in the order of the first, and what to know about them.

    A name that stands for several pictures, or whose picture has another right class in the other run, is left out.
    """
    places_a, doubled_a = _unique(a.names)
    places_b, doubled_b = _unique(b.names)
    common = [name for name in places_a if name in places_b]
    notes = []
    if doubled_a or doubled_b:
        notes.append(f"Names that stand for several pictures are left out: {max(doubled_a, doubled_b):,}.")
    rows = np.array([(places_a[name], places_b[name]) for name in common], dtype=np.int64).reshape(-1, 2)
    given = (
        np.array(a.classes, dtype=object)[a.labels[rows[:, 0]]],
        np.array(b.classes, dtype=object)[b.labels[rows[:, 1]]],
    )
    same = np.asarray(given[0] == given[1], dtype=np.bool_).reshape(-1)
    if not same.all():
        notes.append(f"Pictures whose right class differs are left out: {int((~same).sum()):,}.")
    rows = rows[same]
    if len(rows) < max(len(a), len(b)):
        notes.append(
            f"The validation sets differ: {len(a):,} and {len(b):,} pictures, {len(rows):,} in common. Only "
            "they count; evaluating both on one set of new pictures tests more."
        )
    return rows[:, 0], rows[:, 1], tuple(notes)


def say_p(p: float) -> str:
    """A p-value as papers print it.

    >>> say_p(0.0071), say_p(0.71), say_p(1e-9), say_p(1.0)
    ('= .007', '= .71', '< .001', '= 1')
    """
    if p < 0.001:
        return "< .001"
    return "= 1" if p > 0.995 else f"= {p:.3f}".replace("0.", ".") if p < 0.1 else f"= {p:.2f}".replace("0.", ".")


def _pair(contenders: Sequence[Contender], a: int, b: int) -> Pair:
    first, second = contenders[a].predictions, contenders[b].predictions
    if first is None or second is None:
        without = [one.name for one in (contenders[a], contenders[b]) if one.predictions is None]
        verdict = (
            f"{contenders[a].name} and {contenders[b].name} cannot be tested: {' and '.join(without)} "
            f"{'have' if len(without) > 1 else 'has'} no predictions.npz."
        )
        return Pair(a, b, 0, None, None, None, False, verdict, ())
    rows_a, rows_b, notes = match_pictures(first, second)
    if not len(rows_a):
        verdict = f"{contenders[a].name} and {contenders[b].name} cannot be tested: they have no picture in common."
        return Pair(a, b, 0, None, None, None, False, verdict, notes)
    right = (first.correct[rows_a], second.correct[rows_b])
    return Pair(a, b, len(rows_a), mcnemar(*right), paired_bootstrap(*right), None, False, "", notes)


def _judged(pair: Pair, contenders: Sequence[Contender]) -> Pair:
    """The same with its sentence."""
    if pair.test is None or pair.interval is None or pair.p is None:
        return pair
    first, second = contenders[pair.a].name, contenders[pair.b].name
    points, low, high = (100 * v for v in (pair.interval.difference, pair.interval.low, pair.interval.high))
    if points < 0:
        first, second, points, low, high = second, first, -points, -high, -low
    if pair.test.only_a + pair.test.only_b == 0:
        verdict = f"{first} and {second} are right and wrong on the same {pair.count:,} pictures."
        return replace(pair, verdict=verdict)
    holm_word = " after Holm" if pair.adjusted else ""
    numbers = f"(95 % {_signed(low)} … {_signed(high)}; McNemar p {say_p(pair.p)}{holm_word}, n = {pair.count:,})"
    if pair.significant:
        verdict = f"{second} is better than {first} by {points:.1f} points {numbers}."
    elif round(points, 1) == 0:
        verdict = f"No difference can be shown between {first} and {second} {numbers}."
    else:
        verdict = f"No difference can be shown: {second} is {points:.1f} points ahead of {first} {numbers}."
    return replace(pair, verdict=verdict)


def _signed(points: float) -> str:
    return f"{points:.1f}".replace("-", "−").replace("−0.0", "0.0")


def _unique(names: tuple[str, ...]) -> tuple[dict[str, int], int]:
    """The place of each name that stands once, and how many stand more often."""
    places: dict[str, int] = {}
    doubled: set[str] = set()
    for place, name in enumerate(names):
        if name in places:
            doubled.add(name)
        places[name] = place
    return {name: place for name, place in places.items() if name not in doubled}, len(doubled)


def _differences(contenders: Sequence[Contender]) -> tuple[dict[str, tuple[Any, ...]], int]:
    known = [one.settings for one in contenders if one.settings is not None]
    names = dict.fromkeys(name for settings in known for name in settings)
    values = {name: tuple((one.settings or {}).get(name) for one in contenders) for name in names}
    differing = {name: row for name, row in values.items() if any(value != row[0] for value in row)}
    return differing, len(values) - len(differing)


def _contender(one: Contender) -> dict[str, Any]:
    top1 = one.top1
    return {
        "name": one.name,
        "path": one.path,
        "network": one.network,
        "data": one.data,
        "state": one.state,
        "epochs_done": len(one.rows),
        "pictures": None if one.predictions is None else len(one.predictions),
        "top1": None if top1 is None else {"value": top1.value, "low": top1.low, "high": top1.high},
        "cost": one.cost or {},
        "notes": list(one.notes),
    }


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    """JSON has no infinity: such odds become None."""
    return {
        name: None if isinstance(value, float) and not np.isfinite(value) else value for name, value in values.items()
    }
