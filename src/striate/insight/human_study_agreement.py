"""How far every two observers agree: in their errors, in their labels, in how often they are right.

κ of two observers is taken in each condition by itself and then averaged: pooled over easy and hard conditions it would
only say that hard is hard for both. A condition in which one of the two makes no mistake, or nothing but mistakes, is
left out of the mean: κ is 0 there, or has no value, whatever the other one does.

Intervals of κ come from draws in which every picture has a random weight, the same one for all observers (Rubin's
Bayesian bootstrap, within conditions), and half a picture of each kind is added (see `error_consistency`). They speak
about other pictures of the same kind, for these people and these networks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from striate.insight.error_consistency import PRIOR, ErrorConsistency, consistency_of, interval_of, kappa_of
from striate.insight.label_agreement import cohen_kappa
from striate.training.significance import McNemar, Paired, mcnemar, paired_bootstrap

__all__ = ["Agreement", "GroupKappa", "Pair", "compare_observers"]

RESAMPLES = 4000
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Pair:
    """Two observers on the pictures that both have answered.

    Attributes:
        a: Position of the first in `StudyResult.observers`.
        b: Position of the second.
        conditions: Error consistency in each condition; None where they share no picture.
        kappa: Mean of κ over the conditions in which it is informative; NaN if there are none.
        low: Lower end of its 95 % interval.
        high: Upper end.
        labels: Cohen's κ of the labels, over all shared pictures.
        test: McNemar's test of the difference in accuracy, over all shared pictures; None without any.
        difference: Accuracy of the second minus that of the first, with its interval.
    """

    a: int
    b: int
    conditions: tuple[ErrorConsistency | None, ...]
    kappa: float
    low: float
    high: float
    labels: float
    test: McNemar | None
    difference: Paired | None


@dataclass(frozen=True, slots=True)
class GroupKappa:
    """Mean κ of several pairs, such as all pairs of two people; the interval is about pictures, not about people."""

    pairs: int
    kappa: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Agreement:
    """All pairs, and the draws of the mean κ of each, so that means of several pairs have an interval, too.

    Attributes:
        pairs: Every two observers.
        draws: `(a, b)` → float64 of `RESAMPLES` draws, made with the same weights of pictures for all pairs.
    """

    pairs: tuple[Pair, ...]
    draws: dict[tuple[int, int], NDArray[np.float64]]

    def mean_of(self, pairs: Sequence[Pair]) -> GroupKappa:
        """Mean κ of some pairs, of those in which it has a value."""
        known = [pair for pair in pairs if np.isfinite(pair.kappa)]
        if not known:
            return GroupKappa(0, float("nan"), float("nan"), float("nan"))
        draws = np.mean([self.draws[pair.a, pair.b] for pair in known], axis=0)
        return GroupKappa(len(known), float(np.mean([p.kappa for p in known])), *interval_of(draws, CONFIDENCE))

    def contrast(self, first: Sequence[Pair], second: Sequence[Pair]) -> GroupKappa:
        """Mean κ of the first pairs minus that of the second, with the interval of the difference."""
        parts = [[pair for pair in pairs if np.isfinite(pair.kappa)] for pairs in (first, second)]
        if not all(parts):
            return GroupKappa(0, float("nan"), float("nan"), float("nan"))
        a, b = (np.mean([self.draws[pair.a, pair.b] for pair in part], axis=0) for part in parts)
        difference = float(np.mean([p.kappa for p in parts[0]]) - np.mean([p.kappa for p in parts[1]]))
        return GroupKappa(len(parts[0]), difference, *interval_of(a - b, CONFIDENCE))


def compare_observers(
    values: NDArray[np.int64], labels: NDArray[np.int64], condition: NDArray[np.int64], *, conditions: int, seed: int
) -> Agreement:
    """Compare every two observers.

    Args:
        values: `m n`, the choices, −1 where there is none.
        labels: `n`, the right ones.
        condition: `n`, from 0 to `conditions` − 1.
        conditions: How many there are.
        seed: Of the intervals.

    Source: Geirhos, Meding & Wichmann 2020, arXiv:2006.16736; κ averaged over conditions as in Geirhos et al. 2021,
        arXiv:2106.07411.
    Differs: there, conditions in which κ is 0 by construction are averaged in.
    """
    # Exponential weights of c pictures add up to Gamma(c); Gamma(½) on top gives the shares of `error_consistency`.
    weights = np.random.default_rng(seed).exponential(size=(RESAMPLES, len(labels)))
    answered, correct = values >= 0, values == labels
    pairs: list[Pair] = []
    means: dict[tuple[int, int], NDArray[np.float64]] = {}
    for a, b in combinations(range(len(values)), 2):
        shared = answered[a] & answered[b]
        generator = np.random.default_rng((seed, a, b))
        found: list[ErrorConsistency | None] = []
        draws: list[NDArray[np.float64]] = []
        for number in range(conditions):
            chosen = shared & (condition == number)
            if not chosen.any():
                found.append(None)
                continue
            x, y = correct[a][chosen], correct[b][chosen]
            kinds = np.stack([x & y, x & ~y, ~x & y, ~x & ~y], axis=1).astype(np.float64)  # n 4
            each = kappa_of(weights[:, chosen] @ kinds + generator.gamma(PRIOR, size=(RESAMPLES, 4)))
            one = consistency_of(kinds.sum(axis=0), each, confidence=CONFIDENCE)
            found.append(one)
            if one.informative:
                draws.append(each)
        known = [one.kappa for one in found if one is not None and one.informative]
        means[a, b] = np.mean(draws, axis=0) if draws else np.full(RESAMPLES, np.nan)
        low, high = interval_of(means[a, b], CONFIDENCE)
        x, y = correct[a][shared], correct[b][shared]
        pairs.append(
            Pair(
                a=a,
                b=b,
                conditions=tuple(found),
                kappa=float(np.mean(known)) if known else float("nan"),
                low=low,
                high=high,
                labels=cohen_kappa(values[a][shared], values[b][shared]) if x.size else float("nan"),
                test=mcnemar(x, y) if x.size else None,
                difference=paired_bootstrap(x, y, seed=seed) if x.size else None,
            )
        )
    return Agreement(tuple(pairs), means)
