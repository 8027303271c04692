"""A learning rate from a hundred steps: raise it until the loss flies off, and look where it fell fastest.

A rate that is too low wastes epochs, one that is too high never arrives. Between them the loss of a short trial, in
which the rate rises by the same factor at every step, first stays, then falls, then explodes. The rate at the steepest
descent is a good highest rate to begin with.

Source: Smith 2017, Cyclical Learning Rates for Training Neural Networks, arXiv:1506.01186, section 3.3.
Differs: Smith raises the rate linearly and reads the accuracy; here it rises exponentially and the loss is read, which
    shows all orders of magnitude at once.
"""

import copy
import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter1d

from striate.data.loader import Batch, load_batches
from striate.errors import ConfigError, DataError
from striate.training.learner import Learner
from striate.training.order import epoch_batches
from striate.training.settings import TrainSettings
from striate.training.task import Task
from striate.training.world import ALONE

__all__ = ["FoundRate", "RateTried", "find_rate", "steepest_rate"]

_SMOOTHING = 1 / 20  # of all steps: deviation of a filter that looks both ways and so shifts nothing to higher rates
_FLOWN_OFF = 4.0  # times the lowest loss


@dataclass(frozen=True, slots=True)
class RateTried:
    """One step of the trial.

    Attributes:
        step: From 1.
        steps: At most so many.
        rate: The learning rate.
        loss: Mean of the batch.
    """

    step: int
    steps: int
    rate: float
    loss: float


@dataclass(frozen=True, eq=False)
class FoundRate:
    """What the trial showed.

    Attributes:
        rates: Those that were tried, rising.
        losses: The loss of the step before each took effect.
        smoothed: The same without the noise of single batches.
        suggestion: Where the smoothed loss falls fastest; None where it never falls.
    """

    rates: NDArray[np.float64]
    losses: NDArray[np.float64]
    smoothed: NDArray[np.float64]
    suggestion: float | None


def find_rate(
    task: Task,
    settings: TrainSettings,
    *,
    device: torch.device | str = "cpu",
    steps: int = 100,
    lowest: float = 1e-6,
    highest: float = 10.0,
) -> Generator[RateTried, None, FoundRate]:
    """Try rates from `lowest` to `highest` on a copy of the network, until the loss is four times the best.

    Args:
        task: Network and pictures; the network stays as it is.
        settings: Batch, optimizer and loss; its own rate and schedule are not used.
        device: Where to compute.
        steps: At least 10.
        lowest: The first rate.
        highest: The last, unless the loss flies off before.

    Yields:
        Every step.

    Returns:
        All of them, and the rate to begin with.

    Raises:
        ConfigError: If there are too few steps or the rates do not rise.
        DataError: If none of the pictures can be read.
    """
    if steps < 10 or not 0 < lowest < highest < math.inf:
        raise ConfigError(
            f"steps must be at least 10 and the rates rise from above 0; got {steps}, {lowest}, {highest}."
        )
    settings = settings.model_copy(update={"ema": 0.0, "head_epochs": 0})
    twin = task.with_module(copy.deepcopy(task.module))
    learner = Learner(twin, settings, device=torch.device(device), world=ALONE)
    learner.begin_epoch()
    rates: list[float] = []
    losses: list[float] = []
    lately = math.nan  # the mean of the last few, to see that the loss flies off
    best = math.inf
    batches = _endless_batches(task, settings)
    try:
        for step, (epoch, batch) in zip(range(steps), batches, strict=False):
            rate = lowest * (highest / lowest) ** (step / (steps - 1))
            told = learner.learn(batch, step=step, epoch=epoch, count=len(batch), rate=rate)
            loss = float(told["loss"]) / len(batch)
            if not math.isfinite(loss):
                break
            rates.append(rate)
            losses.append(loss)
            yield RateTried(step + 1, steps, rate, loss)
            lately = loss if math.isnan(lately) else 0.7 * lately + 0.3 * loss
            best = min(best, lately)
            if lately > _FLOWN_OFF * best:
                break
    finally:
        batches.close()
    smoothed = _smooth(np.array(losses), _SMOOTHING * steps)
    return FoundRate(np.array(rates), np.array(losses), smoothed, steepest_rate(rates, smoothed))


def steepest_rate(rates: ArrayLike, losses: ArrayLike) -> float | None:
    """The rate at which a smooth curve of losses falls fastest on its way to its lowest point; None if it never falls.

    Args:
        rates: Rising by the same factor.
        losses: One a rate.

    >>> steepest_rate([0.001, 0.01, 0.1, 1.0], [2.0, 1.9, 1.0, 3.0])
    0.1
    """
    x, y = np.log(np.asarray(rates, dtype=np.float64)), np.asarray(losses, dtype=np.float64)
    lowest = int(y.argmin()) if len(y) else 0
    if lowest < 1:
        return None
    falls = np.diff(y[: lowest + 1]) / np.diff(x[: lowest + 1])  # falls[i]: what the step with rate i+1 shows
    return float(np.asarray(rates, dtype=np.float64)[int(falls.argmin()) + 1]) if falls.min() < 0 else None


def _smooth(losses: NDArray[np.float64], deviation: float) -> NDArray[np.float64]:
    """Without the noise of single batches, nor the spikes of steps that flew off."""
    if not len(losses):
        return losses
    most = 1.5 * float(np.median(losses[:10]))
    smoothed: NDArray[np.float64] = gaussian_filter1d(np.minimum(losses, most), deviation, mode="nearest")
    return smoothed


def _endless_batches(task: Task, settings: TrainSettings) -> Generator[tuple[int, Batch], None, None]:
    """Epoch after epoch, without the batches of which no picture can be read."""
    for epoch in range(1_000_000):
        order = epoch_batches(len(task.pictures), settings.batch_size, seed=settings.seed, epoch=epoch)
        loaded = load_batches(
            task.pictures,
            order,
            task.pipeline.geometry,
            seed=settings.seed,
            epoch=epoch,
            workers=settings.reading_threads,
            decode=settings.decode,
            max_megapixels=task.max_megapixels,
        )
        some = False
        try:
            for batch in _with_pictures(loaded):
                some = True
                yield epoch, batch
        finally:
            loaded.close()
        if not some:
            raise DataError("None of the training pictures can be read; `striate data check` says why.")


def _with_pictures(batches: Iterator[Batch]) -> Iterator[Batch]:
    return (batch for batch in batches if len(batch))
