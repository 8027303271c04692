"""What is to be learned, from what: all that the loop has to know of a task, be it naming pictures or finding boxes."""

from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn

from striate.data import Labels, Preprocessing
from striate.data.augment import Draws
from striate.data.augment.cut import Geometry
from striate.data.image_set import ImageSet
from striate.data.loader import Batch
from striate.data.problem import Problem
from striate.training.events import Validating
from striate.training.settings import TrainSettings

if TYPE_CHECKING:
    from striate.training.learner import Learner

__all__ = ["Answered", "Inputs", "Pipeline", "StepLosses", "Task", "Validation"]


class Pipeline(Protocol):
    """What training does to pictures, as far as the loop asks."""

    @property
    def geometry(self) -> Geometry:
        """Which part of a picture is cut, and how large it becomes."""
        ...

    def describe(self) -> list[str]:
        """Phrases for the plan of a run, one a step."""
        ...


class Inputs(Protocol):
    """The pictures of one step as the network takes them, with what it should answer."""

    def split(self, parts: int) -> "Sequence[Inputs]":
        """The same in so many parts, some of them empty perhaps."""
        ...


class Answered(Protocol):
    """What a network answered to all validation pictures."""

    def save(self, path: Path) -> Any:
        """Write it down, whole or not at all."""
        ...


class StepLosses:
    """The losses of the pictures of (a part of) one step.

    Attributes:
        whole: `n` losses whose mean is minimized.
        told: Further numbers of each picture, `n` each, for people: their means stand in `metrics.jsonl` as
            `train_NAME`. `loss` is among them.
    """

    __slots__ = ("told", "whole")

    def __init__(self, whole: Float[Tensor, " n"], told: Mapping[str, Tensor]) -> None:
        self.whole, self.told = whole, told


Validation = Generator[Validating | tuple[Problem, ...], None, Answered]


class Task(ABC):
    """The interface of everything that the loop can train.

    Attributes:
        module: The network; it is trained in place.
        preprocessing: From a photo to what it takes.
        labels: Its classes, in the order of its answers.
        augmentation: What is done to the pictures in training.
        classifier: Paths of the last layers, whose size follows the number of classes.
        fine_tuning: Whether the weights were trained before: gentler rates.
        max_megapixels: Larger pictures are left out.
    """

    module: nn.Module
    preprocessing: Preprocessing
    labels: Labels
    classifier: tuple[str, ...]
    fine_tuning: bool
    max_megapixels: float

    @property
    @abstractmethod
    def pictures(self) -> ImageSet:
        """The pictures to learn from."""

    @property
    @abstractmethod
    def validation_pictures(self) -> ImageSet | None:
        """The pictures to be measured on, or None."""

    @property
    @abstractmethod
    def pipeline(self) -> Pipeline:
        """What is done to the pictures in training."""

    @property
    @abstractmethod
    def headline(self) -> str:
        """The score that people ask for first, by its name in a row of metrics without `val_`: `top1`, `map50`."""

    @abstractmethod
    def check(self, settings: TrainSettings) -> None:
        """Refuse settings that this task cannot be learned with.

        Raises:
            ConfigError: If it cannot.
        """

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """What must be the same in every sitting of a run, beside the settings, as JSON values."""

    @abstractmethod
    def inputs(
        self,
        batch: Batch,
        draws: Draws,
        *,
        device: torch.device,
        dtype: torch.dtype,
        memory_format: torch.memory_format,
    ) -> Inputs:
        """The augmented, normalized pictures of a batch, and what is to be answered; of an empty batch, nothing."""

    @abstractmethod
    def losses(self, module: nn.Module, inputs: Any, settings: TrainSettings) -> StepLosses:
        """What the network (perhaps wrapped for several processes) loses on what `inputs` gave."""

    @abstractmethod
    def validate(self, learner: "Learner", *, epoch: int) -> Validation:
        """Answer every validation picture with the weights that are worth keeping; each process a share of them.

        Yields:
            How far it is; and what could not be read.

        Returns:
            The answers to all pictures that can be read, in their order, on every process.

        Raises:
            DataError: If none of them can be read.
            FloatingPointError: If an answer is no finite number.
        """

    @abstractmethod
    def scores(self, answered: Any, settings: TrainSettings) -> dict[str, float]:
        """The numbers of a row of metrics, each called `val_…`; `val_` and `headline` is among them."""

    @abstractmethod
    def judged(self, row: Mapping[str, Any], settings: TrainSettings) -> list[float]:
        """What decides which weights are kept: the first number, then the next; the higher, the better."""

    @abstractmethod
    def with_module(self, module: nn.Module) -> "Task":
        """The same task for another copy of the network."""

    def picture_macs(self) -> tuple[int, int]:
        """Multiply-adds of one picture, forward, and the numbers that its backward pass keeps; zeros if unknown."""
        return 0, 0
