"""What a training will cost, before it begins: time from a few real steps, memory from what has to be kept."""

import copy
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import torch

from striate.data.loader import Batch, load_batches
from striate.errors import ConfigError
from striate.training.learner import Learner
from striate.training.order import epoch_batches
from striate.training.settings import TrainSettings
from striate.training.task import Task
from striate.training.world import ALONE

__all__ = ["Estimate", "estimate_training"]

_MOST_MACS = 2e10  # a trial step of a large network takes fewer pictures
_TRIAL_S = 1.5  # of steps after the first, which is slower than all others
_SLACK = 1.1  # checkpoints and files come on top


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one run costs.

    Attributes:
        parameters: Numbers that the network has.
        macs: Multiply-adds of one picture, forward.
        seconds: Of all epochs, from trial steps on this machine.
        memory_bytes: Weights, gradients, the optimizer's memory, and the maps that the backward pass needs.
    """

    parameters: int
    macs: int
    seconds: float
    memory_bytes: int


def estimate_training(task: Task, settings: TrainSettings, *, device: torch.device, processes: int = 1) -> Estimate:
    """Learn from a few of the pictures with a copy of the network, and count.

    Args:
        task: Its network is left as it was.
        settings: Of the run.
        device: Where the training will run.
        processes: That share the batches.

    Raises:
        ConfigError: If a step cannot work with these settings.
    """
    parameters = sum(parameter.numel() for parameter in task.module.parameters())
    macs, kept = task.picture_macs()
    share = max(min(settings.batch_size, len(task.pictures)) // processes, 1)
    part = max(share // settings.accumulate, 1)
    count = max(min(part, int(_MOST_MACS // (3 * max(macs, 1)))), min(part, 2))
    read, step = _trial(task, settings, count=count, device=device)
    threads = max(settings.reading_threads, 1)
    validated = 0 if task.validation_pictures is None else len(task.validation_pictures)
    # Reading takes the time of the same cores that compute, unless a GPU does.
    picture = step + read / threads if device.type == "cpu" else max(step, read / threads)
    epoch = picture * len(task.pictures) + (step / 3 + read / threads) * validated
    width = 8 if settings.precision == "float64" else 4
    copies = 2 + (1 if settings.optimizer == "sgd" else 2) + (2 if settings.ema else 0)
    maps = kept * part * (2 if settings.precision == "bfloat16" else width)
    return Estimate(
        parameters=parameters,
        macs=macs,
        seconds=epoch * settings.epochs / processes * _SLACK,
        memory_bytes=parameters * width * copies + maps,
    )


def _trial(task: Task, settings: TrainSettings, *, count: int, device: torch.device) -> tuple[float, float]:
    """Seconds to read a picture in one thread, and to learn from it."""
    state = torch.get_rng_state()
    twin = task.with_module(copy.deepcopy(task.module))
    alone = settings.model_copy(update={"accumulate": 1, "strategy": "ddp"})
    learner = Learner(twin, alone, device=device, world=ALONE)
    learner.enter_phase(epoch=settings.head_epochs)
    learner.begin_epoch()
    began = perf_counter()
    batch = _some_pictures(task, settings, count=count)
    read = perf_counter() - began
    if not len(batch):
        return read / count, 0.0  # whoever trains will be told
    times: list[float] = []
    try:
        while len(times) < 2 or (len(times) < 6 and sum(times[1:]) < _TRIAL_S):
            began = perf_counter()
            learner.learn(batch, step=len(times), epoch=0, count=len(batch), rate=1e-9)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            times.append(perf_counter() - began)
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise ConfigError(
            f"Batch normalization cannot learn from {len(batch)} picture of {task.preprocessing.input_size[0]} pixels "
            "at a time; give a larger batch_size, a smaller accumulate, or a larger size."
        ) from error
    finally:
        torch.set_rng_state(state)
    return read / count, float(np.median(times[1:])) / len(batch)


def _some_pictures(task: Task, settings: TrainSettings, *, count: int) -> Batch:
    first = epoch_batches(len(task.pictures), len(task.pictures), seed=settings.seed, epoch=0)[0][:count]
    loaded = load_batches(
        task.pictures,
        [first],
        task.pipeline.geometry,
        seed=settings.seed,
        epoch=0,
        workers=0,
        decode=settings.decode,
        max_megapixels=task.max_megapixels,
    )
    return next(loaded)
