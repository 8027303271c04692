"""The loop: batches in, better weights out, and a word about everything that happens on the way.

Nothing in it depends on when it was started or how often it was interrupted. The order of the pictures is a function of
seed and epoch, their augmentation of seed, epoch and picture, dropout of seed and step, the rate of the step. So a
checkpoint holds weights, averages, the optimizer's memory and a few sums, and a run that goes on from it ends with the
same weights, bit by bit on a CPU.
"""

import math
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.data.loader import Batch, load_batches
from striate.data.pixel_cache import PixelCache
from striate.data.problem import Problem
from striate.errors import ConfigError, DataError
from striate.training.checkpoint import Checkpoint
from striate.training.clock import Clock, Speed
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
from striate.training.exchange import every_problem, shared_checkpoint
from striate.training.identity import run_identity, what_changed
from striate.training.keeper import Keeper, SaveWeights
from striate.training.launch import failing_together
from striate.training.learner import Learner
from striate.training.order import count_batches, epoch_batches, share_of
from striate.training.progress import Progress, Sums
from striate.training.run_folder import RunFolder
from striate.training.schedules import learning_rate_factor
from striate.training.settings import TrainSettings
from striate.training.sync_batch_norm import restore_batch_norm
from striate.training.task import Answered, Task
from striate.training.world import ALONE, World

__all__ = ["Trainer"]

_LOOK_BACK = 20  # on a GPU, losses are asked for so many steps later: asking at once would make it wait

Pending = deque[tuple[int, dict[str, Tensor], NDArray[np.int64]]]  # step, sums of what the task tells, pictures


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
        if not len(task.pictures):
            raise ConfigError(f"{task.pictures.source}: there are no pictures to learn from.")
        task.check(settings)
        self._identity = run_identity(task, settings)
        world.check_same("their settings or their pictures", self._identity)
        self.learner = Learner(task, settings, device=self.device, world=world)
        self.steps_per_epoch = count_batches(len(task.pictures), settings.batch_size)
        self.steps = self.steps_per_epoch * settings.epochs
        self.progress = Progress()
        self._cache = PixelCache(task.pictures)
        self._pictures: NDArray[np.int64] = np.zeros(0, dtype=np.int64)  # those of the newest step
        self._keeper = Keeper(folder, save_weights, writes=world.is_main)

    def run(self, *, resume: bool = False, should_stop: Callable[[], bool] = lambda: False) -> Iterator[TrainEvent]:
        """Train, and tell what happens.

        Args:
            resume: Go on from the newest checkpoint of the folder, if there is one.
            should_stop: Asked after every step; when it says yes, a checkpoint is written and the run ends.

        Raises:
            ConfigError: If the checkpoint is of another run.
            DataError: If a loss or a weight is not a finite number (the message names the pictures), none of the
                pictures can be read, weights cannot be written, or no checkpoint is whole any more.
        """
        if resume:
            yield from self._go_on()
        yield Started(self.progress.step, self.steps, self.steps_per_epoch, self.learner.rate)
        self._say("running")
        try:
            with failing_together(size=self.world.size):
                yield from self._epochs(should_stop)
        except (GeneratorExit, KeyboardInterrupt):
            self._say("stopped", "Interrupted at once; the last checkpoint holds.")
            raise
        except Exception as error:
            self._say("failed", str(error))
            raise
        finally:
            restore_batch_norm(self.learner.module)
            self.learner.unfreeze()

    def _epochs(self, should_stop: Callable[[], bool]) -> Iterator[TrainEvent]:
        progress = self.progress
        clock = Clock(progress.seconds)
        while progress.epoch < self.settings.epochs and not self._is_stale():
            self.learner.enter_phase(epoch=progress.epoch)
            before, seen = clock.seconds, progress.sums.pictures
            stopped = yield from self._epoch(clock, should_stop)
            if not stopped:
                speed = self.world.sum(progress.sums.pictures - seen)[0] / max(clock.seconds - before, 1e-9)
                stopped = yield from self._finish_epoch(clock, speed, should_stop)
            if stopped:
                progress.seconds = clock.seconds
                is_kept = yield from self._write_checkpoint()
                self._say("stopped")
                yield Stopped(progress.step, progress.epoch, is_kept)
                return
        self._say("finished")
        yield TrainingDone(
            epochs=progress.epoch,
            best_epoch=progress.best_epoch,
            best_score=progress.best_score,
            score=self.task.headline,
            early=progress.epoch < self.settings.epochs,
            seconds=progress.seconds,
        )

    def _epoch(self, clock: Clock, should_stop: Callable[[], bool]) -> Generator[TrainEvent, None, bool]:
        """Learn from every picture once, or from those that are left; tells whether somebody asked to stop."""
        progress, settings = self.progress, self.settings
        batches = epoch_batches(len(self.task.pictures), settings.batch_size, seed=settings.seed, epoch=progress.epoch)
        done = progress.step - progress.epoch * self.steps_per_epoch
        loaded = load_batches(
            self.task.pictures,
            list(share_of(batches, rank=self.world.rank, size=self.world.size, parts=settings.accumulate))[done:],
            self.task.pipeline.geometry,
            seed=settings.seed,
            epoch=progress.epoch,
            workers=settings.reading_threads,
            decode=settings.decode,
            cache=self._cache,
            max_megapixels=self.task.max_megapixels,
        )
        pending: Pending = deque()
        speed = Speed()
        written = clock.seconds
        self.learner.begin_epoch()
        try:
            for batch in loaded:
                overdue = clock.seconds - written > 60 * settings.checkpoint_minutes
                count, stop, write, odd = self.world.sum(len(batch), should_stop(), overdue, len(batch.problems))
                if odd:
                    yield from self._tell_skipped(every_problem(batch.problems, world=self.world))
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
                    mean_loss=progress.sums.mean_loss,
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

    def _learn(self, batch: Batch, count: int, rate: float) -> tuple[int, dict[str, Tensor], NDArray[np.int64]]:
        progress = self.progress
        self._pictures = batch.indices
        try:
            told = self.learner.learn(batch, step=progress.step, epoch=progress.epoch, count=count, rate=rate)
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            raise DataError(
                f"Only {self.task.pictures.where(int(batch.indices[0]))} of its batch can be read, and batch "
                "normalization needs more than one picture; give a larger batch_size, or mend the pictures left out."
            ) from error
        return progress.step + 1, told, batch.indices

    def _take_in(self, pending: Pending, *, keep: int) -> float | None:
        """Add up losses that have come back; the mean of the newest batch, or None if none has."""
        newest = None
        while len(pending) > keep:
            step, told, indices = pending.popleft()
            values = dict(zip(told, torch.stack(list(told.values())).tolist(), strict=True))
            if not math.isfinite(values["loss"]):
                raise self._diverged("The loss", step, indices)
            sums = self.progress.sums
            for name, value in values.items():
                sums.told[name] = sums.told.get(name, 0.0) + value
            sums.pictures += len(indices)
            newest = values["loss"] / max(len(indices), 1)
        return newest

    def _diverged(self, what: str, step: int, indices: NDArray[np.int64]) -> DataError:
        names = ", ".join(self.task.pictures.where(int(i)) for i in indices[:8])
        more = f" and {len(indices) - 8} more" if len(indices) > 8 else ""
        return DataError(
            f"{what} became NaN or infinite at step {step} (epoch {(step - 1) // self.steps_per_epoch + 1}). Pictures "
            f"of that step: {names}{more}. Lower lr ({self.learner.rate:g}), set clip_norm, or look at these pictures. "
            + (
                "The last checkpoint and the best weights before are kept."
                if self._keeper.newest
                else "Nothing was kept."
            )
        )

    def _finish_epoch(
        self, clock: Clock, speed: float, should_stop: Callable[[], bool]
    ) -> Generator[TrainEvent, None, bool]:
        """Validate, keep what is best, write metrics and a checkpoint; tells whether somebody asked to stop."""
        progress, sums = self.progress, self.progress.sums
        told, pictures = self._summed(sums)
        if not pictures:
            raise DataError("None of the training pictures can be read; `striate data check` says why.")
        if not self.learner.is_finite():
            raise self._diverged("A weight", progress.step, self._pictures)
        row: dict[str, Any] = {
            "epoch": progress.epoch + 1,
            "step": progress.step,
            "lr": self._rate(progress.step - 1),
            **{f"train_{name}": value / pictures for name, value in told.items()},
        }
        answered = None
        if self.task.validation_pictures is not None and len(self.task.validation_pictures):
            try:
                answered = yield from self._validate(should_stop)
            except FloatingPointError as error:  # finite weights, but so large that what they answer is not
                raise self._diverged("An answer to a validation picture", progress.step, self._pictures) from error
            if answered is None:
                return True  # the epoch is learned, but not counted yet: a resumed run validates first
            row |= self.task.scores(answered, self.settings)
        progress.seconds = clock.seconds
        row |= {"seconds": round(progress.seconds, 3), "images_per_s": round(speed, 1)}
        score = self.task.judged(row, self.settings)
        better = progress.judge(score, headline=row.get(f"val_{self.task.headline}"))
        progress.epoch += 1
        progress.sums = Sums()
        progress.rows.append(row)
        yield EpochDone(row, better)
        state = self.learner.kept_state()
        ends = progress.epoch >= self.settings.epochs or self._is_stale()
        reason = self._keeper.keep(state, answered, progress, better=better, ends=ends)
        if reason:
            yield CheckpointFailed(reason, progress.step)
        if self.world.sum(bool(reason)) == [0]:
            self._say("running")
            yield from self._write_checkpoint()
        return False

    def _validate(self, should_stop: Callable[[], bool]) -> Generator[TrainEvent, None, Answered | None]:
        """The answers to the validation pictures; None if somebody asked to stop."""
        answering = self.task.validate(self.learner, epoch=self.progress.epoch + 1)
        try:
            while True:
                try:
                    event = next(answering)
                except StopIteration as finished:
                    answered: Answered = finished.value
                    return answered
                if isinstance(event, Validating):
                    yield event
                    if self.world.sum(should_stop()) != [0]:  # as many events on every process
                        return None
                else:
                    yield from self._tell_skipped(event)
        finally:
            answering.close()

    def _summed(self, sums: Sums) -> tuple[dict[str, float], int]:
        """What the epoch has added up so far in all processes; all of them tell of the same."""
        names = sorted(set(sums.told) | {"loss"}, key=lambda name: (name != "loss", name))
        *values, pictures = self.world.sum(*(sums.told.get(name, 0.0) for name in names), sums.pictures)
        return dict(zip(names, values, strict=True)), int(pictures)

    def _rate(self, step: int) -> float:
        factor = learning_rate_factor(self.settings, step=step, steps_per_epoch=self.steps_per_epoch)
        return self.learner.rate * factor

    def _write_checkpoint(self) -> Generator[TrainEvent, None, bool]:
        """Write down all that going on needs; tells whether the disk took it."""
        if not self.learner.is_finite():
            raise self._diverged("A weight", self.progress.step, self._pictures)
        state, sums = self.learner.state(), self.progress.sums
        told, pictures = self._summed(sums)
        is_kept = False
        if self.world.is_main:
            step = self.progress.step
            progress = self.progress.to_dict() | {"sums": asdict(Sums(told, pictures))}
            facts = {"progress": progress, "phase": self.learner.phase, "run": self._identity}
            written = self._keeper.write_checkpoint(Checkpoint(state, facts), step=step)
            is_kept = isinstance(written, Path)
            yield CheckpointWritten(written, step) if isinstance(written, Path) else CheckpointFailed(written, step)
        self.world.wait()
        return is_kept

    def _go_on(self) -> Iterator[TrainEvent]:
        """Take up the newest checkpoint that is whole; without any, begin."""
        checkpoint, problems = shared_checkpoint(self.folder.state, world=self.world)
        if checkpoint is None:
            if problems:
                raise DataError(
                    f"No checkpoint of this run is whole: {' '.join(problems)} To begin again from the best weights, "
                    f"start a new run with --weights {self.folder.path}."
                )
            yield Resumed(0, 0, ())
            return
        if changed := what_changed(checkpoint.facts["run"], self._identity):
            raise ConfigError(
                f"'{self.folder.path}' was begun with other {', '.join(changed)}, and would not end as it "
                "began. Bring back what it was begun with, or start a new run."
            )
        self._keeper.newest = checkpoint.path
        self.progress = Progress.from_dict(checkpoint.facts["progress"])
        if not self.world.is_main:  # what was added up before is counted once
            self.progress.sums = self.progress.sums.emptied()
        self.learner.restore(checkpoint.tensors, epoch=self.progress.epoch, phase=checkpoint.facts["phase"])
        yield Resumed(self.progress.step, self.progress.epoch, problems)

    def _say(self, state: str, message: str = "") -> None:
        epochs, steps, headline = self.settings.epochs, self.steps, self.task.headline
        self._keeper.say(state, self.progress, epochs=epochs, steps=steps, headline=headline, message=message)

    def _is_stale(self) -> bool:
        return 0 < self.settings.patience <= self.progress.stale

    def _tell_skipped(self, problems: tuple[Problem, ...]) -> Iterator[TrainEvent]:
        if not problems:
            return
        known = {where for _, where, _ in self.progress.skipped}
        new = tuple(problem for problem in problems if problem.where not in known)
        if new:
            self.progress.skipped += [[problem.kind, problem.where, problem.text] for problem in new]
            yield PicturesSkipped(new)
