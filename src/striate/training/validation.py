"""What weights answer to pictures that they did not learn from, while they are still learning."""

from collections.abc import Generator
from dataclasses import replace

import numpy as np
import torch

from striate.data.augment import FixedView
from striate.data.image_set import ImageSet
from striate.data.loader import load_batches
from striate.data.problem import Problem
from striate.errors import DataError
from striate.training.events import Validating
from striate.training.exchange import every_problem
from striate.training.learner import Learner
from striate.training.losses import every_logits
from striate.training.metrics import negative_log_likelihood, top_k_hits
from striate.training.order import count_batches
from striate.training.predictions import Predictions

__all__ = ["scores_of", "validate"]


def validate(
    learner: Learner, pictures: ImageSet, *, epoch: int, workers: int
) -> Generator[Validating | tuple[Problem, ...], None, Predictions]:
    """Answer every picture with the weights that are worth keeping, in full precision; each process a share of them.

    Args:
        learner: Network and settings.
        pictures: At least one.
        epoch: The one that just ended, from 1.
        workers: Threads that read.

    Yields:
        How far it is; and what could not be read.

    Returns:
        The answers to all pictures that can be read, in their order, on every process.

    Raises:
        DataError: If none of them can be read.
        FloatingPointError: If an answer is NaN or infinite.
    """
    world = learner.world
    mine = np.arange(world.rank, len(pictures), world.size)
    batch_size = max(learner.settings.batch_size // world.size, 1)
    most = -(-len(pictures) // world.size)  # as many batches on every process, a last one may be empty
    batches = np.array_split(mine, max(count_batches(most, batch_size), 1))
    view = FixedView(learner.task.preprocessing)
    loaded = load_batches(
        pictures, batches, view, seed=0, epoch=0, workers=workers, max_megapixels=learner.task.max_megapixels
    )
    logits = [torch.zeros(0, len(learner.task.labels))]
    indices = [torch.zeros(0, dtype=torch.int64)]
    problems: tuple[Problem, ...] = ()
    done = 0
    try:
        with learner.answering() as module:
            for batch in loaded:
                problems += batch.problems
                done += len(batch) + len(batch.problems)
                x = learner.inputs_for_evaluation(batch)
                if learner.is_sharded and not len(batch):  # the others need this process's share of the weights
                    x = x.new_zeros(1, *x.shape[1:])
                if len(x):
                    with torch.no_grad() if learner.is_sharded else torch.inference_mode():
                        answers = every_logits(module(x))[0][: len(batch)]
                    logits.append(answers.float().cpu())
                    indices.append(torch.from_numpy(batch.indices))
                yield Validating(epoch, min(done * world.size, len(pictures)), len(pictures))
    finally:
        loaded.close()
    if every_one := every_problem(problems, world=world):
        yield every_one
    every, which = world.gather(torch.cat(logits)), world.gather(torch.cat(indices))
    if not len(every):
        raise DataError("None of the validation pictures can be read; `striate data check` says why.")
    if not bool(every.isfinite().all()):
        raise FloatingPointError("an answer is NaN or infinite")
    order = which.argsort()
    rows = which[order].numpy()
    return Predictions(
        every[order].numpy(),
        pictures.labels[rows],
        tuple(pictures.name(int(i)) for i in rows),
        tuple(learner.task.labels),
        {"view": "center", "epoch": epoch},
    )


def scores_of(answered: Predictions, *, temperature: float = 1.0) -> dict[str, float]:
    """The numbers of a row of metrics: mean negative log-likelihood at the temperature of training, top-1 and top-5."""
    surer = replace(answered, logits=answered.logits / np.float32(temperature))
    return {
        "val_loss": negative_log_likelihood(surer.log_probabilities, answered.labels),
        "val_top1": float(answered.correct.mean()),
        "val_top5": float(top_k_hits(answered.logits, answered.labels, 5).mean()),
    }
