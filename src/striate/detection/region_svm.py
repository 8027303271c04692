"""One linear support vector machine a class: R-CNN's judges, and how they find the mistakes worth learning from.

What is positive is strict: the marked objects themselves. What is negative is everything that hardly touches one, IoU
below 0.3; what is in between teaches nothing. That leaves thousands of negatives a picture, nearly all of them easy. So
they are mined: every picture is judged by the machines as they are, what comes closer than the margin is kept, and when
a class has 2,000 new ones it is trained again and lets go of those that have become easy:

    minimize  ½|w|² + ½(b / 10)² + C · 2 · Σ max(0, 1 − s⁺) + C · Σ max(0, 1 + s⁻),     s = w·φ + b,  C = 0.001

Features are scaled so that their mean length is 20: C means something only with that.
"""

import warnings
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from striate.errors import ConfigError

__all__ = [
    "Machine",
    "MiningDone",
    "RegionFeatures",
    "RegionLabels",
    "RegionSvms",
    "SvmSettings",
    "SvmTrained",
    "feature_scale",
    "fit_svm",
    "mine",
    "svm_objective",
]

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SvmSettings:
    """The numbers of the authors' `rcnn_train.m`.

    Attributes:
        c: What a violated margin costs.
        positive_weight: How many times that, for a positive.
        bias_feature: The constant whose weight is the bias; a large one leaves the bias nearly free.
        negative_below: Regions are negative whose IoU with every object of the class is below this.
        hard_above: Negatives join whose score is above this.
        easy_below: Negatives leave, after training, whose score is below this.
        retrain_after: New negatives of a class until it is trained again.
        max_iterations: Passes of the solver.
    """

    c: float = 1e-3
    positive_weight: float = 2.0
    bias_feature: float = 10.0
    negative_below: float = 0.3
    hard_above: float = -1.0001
    easy_below: float = -1.2
    retrain_after: int = 2000
    max_iterations: int = 2000

    def __post_init__(self) -> None:
        for name in ("c", "positive_weight", "bias_feature"):
            if not 0 < getattr(self, name) < np.inf:
                raise ConfigError(f"SvmSettings: {name} must be above 0, got {getattr(self, name)}.")
        if not 0 < self.negative_below <= 1:
            raise ConfigError(f"SvmSettings: negative_below must be an IoU in (0, 1], got {self.negative_below}.")
        if self.easy_below > self.hard_above:
            raise ConfigError(
                f"SvmSettings: easy_below must not be above hard_above, got {self.easy_below} and {self.hard_above}: "
                "what was just found would leave again."
            )
        if self.retrain_after < 1 or self.max_iterations < 1:
            raise ConfigError("SvmSettings: retrain_after and max_iterations must be 1 or more.")


@dataclass(frozen=True, eq=False)
class RegionLabels:
    """What the regions of one picture are.

    Attributes:
        positives: int64 `r`: the class of which a region is a marked object, or −1.
        overlaps: float32 `r k`: the largest IoU with any object of each class, ignored ones included.
    """

    positives: NDArray[np.int64]
    overlaps: Floats


class RegionFeatures(Protocol):
    """Features by picture and row, as `FeatureCache` keeps them."""

    features: int

    def read(self, index: int) -> Floats:
        """All rows of a picture."""
        ...

    def gather(self, pictures: NDArray[np.int64], rows: NDArray[np.int64]) -> Floats:
        """Single rows of many pictures."""
        ...


@dataclass(frozen=True, slots=True)
class SvmTrained:
    """One class was trained (again).

    Attributes:
        label: Its number.
        positives: Examples of it.
        negatives: Kept after training.
        evicted: Let go of.
        objective: The value of what was minimized, by part: positives, negatives, weight, bias.
        converged: Whether the solver met its tolerance within `max_iterations`.
    """

    label: int
    positives: int
    negatives: int
    evicted: int
    objective: tuple[float, float, float, float]
    converged: bool


@dataclass(frozen=True, slots=True)
class MiningDone:
    """One picture was looked through.

    Attributes:
        done: Pictures so far.
        total: Pictures in all.
        added: New negatives of all classes in this picture.
    """

    done: int
    total: int
    added: int


@dataclass(frozen=True, eq=False)
class RegionSvms:
    """The machines of all classes: scores = features · weight + bias, for features as they are, not scaled.

    Attributes:
        weight: float32 `f k`.
        bias: float32 `k`.
        scale: What features were multiplied by while they learned; it is part of `weight` already.
    """

    weight: Floats
    bias: Floats
    scale: float


@dataclass
class _Class:
    """One class while it is mined: where its examples are, never the numbers themselves."""

    positives: tuple[NDArray[np.int64], NDArray[np.int64]]
    pictures: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    rows: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    added: int = 0


class Machine(NamedTuple):
    """One linear machine: score = weight · features + bias.

    Attributes:
        weight: float64 `f`.
        bias: A number.
        converged: Whether the solver met its tolerance.
    """

    weight: NDArray[np.float64]
    bias: float
    converged: bool = True


def fit_svm(positives: Floats, negatives: Floats, settings: SvmSettings, *, seed: int = 0) -> Machine:
    """One machine, from `p f` and `n f` examples, scaled.

    Without a positive it says no to everything (weight 0, bias −1); without a negative, yes (bias 1).
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    size = positives.shape[1]
    if not len(positives) or not len(negatives):
        return Machine(np.zeros(size), 1.0 if len(positives) else -1.0)
    machine = LinearSVC(
        loss="hinge",
        dual=True,
        C=settings.c,
        class_weight={1: settings.positive_weight, 0: 1.0},
        intercept_scaling=settings.bias_feature,
        tol=1e-4,
        max_iter=settings.max_iterations,
        random_state=seed,
    )
    x = np.concatenate([positives, negatives]).astype(np.float64)
    y = np.repeat([1, 0], [len(positives), len(negatives)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # told by `converged` instead
        machine.fit(x, y)
    converged = int(machine.n_iter_) < settings.max_iterations
    return Machine(np.asarray(machine.coef_[0], dtype=np.float64), float(machine.intercept_[0]), converged)


def svm_objective(
    weight: NDArray[np.float64], bias: float, positives: Floats, negatives: Floats, settings: SvmSettings
) -> tuple[float, float, float, float]:
    """What is minimized, by part: positives, negatives, weight, bias."""
    over = np.maximum(0.0, 1.0 - (positives.astype(np.float64) @ weight + bias)).sum()
    under = np.maximum(0.0, 1.0 + (negatives.astype(np.float64) @ weight + bias)).sum()
    return (
        float(settings.c * settings.positive_weight * over),
        float(settings.c * under),
        float(0.5 * weight @ weight),
        0.5 * (bias / settings.bias_feature) ** 2,
    )


def mine(
    features: RegionFeatures, labels: Sequence[RegionLabels], classes: int, settings: SvmSettings, *, seed: int = 0
) -> Generator[SvmTrained | MiningDone, None, RegionSvms]:
    """Train the machines of all classes on the regions of all pictures, in one pass with mining.

    Args:
        features: Of all regions of all pictures.
        labels: What they are, one a picture.
        classes: `k`.
        settings: How.
        seed: Of the solver's order.

    Returns:
        The machines, as the generator's value.

    Raises:
        ConfigError: If there is no picture, or none with a positive.

    Source: Girshick et al. 2014, arXiv:1311.2524, section 2.3 and appendix B; the numbers are those of `rcnn_train.m`.

    Differs: negatives are kept as places in the feature cache, and a class is trained from there. An object that
        nobody needs to find (difficult, crowd) is no negative.
    """
    if not labels:
        raise ConfigError("mine: there are no pictures to learn from.")
    scale = feature_scale(features, [len(label.positives) for label in labels])
    tables = [_Class(_positives(labels, k)) for k in range(classes)]
    if not any(len(table.positives[0]) for table in tables):
        raise ConfigError("mine: no picture has a marked object, so no class has a positive example.")
    weight, bias = np.zeros((features.features, classes)), np.full(classes, -1.0)
    for picture, label in enumerate(labels):
        x = features.read(picture).astype(np.float64) * scale
        scores = x @ weight + bias
        added = 0
        for k, table in enumerate(tables):
            if not len(table.positives[0]):
                continue  # it says no to everything, so every region would be at its margin
            hard = (label.overlaps[:, k] < settings.negative_below) & (label.positives != k)
            if picture:
                hard &= scores[:, k] > settings.hard_above
            rows = hard.nonzero()[0]
            table.pictures = np.concatenate([table.pictures, np.full(len(rows), picture)])
            table.rows = np.concatenate([table.rows, rows])
            table.added += len(rows)
            added += len(rows)
        last = picture == len(labels) - 1
        for k, table in enumerate(tables):
            if picture == 0 or last or table.added > settings.retrain_after:
                weight[:, k], bias[k], event = _retrain(features, table, settings, k=k, scale=scale, seed=seed)
                yield event
        yield MiningDone(picture + 1, len(labels), added)
    return RegionSvms((weight * scale).astype(np.float32), bias.astype(np.float32), scale)


def _retrain(
    features: RegionFeatures, table: _Class, settings: SvmSettings, *, k: int, scale: float, seed: int
) -> tuple[NDArray[np.float64], float, SvmTrained]:
    positives = features.gather(*table.positives) * np.float32(scale)
    negatives = features.gather(table.pictures, table.rows) * np.float32(scale)
    weight, bias, converged = fit_svm(positives, negatives, settings, seed=seed)
    objective = svm_objective(weight, bias, positives, negatives, settings)
    kept = negatives.astype(np.float64) @ weight + bias >= settings.easy_below
    table.pictures, table.rows, table.added = table.pictures[kept], table.rows[kept], 0
    return weight, bias, SvmTrained(k, len(positives), int(kept.sum()), int((~kept).sum()), objective, converged)


def _positives(labels: Sequence[RegionLabels], k: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    found = [(label.positives == k).nonzero()[0] for label in labels]
    pictures = [np.full(len(rows), number, dtype=np.int64) for number, rows in enumerate(found)]
    return np.concatenate(pictures), np.concatenate(found).astype(np.int64)


def feature_scale(features: RegionFeatures, rows: Sequence[int], *, target: float = 20.0) -> float:
    """What makes the mean length of features `target`, over up to 200 regions of up to 200 pictures, evenly chosen.

    Args:
        features: By picture and row.
        rows: How many each picture has.
        target: In the paper's code 20, for which its C and λ were chosen.
    """
    lengths = [np.zeros(0)]
    for picture in np.unique(np.linspace(0, len(rows) - 1, min(len(rows), 200)).round().astype(int)).tolist():
        if rows[picture]:
            chosen = np.unique(np.linspace(0, rows[picture] - 1, min(rows[picture], 200)).round().astype(int))
            lengths.append(np.linalg.norm(features.read(picture)[chosen].astype(np.float64), axis=1))
    every = np.concatenate(lengths)
    mean = float(every.mean()) if len(every) else 0.0
    return target / mean if mean > 0 else 1.0
