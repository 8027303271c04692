"""How good are the answers? Pure NumPy, from scores and right classes to numbers.

Of n pictures, h of which are answered right, the share is h / n; the interval around it says how far chance alone could
have moved it. Of one class: recall = found / there, precision = right / said, F1 = 2 · right / (there + said).

A share of nothing is no number: it is NaN here, and a dash on a page.
"""

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striate.errors import ConfigError, ShapeError

__all__ = [
    "ClassScores",
    "Rate",
    "brier_score",
    "confused_pairs",
    "confusion_matrix",
    "negative_log_likelihood",
    "per_class",
    "ranks",
    "top_k_hits",
    "wilson_interval",
]

MOST_CLASSES = 4096
"""Beyond it a whole confusion matrix would be more than 128 MB; `confused_pairs` has no such limit."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A share with the interval that chance alone explains.

    Attributes:
        hits: How many.
        count: Of how many.
        low: Lower end of the 95 % interval, from 0 to 1.
        high: Upper end.
    """

    hits: int
    count: int
    low: float
    high: float

    @classmethod
    def of(cls, hits: int, count: int) -> "Rate":
        """The share `hits / count` with its Wilson interval at 95 %."""
        return cls(hits, count, *wilson_interval(hits, count))

    @property
    def value(self) -> float:
        """`hits / count`; NaN of nothing."""
        return self.hits / self.count if self.count else float("nan")

    @property
    def margin(self) -> float:
        """Half the width of the interval."""
        return (self.high - self.low) / 2


@dataclass(frozen=True, eq=False)
class ClassScores:
    """One number a class, each array `k`.

    Attributes:
        support: int64, pictures of the class.
        answered: int64, pictures that were answered with it.
        hits: int64, pictures that are both.
        precision: `hits / answered`; NaN for a class that has no pictures or was never answered.
        recall: `hits / support`; NaN for a class that has no pictures.
        f1: `2 hits / (support + answered)`; NaN for a class that has no pictures.
    """

    support: NDArray[np.int64]
    answered: NDArray[np.int64]
    hits: NDArray[np.int64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall of the classes that have pictures."""
        return self.mean("recall")

    def mean(self, score: str, *, weighted: bool = False) -> float:
        """The mean of `precision`, `recall` or `f1` over the classes that have pictures.

        Args:
            score: Which.
            weighted: Each class counts as often as it has pictures, instead of once.

        Raises:
            ConfigError: For another score.

        Differs: the precision of a class that has pictures and was never answered counts as 0 here (as in
            scikit-learn): leaving it out would reward a network that never names the difficult classes.
        """
        if score not in {"precision", "recall", "f1"}:
            raise ConfigError(f"score must be 'precision', 'recall' or 'f1', got {score!r}.")
        there = self.support > 0
        values = np.nan_to_num(getattr(self, score)[there], nan=0.0)
        return float(np.average(values, weights=self.support[there] if weighted else None))


def wilson_interval(hits: int, count: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Where the true share lies when `hits` of `count` were seen; all of [0, 1] when nothing was.

    Raises:
        ConfigError: If `hits` is not between 0 and `count`, or `confidence` not between 0 and 1.

    Source: Wilson 1927, JASA 22. Unlike p ± z √(p (1 − p) / n) it stays inside [0, 1] and has a width at 0 and at 1.

    >>> [round(end, 3) for end in wilson_interval(45, 50)]
    [0.786, 0.957]
    """
    if not 0 <= hits <= count:
        raise ConfigError(f"hits must lie between 0 and count, got {hits} of {count}.")
    if not 0 < confidence < 1:
        raise ConfigError(f"confidence must lie between 0 and 1, got {confidence}.")
    if not count:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, spread = hits / count, z * z / count
    middle = (share + spread / 2) / (1 + spread)
    half = z * float(np.sqrt(share * (1 - share) / count + spread / (4 * count))) / (1 + spread)
    return (0.0 if hits == 0 else max(0.0, middle - half)), (1.0 if hits == count else min(1.0, middle + half))


def ranks(logits: ArrayLike, labels: ArrayLike) -> NDArray[np.int64]:
    """How many classes stand before the right one, `n`: 0 where the answer is right; of equal scores the first leads.

    Raises:
        ShapeError: If the shapes do not fit, a label is outside of the classes, or a score is NaN.
    """
    scores, right = _checked(logits, labels)
    own = scores[np.arange(len(right)), right][:, None]
    earlier = np.arange(scores.shape[1]) < right[:, None]
    return np.asarray(((scores > own) | ((scores == own) & earlier)).sum(axis=1), dtype=np.int64)


def top_k_hits(logits: ArrayLike, labels: ArrayLike, k: int = 1) -> NDArray[np.bool_]:
    """Whether the right class is among the `k` best, `n`.

    Args:
        logits: `n classes`; probabilities serve as well.
        labels: int `n`.
        k: At least 1; from the number of classes on, everything is a hit.

    Raises:
        ConfigError: If `k` is below 1.
        ShapeError: As `ranks`.

    >>> top_k_hits([[0.1, 0.7, 0.2], [0.4, 0.4, 0.2]], [2, 0], k=2)
    array([ True,  True])
    """
    if k < 1:
        raise ConfigError(f"k must be at least 1, got {k}.")
    return np.asarray(ranks(logits, labels) < k)


def confusion_matrix(labels: ArrayLike, answers: ArrayLike, classes: int) -> NDArray[np.int64]:
    """How often class i was answered with class j: row i, column j, `k k`.

    Raises:
        ShapeError: If there are not as many answers as labels, or one is outside of the classes.
        ConfigError: For more classes than a matrix has room for.
    """
    if classes > MOST_CLASSES:
        raise ConfigError(f"A confusion matrix has at most {MOST_CLASSES} classes, got {classes}; use confused_pairs.")
    right, said = _indices(labels, "labels", classes), _indices(answers, "answers", classes)
    _same_count(right, said)
    return np.bincount(right * classes + said, minlength=classes * classes).reshape(classes, classes).astype(np.int64)


def confused_pairs(labels: ArrayLike, answers: ArrayLike) -> list[tuple[int, int, int]]:
    """`(right class, answered class, how often)` of all mistakes, the most frequent first, then by class.

    >>> confused_pairs([0, 0, 0, 1], [1, 1, 2, 1])
    [(0, 1, 2), (0, 2, 1)]
    """
    right, said = _indices(labels, "labels", None), _indices(answers, "answers", None)
    _same_count(right, said)
    wrong = right != said
    pairs, counts = np.unique(np.stack([right[wrong], said[wrong]], axis=1), axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return [(int(a), int(b), int(n)) for (a, b), n in zip(pairs[order], counts[order], strict=True)]


def per_class(labels: ArrayLike, answers: ArrayLike, classes: int) -> ClassScores:
    """Precision, recall, F1 and counts of every class.

    Raises:
        ShapeError: As `confusion_matrix`.
    """
    right, said = _indices(labels, "labels", classes), _indices(answers, "answers", classes)
    _same_count(right, said)
    support, answered, hits = (
        np.bincount(which, minlength=classes).astype(np.int64) for which in (right, said, right[right == said])
    )
    there = support > 0
    return ClassScores(
        support=support,
        answered=answered,
        hits=hits,
        precision=_share(hits, np.where(there, answered, 0)),
        recall=_share(hits, support),
        f1=_share(2 * hits, np.where(there, support + answered, 0)),
    )


def negative_log_likelihood(log_probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Mean of −log p(right class), in nats; log k is what a network that knows nothing gets.

    Raises:
        ShapeError: As `ranks`.
    """
    logs, right = _checked(log_probabilities, labels)
    return float(-logs[np.arange(len(right)), right].astype(np.float64).mean())


def brier_score(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Mean of Σ_j (p_j − y_j)², from 0 (certain and right) to 2 (certain and wrong).

    Raises:
        ShapeError: As `ranks`.

    Source: Brier 1950, Monthly Weather Review 78, for any number of classes.
    """
    p, right = _checked(probabilities, labels)
    own = p[np.arange(len(right)), right].astype(np.float64)
    squares = np.einsum("nk,nk->n", p, p, dtype=np.float64)
    return float(np.mean(squares - 2 * own + 1))


def _share(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    values = np.full(part.shape, np.nan)
    np.divide(part, whole, out=values, where=whole > 0)
    return values


def _checked(scores: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.floating[Any]], NDArray[np.int64]]:
    values = np.asarray(scores)
    if values.ndim != 2 or not values.size:
        raise ShapeError(f"scores must be n × k with at least one picture and one class, got {values.shape}.")
    right = _indices(labels, "labels", values.shape[1])
    if len(right) != len(values):
        raise ShapeError(f"{len(values)} rows of scores need as many labels, got {len(right)}.")
    if np.isnan(values).any():
        raise ShapeError(f"scores must be numbers, got NaN for picture {int(np.isnan(values).any(axis=1).argmax())}.")
    return values, right


def _indices(values: ArrayLike, name: str, classes: int | None) -> NDArray[np.int64]:
    array = np.asarray(values)
    if array.ndim != 1 or not array.size or not np.issubdtype(array.dtype, np.integer):
        raise ShapeError(f"{name} must be a row of whole numbers, at least one, got {array.dtype} {array.shape}.")
    if array.min() < 0 or (classes is not None and array.max() >= classes):
        end = "" if classes is None else f" to {classes - 1}"
        raise ShapeError(f"{name} must be classes from 0{end}, got {array.min()}…{array.max()}.")
    return array.astype(np.int64, copy=False)


def _same_count(labels: NDArray[np.int64], answers: NDArray[np.int64]) -> None:
    if len(labels) != len(answers):
        raise ShapeError(f"There must be as many answers as labels, got {len(answers)} and {len(labels)}.")
