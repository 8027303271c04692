"""What a human study found: error rates, confusion, agreement in labels and in errors, times, with intervals.

Everything is computed from the table of answers, observers × pictures.
How far two observers agree: `human_study_agreement`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.draw import encode_png
from striate.errors import DataError
from striate.insight.human_study import HumanStudy
from striate.insight.human_study_agreement import Agreement, GroupKappa, Pair, compare_observers
from striate.insight.human_study_chart import draw_error_rates
from striate.insight.label_agreement import fleiss_kappa
from striate.insight.store import json_bytes, pack_arrays, save_as, saved
from striate.training.metrics import Rate, confusion_matrix

__all__ = ["StudyResult", "Times"]

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Times:
    """Reaction times in milliseconds, without interrupted trials; NaN where there are none."""

    count: int
    median: float
    low_quarter: float
    high_quarter: float


@dataclass(frozen=True, eq=False)
class StudyResult:
    """Answers of m observers to n pictures, and all that follows from them.

    Attributes:
        values: int64 `m n`, the choice of each observer, −1 where there is none.
        observers: Their names, people first.
        kinds: `person` or `network` for each.
        classes: The choices.
        conditions: The conditions, `clean` first.
        labels: int64 `n`, the right choice.
        condition: int64 `n`, a position in `conditions`.
        pictures: The pictures' ids.
        sources: Their names in the data.
        rt_ms: float64 `m n`, reaction times, NaN where not known.
        interrupted: bool `m n`, times that mean nothing.
        parameters: The study's settings and the observers' facts.
        seed: Of the intervals.
        seconds: Wall time it took.
    """

    values: NDArray[np.int64]
    observers: tuple[str, ...]
    kinds: tuple[str, ...]
    classes: tuple[str, ...]
    conditions: tuple[str, ...]
    labels: NDArray[np.int64]
    condition: NDArray[np.int64]
    pictures: tuple[str, ...]
    sources: tuple[str, ...]
    rt_ms: NDArray[np.float64]
    interrupted: NDArray[np.bool_]
    parameters: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    seconds: float = 0.0

    @classmethod
    def of(cls, study: HumanStudy, *, observers: Sequence[str] | None = None, seed: int = 0) -> "StudyResult":
        """What a study has found so far; people who have not finished are in it with what they answered.

        Args:
            study: The study.
            observers: Only these, by name; everybody who has answered something by default.
            seed: Of the intervals.

        Raises:
            UnknownNameError: If one of `observers` did not take part.
            DataError: If nothing was answered yet.
        """
        began = perf_counter()
        everybody = [study.participant(name) for name in observers] if observers else study.participants()
        present = [one for one in everybody if one.answered]
        if not present:
            raise DataError(
                f"{study.folder}: nobody has answered yet. 'striate study label' asks people; --network asks a network."
            )
        settings, tested = study.settings, study.tested
        rows = {one.name: number for number, one in enumerate(present)}
        columns = {picture.id: number for number, picture in enumerate(tested)}
        shape = (len(present), len(tested))
        values, times = np.full(shape, -1, dtype=np.int64), np.full(shape, np.nan)
        interrupted = np.zeros(shape, dtype=bool)
        for one in study.answers():
            if one.participant in rows:
                place = rows[one.participant], columns[one.picture]
                values[place], interrupted[place] = one.choice, one.interrupted
                times[place] = np.nan if one.rt_ms is None else one.rt_ms
        where = {name: number for number, name in enumerate(settings.conditions)}
        found = cls(
            values=values,
            observers=tuple(one.name for one in present),
            kinds=tuple(one.kind for one in present),
            classes=settings.classes,
            conditions=settings.conditions,
            labels=np.array([picture.label for picture in tested], dtype=np.int64),
            condition=np.array([where[picture.condition] for picture in tested], dtype=np.int64),
            pictures=tuple(picture.id for picture in tested),
            sources=tuple(picture.source for picture in tested),
            rt_ms=times,
            interrupted=interrupted,
            parameters={
                "title": settings.title,
                "seed": settings.seed,
                "exposure_ms": settings.exposure_ms,
                "mask_ms": settings.mask_ms,
                "side": settings.side,
                **settings.facts,
                "observers": {one.name: {**one.facts, "joined": one.joined} for one in present},
            },
            seed=seed,
        )
        _ = found.pairs  # computed once, here, so that the time is told
        object.__setattr__(found, "seconds", perf_counter() - began)
        return found

    @property
    def correct(self) -> NDArray[np.bool_]:
        """`m n`, whether the choice is the right one; False where there is none."""
        return np.asarray(self.values == self.labels)

    @property
    def answered(self) -> NDArray[np.bool_]:
        """`m n`, whether there is a choice."""
        return np.asarray(self.values >= 0)

    def people(self) -> list[int]:
        """Positions of the people."""
        return [i for i, kind in enumerate(self.kinds) if kind == "person"]

    def networks(self) -> list[int]:
        """Positions of the networks."""
        return [i for i, kind in enumerate(self.kinds) if kind == "network"]

    def errors(self, observer: int, condition: int | None = None) -> Rate:
        """The share of wrong answers of one observer, under one condition or all, with its Wilson interval."""
        chosen = self.answered[observer] & self._under(condition)
        return Rate.of(int((chosen & ~self.correct[observer]).sum()), int(chosen.sum()))

    def confusion(self, observers: Sequence[int], condition: int | None = None) -> NDArray[np.int64]:
        """How often class i (row) was answered with class j (column), over some observers together: `k k`."""
        k = len(self.classes)
        total = np.zeros((k, k), dtype=np.int64)
        for observer in observers:
            chosen = self.answered[observer] & self._under(condition)
            if chosen.any():
                total += confusion_matrix(self.labels[chosen], self.values[observer][chosen], k)
        return total

    def times(self, observer: int, condition: int | None = None, *, right: bool | None = None) -> Times:
        """Reaction times of one person, under one condition or all, of right or of wrong answers or of both."""
        chosen = self.answered[observer] & self._under(condition) & ~self.interrupted[observer]
        if right is not None:
            chosen &= self.correct[observer] == right
        values = self.rt_ms[observer][chosen]
        values = values[np.isfinite(values)]
        if not values.size:
            return Times(0, *[float("nan")] * 3)
        low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
        return Times(int(values.size), float(middle), float(low), float(high))

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Every two observers."""
        return self._agreement.pairs

    def group(self, kind: str) -> GroupKappa:
        """Mean κ of the pairs of two people (`people`), or of a person and a network (`mixed`), or two `networks`."""
        return self.mean_of(self.pairs_of(kind))

    def pairs_of(self, kind: str) -> list[Pair]:
        """The pairs of `people`, of a person and a network (`mixed`), or of two `networks`."""
        wanted = {"people": {"person"}, "networks": {"network"}, "mixed": {"person", "network"}}[kind]
        return [p for p in self.pairs if {self.kinds[p.a], self.kinds[p.b]} == wanted]

    def contrast(self, first: Sequence[Pair], second: Sequence[Pair]) -> GroupKappa:
        """Mean κ of some pairs minus that of others; the interval is that of the difference."""
        return self._agreement.contrast(first, second)

    def mean_of(self, pairs: Sequence[Pair]) -> GroupKappa:
        """Mean κ of some pairs, of those in which it has a value."""
        return self._agreement.mean_of(pairs)

    @cached_property
    def fleiss(self) -> tuple[float, int]:
        """Fleiss' κ of the labels of all people, and the number of pictures that all of them have answered."""
        people = self.people()
        if len(people) < 2:
            return float("nan"), 0
        shared = self.answered[people].all(axis=0)
        count = int(shared.sum())
        return (fleiss_kappa(self.values[people][:, shared]) if count else float("nan")), count

    def draw(self, *, theme: str = "light", width: int = 900) -> NDArray[np.uint8]:
        """Error rates of every observer under every condition with their intervals: uint8 `h w 3`."""
        return draw_error_rates(self, theme=theme, width=width)

    def _repr_png_(self) -> bytes:
        return encode_png(self.draw())

    def to_dict(self) -> dict[str, Any]:
        """The numbers as JSON values; what has no value is None."""
        return {
            "format": FORMAT,
            "classes": list(self.classes),
            "conditions": list(self.conditions),
            "pictures": len(self.pictures),
            "observers": [self._observer(i) for i in range(len(self.observers))],
            "pairs": [self._pair_dict(pair) for pair in self.pairs],
            "groups": {name: _plain(self.group(name)) for name in ("people", "mixed", "networks")},
            "fleiss": {"kappa": _number(self.fleiss[0]), "pictures": self.fleiss[1]},
            "parameters": self.parameters,
            "seed": self.seed,
            "seconds": self.seconds,
        }

    def save(self, path: str | Path) -> Path:
        """Write `.npz` (every answer; `load` reads it), `.json` (the numbers) or `.png` (the picture).

        Raises:
            ConfigError: Another ending.
        """
        words = {"format": FORMAT, **{name: getattr(self, name) for name in _WORDS}}
        return save_as(
            path,
            {
                ".npz": lambda: pack_arrays(
                    {"format": FORMAT, **words}, {name: getattr(self, name) for name in _ARRAYS}
                ),
                ".json": lambda: json_bytes(self.to_dict(), indent=1),
                ".png": self._repr_png_,
            },
        )

    @classmethod
    def load(cls, path: str | Path) -> "StudyResult":
        """Read what `save` wrote to an `.npz`.

        Raises:
            DataError: The file is missing, damaged, holds something else, or is of a later format.
        """
        with saved(path, "StudyResult") as (words, arrays):
            if words.pop("format") != FORMAT:
                raise DataError(f"{path} has another format; this version of Striate reads {FORMAT}.")
            lists = {name: tuple(words[name]) for name in words if isinstance(words[name], list)}
            kept: dict[str, Any] = {name: arrays[name] for name in _ARRAYS}
            return cls(**kept, **{**words, **lists})

    def _under(self, condition: int | None) -> NDArray[np.bool_]:
        return np.ones(len(self.labels), bool) if condition is None else np.asarray(self.condition == condition)

    @cached_property
    def _agreement(self) -> Agreement:
        return compare_observers(
            self.values, self.labels, self.condition, conditions=len(self.conditions), seed=self.seed
        )

    def _observer(self, i: int) -> dict[str, Any]:
        each = [None, *range(len(self.conditions))]
        names = ["all", *self.conditions]
        return {
            "name": self.observers[i],
            "kind": self.kinds[i],
            "answered": int(self.answered[i].sum()),
            "interrupted": int(self.interrupted[i].sum()),
            "errors": {name: _rate(self.errors(i, c)) for name, c in zip(names, each, strict=True)},
            "rt_ms": {name: _plain(self.times(i, c)) for name, c in zip(names, each, strict=True)},
            "confusion": self.confusion([i]).tolist(),
        }

    def _pair_dict(self, pair: Pair) -> dict[str, Any]:
        return {
            "a": self.observers[pair.a],
            "b": self.observers[pair.b],
            "kappa": _number(pair.kappa),
            "low": _number(pair.low),
            "high": _number(pair.high),
            "labels": _number(pair.labels),
            "accuracy_difference": None if pair.difference is None else _plain(pair.difference),
            "mcnemar_p": None if pair.test is None else pair.test.p,
            "conditions": {
                name: None if one is None else one.to_dict()
                for name, one in zip(self.conditions, pair.conditions, strict=True)
            },
        }


_ARRAYS = ("values", "labels", "condition", "rt_ms", "interrupted")
_WORDS = ("observers", "kinds", "classes", "conditions", "pictures", "sources", "parameters", "seed", "seconds")


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _plain(record: Any) -> dict[str, Any]:
    values = {name: getattr(record, name) for name in record.__slots__}
    return {name: _number(value) if isinstance(value, float) else value for name, value in values.items()}


def _rate(rate: Rate) -> dict[str, Any]:
    if not rate.count:
        return {"wrong": 0, "count": 0, "value": None, "low": None, "high": None}
    return {"wrong": rate.hits, "count": rate.count, "value": rate.value, "low": rate.low, "high": rate.high}
