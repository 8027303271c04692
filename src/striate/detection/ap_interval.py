"""How far chance alone could have moved average precision: pictures are drawn again.

Boxes of one picture hang together, so pictures are resampled, not boxes. Rubin's Bayesian bootstrap gives each picture
a random weight from an exponential distribution instead of a count; average precision with these weights

    AP = Σ_hits w_i · max_{j ≥ i} precision_j / Σ_objects w,     precision_j = Σ_{hits ≤ j} w / Σ_{boxes ≤ j} w

is one draw of what another set of pictures could have given, and the middle 95 % of 1,000 draws are the interval. A
class of which every object was found would have an interval of no width, however few there are: for single classes, an
object that is found first and one that is missed are added to each class, with gamma(½) weights. With one object a
picture and no false alarms that is Jeffreys' interval of recall.

In simulated studies of 15 to 150 pictures with 3 and 10 classes these intervals of a class covered the truth in 93 to
97 % of cases, those of the plain bootstrap in 55 to 91 %; the interval of the mean in 85 % (15 pictures) to 96 % (150).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.detection.box_predictions import BoxPredictions
from striate.detection.voc_ap import HIT, IGNORED, BoxMatches
from striate.errors import ConfigError

__all__ = ["Interval", "ap_intervals", "picture_weights", "resampled_ap"]

BLOCK = 2_000_000


@dataclass(frozen=True, slots=True)
class Interval:
    """A number and where it probably lies; NaN where nothing is known.

    Attributes:
        value: What was measured.
        low: Lower end of the interval.
        high: Upper end.
    """

    value: float
    low: float
    high: float


def picture_weights(count: int, resamples: int, seed: int) -> NDArray[np.float64]:
    """Weights of `count` pictures in each resample, `r n`, each row with mean 1.

    Raises:
        ConfigError: If `resamples` is below 1.

    Source: Rubin 1981, Annals of Statistics 9(1).
    """
    if resamples < 1:
        raise ConfigError(f"resamples must be at least 1, got {resamples}.")
    weights = np.random.default_rng(seed).standard_exponential((resamples, count))
    return np.asarray(weights / weights.mean(axis=1, keepdims=True))


def resampled_ap(
    predictions: BoxPredictions,
    matches: BoxMatches,
    weights: NDArray[np.float64],
    *,
    added: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Average precision (all points) of each class in each resample, `r k`; NaN for classes without objects.

    Args:
        predictions: What was found, and what is there.
        matches: Of `match_boxes`.
        weights: `r n`, of the pictures.
        added: `r k 2`, weights of an object that is found before all others and of one that is missed.
    """
    resamples, classes = len(weights), len(predictions.labels)
    values = np.full((resamples, classes), np.nan)
    counted = matches.order[matches.verdict[matches.order] != IGNORED]
    pictures, kinds, hits = predictions.found_pictures, predictions.classes, matches.verdict == HIT
    wanted = ~predictions.truth_ignored
    truth_pictures, truth_kinds = predictions.truth_pictures[wanted], predictions.truth_classes[wanted]
    by_picture = np.ascontiguousarray(weights.T)  # the weights of one picture side by side: n r
    for number in np.flatnonzero(matches.positives).tolist():
        rows = counted[kinds[counted] == number]
        hit = hits[rows]
        last = len(rows) - int(np.argmax(hit[::-1])) if hit.any() else 0  # what comes later changes nothing
        where, hit = pictures[rows[:last]], np.flatnonzero(hit[:last])
        objects = np.bincount(truth_pictures[truth_kinds == number], minlength=len(by_picture)).astype(np.float64)
        step = max(1, BLOCK // max(last, 1))
        for start in range(0, resamples, step):
            block = slice(start, start + step)
            extra = np.zeros((len(weights[block]), 2)) if added is None else added[block, number]
            first, missed = extra.T
            there = objects @ by_picture[:, block] + first + missed
            every = by_picture[where, block]  # d r
            own = every[hit]
            above = np.cumsum(own, axis=0) + first
            below = np.cumsum(every, axis=0, out=every)[hit] + first
            # Precision falls at every false alarm, so only its values at hits count.
            precision = np.divide(above, below, out=np.zeros_like(above), where=below > 0)
            envelope = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
            values[block, number] = ((own * envelope).sum(axis=0) + first) / there
    return values


def ap_intervals(
    predictions: BoxPredictions,
    matches: BoxMatches,
    *,
    class_ap: NDArray[np.float64],
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[Interval, tuple[Interval, ...]]:
    """Intervals of mAP and of every class's AP.

    Args:
        predictions: What was found, and what is there.
        matches: Of `match_boxes`.
        class_ap: `k`, what was measured; NaN for classes without objects.
        confidence: Between 0 and 1.
        resamples: Draws.
        seed: The same seed gives the same intervals.

    Raises:
        ConfigError: If `confidence` or `resamples` is out of range.
    """
    if not 0 < confidence < 1:
        raise ConfigError(f"confidence must lie between 0 and 1, got {confidence}.")
    classes = len(predictions.labels)
    weights = picture_weights(len(predictions), resamples, seed)
    ends = [(1 - confidence) / 2, (1 + confidence) / 2]
    known = np.flatnonzero(~np.isnan(class_ap))
    nothing = Interval(float("nan"), float("nan"), float("nan"))
    if not known.size:
        return nothing, (nothing,) * classes
    added = np.random.default_rng([seed, 1]).standard_gamma(0.5, (resamples, classes, 2))
    draws = resampled_ap(predictions, matches, weights, added=added)
    mean, value = draws[:, known].mean(axis=1), float(class_ap[known].mean())
    # Over many classes the pull of the added objects adds up: the mean keeps its place, and takes only the width.
    centered = np.clip(mean - mean.mean() + value, 0.0, 1.0)
    return (
        _interval(value, np.quantile(centered, ends)),
        tuple(
            _interval(float(class_ap[c]), np.quantile(draws[:, c], ends)) if c in known else nothing
            for c in range(classes)
        ),
    )


def _interval(value: float, ends: NDArray[np.float64]) -> Interval:
    """Around what was measured: the added objects pull a class of very few objects towards the middle."""
    return Interval(value, min(value, float(ends[0])), max(value, float(ends[1])))
