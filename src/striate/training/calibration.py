"""Is a network as often right as it is sure? Answers are sorted into bins by their probability.

    ECE = Σ_b (n_b / n) |accuracy_b − confidence_b|        MCE = max_b |accuracy_b − confidence_b|

A network whose answers of 90 % are right 9 times in 10 has an ECE of 0. The number depends on the bins: those of equal
width leave most of them almost empty when a network is mostly sure, those of equal counts do not.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striate.errors import ConfigError, ShapeError

__all__ = ["Reliability", "reliability"]


@dataclass(frozen=True, eq=False)
class Reliability:
    """What a reliability diagram shows; every array has one value a bin, bins without answers left out.

    Attributes:
        kind: `width`: bins of equal width; `mass`: bins of as equal counts as ties allow.
        low: Lower end of each bin, from 0 to 1.
        high: Upper end of each bin.
        counts: Answers in it.
        confidence: Their mean probability.
        accuracy: The share of them that is right.
        ece: Expected calibration error, from 0 to 1.
        mce: Largest gap of a bin.
    """

    kind: Literal["width", "mass"]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    counts: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    ece: float
    mce: float

    @property
    def bias(self) -> float:
        """Mean probability minus accuracy: above 0 the network is too sure, below 0 not sure enough."""
        return float(np.average(self.confidence - self.accuracy, weights=self.counts))


def reliability(
    confidence: ArrayLike, correct: ArrayLike, *, bins: int = 15, kind: Literal["width", "mass"] = "width"
) -> Reliability:
    """Bins of answers, how sure they were and how often they were right.

    Args:
        confidence: `n`, the probability of each answer, from 0 to 1.
        correct: bool `n`, whether it was right.
        bins: How many, at least 1.
        kind: `width` for equal widths, `mass` for equal counts; equal probabilities share a bin always.

    Raises:
        ShapeError: If the two do not fit together, are empty, or a probability is outside of [0, 1].
        ConfigError: If `bins` is below 1.

    Source: Guo et al. 2017, arXiv:1706.04599, section 2 (15 bins (a, b] of equal width); equal counts: Nixon et al.
        2019, arXiv:1904.01685.

    >>> found = reliability([0.9, 0.9, 0.6, 0.55], [True, True, False, True], bins=5)
    >>> found.counts, round(found.ece, 4)
    (array([2, 2]), 0.0875)
    """
    sure, right = np.asarray(confidence, dtype=np.float64), np.asarray(correct)
    if sure.ndim != 1 or sure.shape != right.shape or not sure.size or right.dtype != np.bool_:
        raise ShapeError(
            f"confidence and correct must be of the same answers, at least one, got {sure.shape} and "
            f"{right.dtype} {right.shape}."
        )
    if not (sure.min() >= 0 and sure.max() <= 1 + 1e-9):  # a NaN fails too
        raise ShapeError(f"confidence must lie between 0 and 1, got {sure.min()}…{sure.max()}.")
    if bins < 1:
        raise ConfigError(f"bins must be at least 1, got {bins}.")
    if kind == "width":
        edges = np.linspace(0, 1, bins + 1)
        places = np.clip(np.searchsorted(edges, sure, side="left") - 1, 0, bins - 1)
    else:
        values, inverse, counts = np.unique(sure, return_inverse=True, return_counts=True)
        middles = counts.cumsum() - counts / 2
        places = np.minimum((middles * bins / len(sure)).astype(np.int64), bins - 1)[inverse]
        last = np.searchsorted(places[np.argsort(sure, kind="stable")], np.arange(bins), side="right") - 1
        ends = np.sort(sure)[np.maximum(last, 0)]
        edges = np.concatenate([[values[0]], ends])
    count = np.bincount(places, minlength=bins)
    there = count > 0
    mean = np.bincount(places, weights=sure, minlength=bins)[there] / count[there]
    accuracy = np.bincount(places, weights=right.astype(np.float64), minlength=bins)[there] / count[there]
    gaps = np.abs(accuracy - mean)
    return Reliability(
        kind=kind,
        low=edges[:-1][there],
        high=edges[1:][there],
        counts=count[there].astype(np.int64),
        confidence=mean,
        accuracy=accuracy,
        ece=float((gaps * count[there]).sum() / len(sure)),
        mce=float(gaps.max()),
    )
