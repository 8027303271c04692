"""The loop: batches in, better weights out, and a word about everything that happens on the way.

Nothing in it depends on when it was started or how often it was interrupted. The order of the pictures is a function of
seed and epoch, their augmentation of seed, epoch and picture, dropout of seed and step, the rate of the step. So a
checkpoint holds weights, averages, the optimizer's memory and a few sums, and a run that goes on from it ends with the
same weights, bit by bit on a CPU.
"""

import math
import os
from collections import deque
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.data.loader import Batch, load_batches
from striate.data.problem import Problem
from striate.errors import ConfigError, DataError, WeightsError
from striate.training.checkpoint import Checkpoint, newest_checkpoint, write_checkpoint
from striate.training.events import (
    CheckpointFailed,
    CheckpointWritten,
    EpochDone,
    PicturesSkipped,
    Resumed,
    Started,
    StepDone,
    Stopped,
    TrainEvent,
    TrainingDone,
    Validating,
)
from striate.training.learner import Learner
from striate.training.order import count_batches, epoch_batches, share_of
from striate.training.predictions import Predictions
from striate.training.progress import Progress, Sums
from striate.training.run_folder import RunFolder
from striate.training.schedules import learning_rate_factor
from striate.training.settings import TrainSettings
from striate.training.task import Task
from striate.training.validation import scores_of, validate
from striate.training.world import ALONE, World

__all__ = ["Trainer", "reading_threads"]

_SPEED_STEPS = 20  # steps that the shown speed is averaged over
_LOOK_BACK = 20  # on a GPU, losses are asked for so many steps later: asking at once would make it wait

SaveWeights = Callable[[Path, dict[str, Tensor]], object]
Pending = deque[tuple[Tensor, Tensor, NDArray[np.int64]]]


def reading_threads(settings: TrainSettings) -> int:
    """Threads that read pictures: as asked, or one a core, at most 8."""
    if settings.workers is not None:
        return settings.workers
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(min(cores or 1, 8), 1)


class Trainer:
    """One run, from the first step or from a checkpoint to the last epoch.

    Args:
        task: Network and pictures; the network is trained in place.
        settings: How to learn.
        folder: Where metrics, weights and checkpoints go.
        save_weights: Called with a path and a state, to write a weights file that says what it is.
        device: Where to compute.
        world: The processes that share the work.

    Raises:
        ConfigError: If nothing is left to learn, or processes cannot share the batches.
        UnknownNameError: If a layer to freeze does not exist.
    """

    def __init__(
        self,
        task: Task,
        settings: TrainSettings,
        folder: RunFolder,
        *,
        save_weights: SaveWeights,
        device: torch.device | str = "cpu",
        world: World = ALONE,
    ) -> None:
        self.task, self.settings, self.folder, self.world = task, settings, folder, world
        self.device = torch.device(device)
        self.save_weights = save_weights
        self.learner = Learner(task, settings, device=self.device, world=world)
        self.steps_per_epoch = count_batches(len(task.train), settings.batch_size)
        self.steps = self.steps_per_epoch * settings.epochs
        self.progress = Progress()
        self._best_is_written = True

    def run(self, *, resume: bool = False, should_stop: Callable[[], bool] = lambda: False) -> Iterator[TrainEvent]:
        """Train, and tell what happens.

        Args:
            resume: Go on from the newest checkpoint of the folder, if there is one.
            should_stop: Asked after every step; when it says yes, a checkpoint is written and the run ends.

        Raises:
            DataError: If a loss is not a finite number (the message names the pictures), none of the pictures can be
                read, or weights cannot be written.
        """
        if resume:
            yield from self._go_on()
        progress = self.progress
        yield Started(progress.step, self.steps, self.steps_per_epoch, self.learner.rate)
        self._say("running")
        clock = _Clock(progress.seconds)
        while progress.epoch < self.settings.epochs and not self._is_stale():
            self.learner.enter_phase(epoch=progress.epoch)
            before = clock.seconds
            stopped = yield from self._epoch(clock, should_stop)
            progress.seconds = clock.seconds
            if stopped:
                yield from self._write_checkpoint()
                self._say("stopped")
                yield Stopped(progress.step, progress.epoch)
                return
            yield from self._finish_epoch(clock, clock.seconds - before)
        if not self._best_is_written:
            raise DataError(
                f"The disk did not take the weights of epoch {progress.best_epoch}, the best; '{self.folder.last}' "
                "holds the newest. Free some space and resume from an earlier checkpoint, or use these."
            )
        self._say("finished")
        yield TrainingDone(
            epochs=progress.epoch,
            best_epoch=progress.best_epoch,
            best_top1=progress.best_top1,
            early=progress.epoch < self.settings.epochs,
            seconds=progress.seconds,
        )

    def _epoch(self, clock: "_Clock", should_stop: Callable[[], bool]) -> Generator[TrainEvent, None, bool]:
        """Learn from every picture once, or from those that are left; tells whether somebody asked to stop."""
        progress, settings = self.progress, self.settings
        batches = epoch_batches(len(self.task.train), settings.batch_size, seed=settings.seed, epoch=progress.epoch)
        done = progress.step - progress.epoch * self.steps_per_epoch
        loaded = load_batches(
            self.task.train,
            list(share_of(batches, rank=self.world.rank, size=self.world.size))[done:],
            self.task.augmentation.geometry,
            seed=settings.seed,
            epoch=progress.epoch,
            workers=reading_threads(settings),
        )
        pending: Pending = deque()
        speed = _Speed()
        written = clock.seconds
        self.learner.begin_epoch()
        try:
            for batch in loaded:
                yield from self._tell_skipped(batch.problems)
                overdue = clock.seconds - written > 60 * settings.checkpoint_minutes
                count, stop, write = self.world.sum(len(batch), should_stop(), overdue, device=self.device)
                rate = self._rate(progress.step)
                if count:
                    pending.append(self._learn(batch, int(count), rate))
                progress.step += 1
                newest = self._take_in(pending, keep=_LOOK_BACK if self.device.type == "cuda" else 0)
                yield StepDone(
                    step=progress.step,
                    steps=self.steps,
                    epoch=progress.epoch + 1,
                    loss=newest,
                    mean_loss=progress.sums.loss / max(progress.sums.pictures, 1),
                    rate=rate,
                    images_per_s=speed.after(int(count)),
                )
                if stop or write:
                    self._take_in(pending, keep=0)
                if stop:
                    return True
                if write:
                    progress.seconds = written = clock.seconds
                    yield from self._write_checkpoint()
        finally:
            loaded.close()
        self._take_in(pending, keep=0)
        return False

    def _learn(self, batch: Batch, count: int, rate: float) -> tuple[Tensor, Tensor, NDArray[np.int64]]:
        if not len(batch):  # the other processes have pictures, and wait for this one's gradients
            where = ", ".join(problem.where for problem in batch.problems[:8])
            raise DataError(f"None of this process's pictures of a batch can be read: {where}. Mend or remove them.")
        progress = self.progress
        loss, right = self.learner.learn(batch, step=progress.step, epoch=progress.epoch, count=count, rate=rate)
        return loss, right, batch.indices

    def _take_in(self, pending: Pending, *, keep: int) -> float | None:
        """Add up losses that have come back; the mean of the newest batch, or None if none has."""
        newest = None
        while len(pending) > keep:
            loss, right, indices = pending.popleft()
            value = float(loss)
            if not math.isfinite(value):
                raise self._diverged(indices)
            sums = self.progress.sums
            sums.loss += value
            sums.right += int(right)
            sums.pictures += len(indices)
            newest = value / max(len(indices), 1)
        return newest

    def _diverged(self, indices: NDArray[np.int64]) -> DataError:
        names = ", ".join(self.task.train.where(int(i)) for i in indices[:8])
        more = f" and {len(indices) - 8} more" if len(indices) > 8 else ""
        message = (
            f"The loss became NaN or infinite at step {self.progress.step} (epoch {self.progress.epoch + 1}). Its "
            f"pictures: {names}{more}. Lower lr ({self.learner.rate:g}), set clip_norm, or look at these pictures; the "
            "weights of the last checkpoint are kept."
        )
        self._say("failed", message)
        return DataError(message)

    def _finish_epoch(self, clock: "_Clock", seconds: float) -> Iterator[TrainEvent]:
        """Validate, keep what is best, write a row of metrics and a checkpoint."""
        progress, sums = self.progress, self.progress.sums
        loss, right, pictures = self.world.sum(sums.loss, sums.right, sums.pictures, device=self.device)
        if not pictures:
            raise DataError("None of the training pictures can be read; `striate data check` says why.")
        row: dict[str, Any] = {
            "epoch": progress.epoch + 1,
            "step": progress.step,
            "lr": self._rate(progress.step - 1),
            "train_loss": loss / pictures,
            "train_top1": right / pictures,
        }
        answered = yield from self._validate()
        row |= {} if answered is None else scores_of(answered)
        progress.seconds = clock.seconds
        row |= {"seconds": round(progress.seconds, 3), "images_per_s": round(pictures / max(seconds, 1e-9), 1)}
        better = progress.judge(self._score(row), top1=row.get("val_top1"))
        progress.epoch += 1
        progress.sums = Sums()
        progress.rows.append(row)
        if self.world.is_main:
            yield from self._keep(answered, better=better)
        yield EpochDone(row, better)
        yield from self._write_checkpoint()

    def _keep(self, answered: Predictions | None, *, better: bool) -> Iterator[TrainEvent]:
        """Write weights and numbers. A full disk does not end a training that may outlast it, but its end."""
        state = self.learner.kept_state()
        try:
            if better:
                self.save_weights(self.folder.best, state)
                if answered is not None:
                    answered.save(self.folder.predictions)
            self.save_weights(self.folder.last, state)
            self.folder.write_metrics(self.progress.rows)
            self._say("running")
        except (WeightsError, OSError) as error:
            self._best_is_written &= not better
            if self.progress.epoch >= self.settings.epochs or self._is_stale():
                raise DataError(
                    f"The weights cannot be written to '{self.folder.path}' ({error}). Free some space and resume: "
                    "the last checkpoint holds."
                ) from error
            yield CheckpointFailed(str(error), self.progress.step)
        else:
            self._best_is_written |= better

    def _validate(self) -> Generator[TrainEvent, None, Predictions | None]:
        pictures = self.task.validation
        if pictures is None or not len(pictures):
            return None
        threads = reading_threads(self.settings)
        answering = validate(self.learner, pictures, epoch=self.progress.epoch + 1, workers=threads)
        while True:
            try:
                event = next(answering)
            except StopIteration as finished:
                answered: Predictions = finished.value
                return answered
            if isinstance(event, Validating):
                yield event
            else:
                yield from self._tell_skipped(event)

    def _score(self, row: dict[str, Any]) -> list[float]:
        """What decides which weights are kept, the higher the better; of equally many right answers, the surer."""
        if "val_top1" not in row:
            return [-row["train_loss"]]
        return [row["val_top1"], -row["val_loss"]] if self.settings.keep_best == "top1" else [-row["val_loss"]]

    def _rate(self, step: int) -> float:
        factor = learning_rate_factor(self.settings, step=step, steps_per_epoch=self.steps_per_epoch)
        return self.learner.rate * factor

    def _write_checkpoint(self) -> Iterator[TrainEvent]:
        if self.world.is_main:
            step = self.progress.step
            facts = {"progress": self.progress.to_dict(), "phase": self.learner.phase, "run": self._identity()}
            try:
                path = write_checkpoint(self.folder.state, Checkpoint(self.learner.state(), facts), step=step)
            except DataError as error:
                yield CheckpointFailed(str(error), step)
            else:
                yield CheckpointWritten(path, step)
        self.world.wait()

    def _go_on(self) -> Iterator[TrainEvent]:
        """Take up the newest checkpoint that is whole."""
        checkpoint, problems = newest_checkpoint(self.folder.state)
        if checkpoint is None:
            if problems:
                yield Resumed(0, 0, problems)
            return
        if checkpoint.facts["run"] != self._identity():
            raise ConfigError(
                f"The checkpoint in '{self.folder.state}' is of other settings or other pictures than this run's; "
                "resume with those of its config.yaml, or start a new run."
            )
        self.progress = Progress.from_dict(checkpoint.facts["progress"])
        self.learner.restore(checkpoint.tensors, epoch=self.progress.epoch, phase=checkpoint.facts["phase"])
        yield Resumed(self.progress.step, self.progress.epoch, problems)

    def _identity(self) -> dict[str, Any]:
        """What must not change between two sittings of a run; how many threads read may."""
        settings = self.settings.model_dump(mode="json", exclude={"workers", "checkpoint_minutes"})
        return {**settings, "pictures": len(self.task.train), "classes": list(self.task.labels)}

    def _say(self, state: str, message: str = "") -> None:
        if self.world.is_main:
            progress = self.progress
            self.folder.write_status(
                state=state,
                epoch=progress.epoch,
                epochs=self.settings.epochs,
                step=progress.step,
                steps=self.steps,
                best_epoch=progress.best_epoch,
                best_top1=progress.best_top1,
                seconds=round(progress.seconds, 3),
                message=message,
            )

    def _is_stale(self) -> bool:
        return 0 < self.settings.patience <= self.progress.stale

    def _tell_skipped(self, problems: tuple[Problem, ...]) -> Iterator[TrainEvent]:
        known = {where for _, where, _ in self.progress.skipped}
        new = tuple(problem for problem in problems if problem.where not in known)
        if new:
            self.progress.skipped += [[problem.kind, problem.where, problem.text] for problem in new]
            yield PicturesSkipped(new)


class _Clock:
    """Wall time of a run, over all sittings."""

    def __init__(self, before: float) -> None:
        self._start = perf_counter() - before

    @property
    def seconds(self) -> float:
        return perf_counter() - self._start


class _Speed:
    """Pictures a second over the last steps."""

    def __init__(self) -> None:
        self._steps: deque[tuple[float, int]] = deque([(perf_counter(), 0)], maxlen=_SPEED_STEPS + 1)

    def after(self, pictures: int) -> float:
        self._steps.append((perf_counter(), pictures))
        return sum(count for _, count in list(self._steps)[1:]) / max(self._steps[-1][0] - self._steps[0][0], 1e-9)
