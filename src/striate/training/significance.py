"""Is one network better than another, or was it luck? Both answered the same pictures: the pictures are the pairs.

Pictures that both get right, or both wrong, say nothing about the difference. Of the b + c others, the first network
alone gets b right, the second alone c. If neither is better, each of them is a coin toss: McNemar's test asks how often
b + c coin tosses come out at least as unequal as b : c.

    p = min(1, 2 Σ_{i ≤ min(b, c)} C(b + c, i) / 2^(b + c))        difference = (c − b) / n
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striate.errors import ConfigError, ShapeError

__all__ = ["McNemar", "Paired", "holm", "mcnemar", "paired_bootstrap"]


@dataclass(frozen=True, slots=True)
class McNemar:
    """How often two networks differ on the same n pictures.

    Attributes:
        both: Pictures that both get right.
        only_a: Pictures that only the first gets right (b).
        only_b: Pictures that only the second gets right (c).
        neither: Pictures that neither gets right.
        p: Two-sided exact p-value: chance of a difference at least this large if neither is better, from 0 to 1.
        chi2: Edwards' continuity-corrected statistic (|b − c| − 1)² / (b + c), one degree of freedom; 0 for b = c.
        odds: c / b, how many pictures the second gains for each that it loses; infinite for b = 0, NaN for b = c = 0.
    """

    both: int
    only_a: int
    only_b: int
    neither: int
    p: float
    chi2: float
    odds: float

    @property
    def count(self) -> int:
        """The pictures."""
        return self.both + self.only_a + self.only_b + self.neither

    @property
    def difference(self) -> float:
        """Top-1 of the second minus top-1 of the first, from −1 to 1."""
        return (self.only_b - self.only_a) / self.count


@dataclass(frozen=True, slots=True)
class Paired:
    """A difference of two accuracies and where it probably lies.

    Attributes:
        difference: Second minus first.
        low: Lower end of the interval.
        high: Upper end.
        confidence: How often such an interval covers the truth.
    """

    difference: float
    low: float
    high: float
    confidence: float


def mcnemar(a_correct: ArrayLike, b_correct: ArrayLike) -> McNemar:
    """McNemar's exact test of two networks on the same pictures.

    Args:
        a_correct: bool `n`, whether the first network got each picture right.
        b_correct: The same for the second, in the same order.

    Raises:
        ShapeError: If they are not as many, none, or not yes and no.

    Source: McNemar 1947, Psychometrika 12(2); the exact form is the binomial test of b among b + c at ½.

    >>> mcnemar([True, True, False, False], [True, True, True, True]).p
    0.5
    """
    a, b = _pair(a_correct, b_correct)
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    tosses = only_a + only_b
    chi2 = (abs(only_a - only_b) - 1) ** 2 / tosses if only_a != only_b else 0.0
    odds = only_b / only_a if only_a else math.inf if only_b else math.nan
    return McNemar(
        both=int((a & b).sum()),
        only_a=only_a,
        only_b=only_b,
        neither=int((~a & ~b).sum()),
        p=_coin_tosses(min(only_a, only_b), tosses),
        chi2=chi2,
        odds=odds,
    )


def paired_bootstrap(
    a_correct: ArrayLike, b_correct: ArrayLike, *, confidence: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> Paired:
    """Where the difference of two accuracies lies: pictures are drawn again, with replacement, always in pairs.

    Args:
        a_correct: bool `n`, whether the first network got each picture right.
        b_correct: The same for the second.
        confidence: Between 0 and 1.
        resamples: How often n pictures are drawn.
        seed: The same seed gives the same interval.

    Raises:
        ShapeError: As `mcnemar`.
        ConfigError: If `confidence` or `resamples` is outside its range.

    Source: Efron 1979, the percentile interval.
    Differs: a resample of n pairs is drawn as the three counts that the difference depends on (multinomial), which is
        the same distribution for n times less work.
    """
    if not 0 < confidence < 1:
        raise ConfigError(f"confidence must lie between 0 and 1, got {confidence}.")
    if resamples < 1:
        raise ConfigError(f"resamples must be at least 1, got {resamples}.")
    found = mcnemar(a_correct, b_correct)
    n = found.count
    shares = np.array([found.only_a, found.only_b, n - found.only_a - found.only_b]) / n
    drawn = np.random.default_rng(seed).multinomial(n, shares, size=resamples)
    tail = (1 - confidence) / 2
    low, high = np.quantile((drawn[:, 1] - drawn[:, 0]) / n, [tail, 1 - tail])
    return Paired(found.difference, float(low), float(high), confidence)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values of several tests, adjusted so that all of them together err as rarely as one would alone.

    Raises:
        ConfigError: If one is not between 0 and 1.

    Source: Holm 1979, Scandinavian Journal of Statistics 6(2): the i-th smallest of m is multiplied by m − i + 1.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    for value in p_values:
        if not 0 <= value <= 1:
            raise ConfigError(f"p_values must lie between 0 and 1, got {value}.")
    adjusted, least = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = least
    return adjusted


def _coin_tosses(fewer: int, tosses: int) -> float:
    """Two-sided binomial p at ½; the terms are added as logarithms, since 2^tosses leaves every float behind."""
    if 2 * fewer >= tosses:
        return 1.0
    i = np.arange(1, fewer + 1, dtype=np.float64)
    terms = np.concatenate([[0.0], np.cumsum(np.log(tosses - i + 1) - np.log(i))]) - tosses * math.log(2)
    top = float(terms.max())
    return min(1.0, 2.0 * math.exp(top) * float(np.exp(terms - top).sum()))


def _pair(a_correct: ArrayLike, b_correct: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    a, b = np.asarray(a_correct), np.asarray(b_correct)
    if a.shape != b.shape or a.ndim != 1 or not a.size:
        raise ShapeError(
            f"a_correct and b_correct must be of the same pictures, at least one; got {a.shape}, {b.shape}."
        )
    if a.dtype != np.bool_ or b.dtype != np.bool_:
        raise ShapeError(f"a_correct and b_correct must be True and False, got {a.dtype} and {b.dtype}.")
    return a, b
