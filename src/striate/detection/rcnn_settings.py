"""How R-CNN is trained: its numbers, and what it tells on the way."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from striate.detection.box_regression import RIDGE
from striate.detection.feature_cache import FeaturePrecision
from striate.detection.proposals import ProposalProgress, ProposalSettings
from striate.detection.region_svm import MiningDone, SvmSettings, SvmTrained
from striate.errors import ConfigError

__all__ = [
    "FeaturesKept",
    "FineTuned",
    "RCNNEvent",
    "RCNNSettings",
    "RCNNStopped",
    "RCNNTrained",
    "RegressorTrained",
    "StageDone",
    "StageStarted",
]


@dataclass(frozen=True, slots=True)
class RCNNSettings:
    """How R-CNN is trained. The defaults are for two cores and some twenty minutes; the paper's numbers in brackets.

    Attributes:
        proposals: How proposals are found, [2,000 of selective search's fast mode]; also at test.
        steps: Of fine-tuning [70,000]; 0 leaves the network as it is.
        batch: Crops a step [128].
        foreground: Share of them that overlap an object by at least `foreground_above` [.25].
        foreground_above: IoU from which on a crop is of the object's class, and below which background [.5].
        pictures_a_step: From so many pictures [all]: each has to be decoded for its few crops.
        optimizer: `adamw` or `sgd` [sgd]; with some hundred steps instead of 70,000, AdamW gets farther.
        rate: Learning rate of the network [.001, falling]; it falls to 0 along half a cosine, for there are few steps.
        head_rate: Times that, for the new layer, which begins at nothing.
        momentum: Of `sgd` [.9].
        weight_decay: [.0005].
        pool: Pictures that are looked at in all, chosen with `seed` [all]: nobody searches two thousand pictures for
            proposals to show a few of them.
        pictures: Of those, pictures whose regions are kept for machines and regressors [all].
        regions: Proposals of each of them [2,000]. Disk and time grow with both. Machines want variety: many pictures
            with a few hundred regions each beat a few pictures with all.
        svm: See `SvmSettings`.
        ridge: λ of the regressors [1000].
        regression_above: IoU from which on a proposal teaches a regressor [.6].
        precision: Of features on the disk.
        max_disk_bytes: They may take so much [200 GB].
        seed: Of every choice.
        workers: Threads that search for proposals.
        checkpoint_minutes: How often fine-tuning writes what going on needs.
    """

    proposals: ProposalSettings = field(default_factory=ProposalSettings)
    steps: int = 300
    batch: int = 128
    foreground: float = 0.25
    foreground_above: float = 0.5
    pictures_a_step: int = 16
    optimizer: Literal["adamw", "sgd"] = "adamw"
    rate: float = 0.001
    head_rate: float = 3.0
    momentum: float = 0.9
    weight_decay: float = 5e-4
    pool: int = 1000
    pictures: int = 400
    regions: int = 300
    svm: SvmSettings = field(default_factory=SvmSettings)
    ridge: float = RIDGE
    regression_above: float = 0.6
    precision: FeaturePrecision = "float32"
    max_disk_bytes: int = 4 * 10**9
    seed: int = 0
    workers: int = 2
    checkpoint_minutes: float = 1.0

    def __post_init__(self) -> None:
        for name in ("batch", "pictures_a_step", "pool", "pictures", "regions", "workers"):
            if getattr(self, name) < 1:
                raise ConfigError(f"RCNNSettings: {name} must be 1 or more, got {getattr(self, name)}.")
        for name in ("foreground", "foreground_above", "regression_above"):
            if not 0 < getattr(self, name) <= 1:
                raise ConfigError(f"RCNNSettings: {name} must be in (0, 1], got {getattr(self, name)}.")
        for name in ("rate", "head_rate", "ridge", "checkpoint_minutes"):
            if not 0 < getattr(self, name) < np.inf:
                raise ConfigError(f"RCNNSettings: {name} must be above 0, got {getattr(self, name)}.")
        for name in ("steps", "weight_decay", "max_disk_bytes"):
            if not 0 <= getattr(self, name) < np.inf:
                raise ConfigError(f"RCNNSettings: {name} must be 0 or more, got {getattr(self, name)}.")
        if self.optimizer not in {"adamw", "sgd"}:
            raise ConfigError(f"RCNNSettings: optimizer must be 'adamw' or 'sgd', got {self.optimizer!r}.")
        if not 0 <= self.momentum < 1:
            raise ConfigError(f"RCNNSettings: momentum must be in [0, 1), got {self.momentum}.")


@dataclass(frozen=True, slots=True)
class StageStarted:
    """A stage begins, or goes on.

    Attributes:
        stage: `proposals`, `fine-tuning`, `features`, `machines` or `regressors`.
        done: Of it so far: steps or pictures.
        total: In all.
    """

    stage: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class FineTuned:
    """One step of fine-tuning.

    Attributes:
        step: Steps done.
        steps: In all.
        loss: Mean cross-entropy of the step's crops.
        right: Share of right answers among them; background alone is three quarters of them.
        optimizer: `adamw` or `sgd` [sgd]; with some hundred steps instead of 70,000, AdamW gets farther.
        rate: Learning rate.
    """

    step: int
    steps: int
    loss: float
    right: float
    rate: float


@dataclass(frozen=True, slots=True)
class FeaturesKept:
    """One picture's regions have their features on the disk.

    Attributes:
        done: Pictures so far.
        total: In all.
        regions: Of this picture.
    """

    done: int
    total: int
    regions: int


@dataclass(frozen=True, slots=True)
class RegressorTrained:
    """One class has its box regressor.

    Attributes:
        label: Its number.
        pairs: Proposals that taught it.
        error: Mean squared error of the whitened targets, 1 being no correction at all.
    """

    label: int
    pairs: int
    error: float


@dataclass(frozen=True, slots=True)
class StageDone:
    """A stage is done.

    Attributes:
        stage: Which.
        seconds: Over all sittings.
        disk_bytes: What it left on the disk.
        kept: Whether it was done in an earlier sitting.
    """

    stage: str
    seconds: float
    disk_bytes: int
    kept: bool


@dataclass(frozen=True, slots=True)
class RCNNStopped:
    """Somebody asked to stop; the run goes on from here when it is resumed."""

    stage: str


@dataclass(frozen=True, slots=True)
class RCNNTrained:
    """All stages are done, and the module holds what was learned.

    Attributes:
        seconds: By stage.
        disk_bytes: By stage.
    """

    seconds: dict[str, float]
    disk_bytes: dict[str, int]


RCNNEvent = (
    ProposalProgress
    | StageStarted
    | FineTuned
    | FeaturesKept
    | MiningDone
    | SvmTrained
    | RegressorTrained
    | StageDone
    | RCNNStopped
    | RCNNTrained
)
