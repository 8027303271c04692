"""What training tells whoever started it, as it happens; a command line draws it, a studio streams it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from striate.data.problem import Problem

__all__ = [
    "CheckpointFailed",
    "CheckpointWritten",
    "EpochDone",
    "PicturesSkipped",
    "Resumed",
    "Started",
    "StepDone",
    "Stopped",
    "TrainEvent",
    "TrainingDone",
    "Validating",
]


@dataclass(frozen=True, slots=True)
class Started:
    """The first step comes next.

    Attributes:
        step: Steps done before.
        steps: Steps in all.
        steps_per_epoch: Of one epoch.
        rate: The highest learning rate.
    """

    step: int
    steps: int
    steps_per_epoch: int
    rate: float


@dataclass(frozen=True, slots=True)
class Resumed:
    """An earlier run goes on.

    Attributes:
        step: Steps that were done.
        epoch: Epochs that were done.
        problems: Checkpoints that could not be read, one sentence each; the one before was taken.
    """

    step: int
    epoch: int
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StepDone:
    """One batch was learned.

    Attributes:
        step: Steps done, over all epochs.
        steps: Steps in all.
        epoch: The epoch it belongs to, from 1.
        loss: Mean of this batch; None where it has not come back from the GPU yet.
        mean_loss: Mean of the epoch so far.
        rate: Learning rate of the step.
        images_per_s: Over the last steps.
    """

    step: int
    steps: int
    epoch: int
    loss: float | None
    mean_loss: float
    rate: float
    images_per_s: float


@dataclass(frozen=True, slots=True)
class Validating:
    """Some of the validation pictures were answered."""

    epoch: int
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class EpochDone:
    """A row of `metrics.jsonl`.

    Attributes:
        row: Its numbers by name.
        is_best: Whether no epoch before was better.
    """

    row: dict[str, Any]
    is_best: bool


@dataclass(frozen=True, slots=True)
class PicturesSkipped:
    """Pictures that could not be read were left out; each is told once.

    Attributes:
        problems: Which, and why.
    """

    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class CheckpointWritten:
    """The run can go on from here, whatever happens."""

    path: Path
    step: int


@dataclass(frozen=True, slots=True)
class CheckpointFailed:
    """The disk did not take a checkpoint or the weights; what was there before still holds."""

    reason: str
    step: int


@dataclass(frozen=True, slots=True)
class Stopped:
    """Somebody asked to stop.

    Attributes:
        step: Steps done.
        epoch: Epochs done.
        is_kept: Whether the disk took a checkpoint of this moment.
    """

    step: int
    epoch: int
    is_kept: bool


@dataclass(frozen=True, slots=True)
class TrainingDone:
    """All epochs are done, or nothing got better for long enough.

    Attributes:
        epochs: Epochs done.
        best_epoch: The epoch of the best weights, from 1.
        best_score: What people ask for first of its validation scores; None without any.
        score: Its name: `top1`, the share of right answers, or `map50`.
        early: Whether `patience` ended it.
        seconds: Wall time over all sittings.
    """

    epochs: int
    best_epoch: int
    best_score: float | None
    score: str
    early: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class ReportWritten:
    """The page about the run is there, or could not be made, which costs nothing but the page.

    Attributes:
        path: The page; None where there is none.
        reason: Why there is none.
    """

    path: Path | None
    reason: str = ""


TrainEvent = (
    Started
    | Resumed
    | StepDone
    | Validating
    | EpochDone
    | PicturesSkipped
    | CheckpointWritten
    | CheckpointFailed
    | Stopped
    | TrainingDone
    | ReportWritten
)
