"""Do two of them (a person and a network, two people) err on the same pictures? Error consistency, with an interval.

Two observers who are right 80 % of the time agree, in being right or wrong, on many pictures by luck alone: on
.8 · .8 + .2 · .2 = 68 % of them. Only agreement beyond that says that the same pictures are hard for both. With p₁ and
p₂ the shares of right answers and c_obs the share of pictures that both get right or both get wrong,

    c_exp = p₁ p₂ + (1 − p₁)(1 − p₂)        κ = (c_obs − c_exp) / (1 − c_exp)

which is Cohen's kappa of the two rows of right and wrong. κ = 1: the same mistakes; 0: as independent observers of
these accuracies would agree; below 0: each errs where the other does not.

κ has no value where both are always right (or both always wrong): nothing is left to chance and 1 − c_exp = 0. Where
only one of them makes no mistake, it is 0 whatever the other does, and says nothing about strategies.

The interval. A bootstrap draws the pictures again; with few mistakes it is far too narrow, because a kind of picture
that did not occur (both wrong) cannot occur in a resample. So the four kinds of picture get half a picture each before
their shares are drawn (Jeffreys' prior of the four shares; without it, Rubin's Bayesian bootstrap). How often the 95 %
interval covered the truth in 600 simulated studies, `bootstrap` against `smoothed`:

    accuracies .95 and .90, κ = .2, 20 pictures: 32 % and 99 %; 100 pictures: 84 % and 96 %
    accuracies .80 and .80, κ = .6, 20 pictures: 88 % and 94 %; 100 pictures: 94 % and 94 %
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striate.errors import ConfigError
from striate.training.significance import mcnemar

__all__ = ["ErrorConsistency", "consistency_of", "error_consistency"]

PRIOR = 0.5
"""What each of the four kinds of picture counts before any was seen."""


@dataclass(frozen=True, slots=True)
class ErrorConsistency:
    """How far two observers err on the same n pictures.

    Attributes:
        both: Pictures that both get right.
        only_a: Pictures that only the first gets right.
        only_b: Pictures that only the second gets right.
        neither: Pictures that both get wrong.
        observed: c_obs, the share of pictures on which both are right or both wrong.
        expected: c_exp, what independent observers of these accuracies would reach.
        kappa: From −1 to 1; NaN where it has no value (both always right, or both always wrong).
        low: Lower end of the interval; NaN where kappa is.
        high: Upper end.
        confidence: How often such an interval covers the truth.
        least: The lowest κ that these two accuracies allow.
        most: The highest.
    """

    both: int
    only_a: int
    only_b: int
    neither: int
    observed: float
    expected: float
    kappa: float
    low: float
    high: float
    confidence: float
    least: float
    most: float

    @property
    def count(self) -> int:
        """The pictures."""
        return self.both + self.only_a + self.only_b + self.neither

    @property
    def difference(self) -> float:
        """Share of right answers of the second minus that of the first."""
        return (self.only_b - self.only_a) / self.count

    @property
    def informative(self) -> bool:
        """False where one of the two is always right or always wrong: κ is then 0 or has no value by construction."""
        a, b = self.both + self.only_a, self.both + self.only_b
        return 0 < a < self.count and 0 < b < self.count

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; what has no value is None."""
        return {name: None if value != value else value for name, value in asdict(self).items()}  # noqa: PLR0124


def error_consistency(
    a_correct: ArrayLike,
    b_correct: ArrayLike,
    *,
    confidence: float = 0.95,
    method: Literal["smoothed", "bootstrap"] = "smoothed",
    resamples: int = 10_000,
    seed: int = 0,
) -> ErrorConsistency:
    """Error consistency of two observers of the same pictures.

    Args:
        a_correct: bool `n`, whether the first got each picture right.
        b_correct: The same for the second, in the same order.
        confidence: Of the interval, between 0 and 1.
        method: `smoothed` draws the shares of the four kinds of picture with half a picture added to each;
            `bootstrap` draws n pictures with replacement, and leaves out the draws in which κ has no value.
        resamples: How often.
        seed: The same seed gives the same interval.

    Raises:
        ShapeError: If they are not as many, none, or not yes and no.
        ConfigError: If `confidence`, `method` or `resamples` is outside its range.

    Source: Geirhos, Meding & Wichmann 2020, arXiv:2006.16736, equations 1 to 3 and the bounds of section 2; Rubin 1981,
        The Annals of Statistics 9(1), for the Bayesian bootstrap.
    Differs: the paper gives no interval for one pair; both of these resample the pictures only. They say nothing about
        other people or other networks.

    >>> found = error_consistency([True, True, False, False], [True, False, True, False])
    >>> found.observed, found.expected, found.kappa
    (0.5, 0.5, 0.0)
    """
    if not 0 < confidence < 1:
        raise ConfigError(f"confidence must lie between 0 and 1, got {confidence}.")
    if resamples < 1:
        raise ConfigError(f"resamples must be at least 1, got {resamples}.")
    if method not in ("smoothed", "bootstrap"):
        raise ConfigError(f"method must be 'smoothed' or 'bootstrap', got {method!r}.")
    found = mcnemar(a_correct, b_correct)
    counts = np.array([found.both, found.only_a, found.only_b, found.neither], dtype=np.float64)
    generator = np.random.default_rng(seed)
    if method == "smoothed":
        draws = generator.gamma(counts + PRIOR, size=(resamples, 4))  # the scale does not matter: shares are taken
    else:
        draws = generator.multinomial(found.count, counts / found.count, size=resamples).astype(np.float64)
    return consistency_of(counts, kappa_of(draws), confidence=confidence)


def kappa_of(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    """κ of `… 4` weights of pictures (both, only the first, only the second, neither); NaN where it has no value."""
    both, only_a, only_b, neither = np.moveaxis(cells, -1, 0)
    # (c_obs − c_exp) / (1 − c_exp) times n² on both sides: whole numbers stay whole, and 0 / 0 is exact.
    gain = 2.0 * (both * neither - only_a * only_b)
    a, b = both + only_a, both + only_b
    total = both + only_a + only_b + neither
    lack = a * (total - b) + b * (total - a)
    values = np.full(np.shape(gain), np.nan)
    np.divide(gain, lack, out=values, where=lack > 0)
    return values


def consistency_of(
    counts: NDArray[np.float64], draws: NDArray[np.float64], *, confidence: float = 0.95
) -> ErrorConsistency:
    """The result for counts of the four kinds of picture and draws of κ that somebody else has made."""
    both, only_a, only_b, neither = (int(c) for c in counts)
    n = both + only_a + only_b + neither
    p, q = (both + only_a) / n, (both + only_b) / n
    expected = p * q + (1 - p) * (1 - q)
    kappa = float(kappa_of(counts))
    low, high = interval_of(draws, confidence) if np.isfinite(kappa) else (np.nan, np.nan)
    room = 1 - expected
    defined = np.isfinite(kappa)
    return ErrorConsistency(
        both=both,
        only_a=only_a,
        only_b=only_b,
        neither=neither,
        observed=(both + neither) / n,
        expected=expected,
        kappa=kappa,
        low=low,
        high=high,
        confidence=confidence,
        least=(abs(p + q - 1) - expected) / room if defined else float("nan"),
        most=(1 - abs(p - q) - expected) / room if defined else float("nan"),
    )


def interval_of(draws: NDArray[np.float64], confidence: float) -> tuple[float, float]:
    """The middle `confidence` of the draws that have a value."""
    known = draws[np.isfinite(draws)]
    if not known.size:
        return float("nan"), float("nan")
    tail = (1 - confidence) / 2
    low, high = np.quantile(known, [tail, 1 - tail])
    return float(low), float(high)
