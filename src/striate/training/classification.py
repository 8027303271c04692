"""The task of naming pictures: labels, logits, cross-entropy, top-1."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from striate.data import Labels, Preprocessing
from striate.data.augment import Draws
from striate.data.augment.recipes import Augmentation
from striate.data.image_set import ImageSet
from striate.data.loader import Batch
from striate.errors import ConfigError, StriateError
from striate.probe import summary
from striate.training.identity import digest
from striate.training.losses import every_logits, picture_losses, soft_targets
from striate.training.predictions import Predictions
from striate.training.settings import TrainSettings
from striate.training.task import Pipeline, StepLosses, Task, Validation

if TYPE_CHECKING:
    from striate.training.learner import Learner

__all__ = ["ClassificationTask", "LabeledInputs"]


@dataclass(frozen=True, eq=False, slots=True)
class LabeledInputs:
    """Pictures and the probabilities of their classes.

    Attributes:
        x: Normalized, `n c h w`.
        targets: `n k`.
    """

    x: Float[Tensor, "n c h w"]
    targets: Float[Tensor, "n k"]

    def split(self, parts: int) -> "Sequence[LabeledInputs]":
        """The same in so many parts, some of them empty perhaps."""
        pieces = zip(self.x.tensor_split(parts), self.targets.tensor_split(parts), strict=True)
        return [LabeledInputs(x, targets) for x, targets in pieces]


@dataclass(frozen=True, eq=False)
class ClassificationTask(Task):
    """Which pictures a network learns to name.

    Attributes:
        module: The network; it is trained in place.
        preprocessing: From a photo to what it takes.
        labels: Its classes, in the order of its logits.
        train: Pictures to learn from.
        validation: Pictures to be measured on, or None.
        augmentation: What is done to the pictures in training.
        classifier: Paths of the last layers, whose size follows the number of classes.
        fine_tuning: Whether the weights were trained before: gentler rates.
        max_megapixels: Larger pictures are left out.
    """

    module: nn.Module
    preprocessing: Preprocessing
    labels: Labels
    train: ImageSet
    validation: ImageSet | None
    augmentation: Augmentation
    classifier: tuple[str, ...] = ()
    fine_tuning: bool = False
    max_megapixels: float = 64.0

    @property
    def pictures(self) -> ImageSet:
        """The pictures to learn from."""
        return self.train

    @property
    def validation_pictures(self) -> ImageSet | None:
        """The pictures to be measured on, or None."""
        return self.validation

    @property
    def pipeline(self) -> Pipeline:
        """What is done to the pictures in training."""
        return self.augmentation

    @property
    def headline(self) -> str:
        """The score that people ask for first: the share of right answers."""
        return "top1"

    def check(self, settings: TrainSettings) -> None:
        """Refuse settings that this task cannot be learned with.

        Raises:
            ConfigError: If one class a picture is needed, and pictures are mixed.
        """
        if settings.loss == "map" and self.augmentation.mixing is not None:
            raise ConfigError("loss 'map' knows one right class a picture; leave mixup and cutmix out.")

    def identity(self) -> dict[str, Any]:
        """Classes, names of the pictures and what is done to them."""
        return {
            "classes": list(self.labels),
            "training pictures": digest(self.train),
            "validation pictures": None if self.validation is None else digest(self.validation),
            "preprocessing": self.preprocessing.to_dict(),
            "augmentation": self.augmentation.describe(),
        }

    def inputs(
        self,
        batch: Batch,
        draws: Draws,
        *,
        device: torch.device,
        dtype: torch.dtype,
        memory_format: torch.memory_format,
    ) -> LabeledInputs:
        """The augmented, normalized pictures of a batch, and the probabilities of their classes."""
        targets = soft_targets(batch.labels.to(device), len(self.labels), dtype=dtype)
        x = batch.float_images(device).to(dtype)  # n 3 h w
        if not len(batch):  # nothing of no picture changes nothing
            return LabeledInputs(self.preprocessing.normalize(x).contiguous(memory_format=memory_format), targets)
        x = self.preprocessing.normalize(self.augmentation.augment(x, draws))
        x, targets = self.augmentation.mix(x, targets, draws)
        return LabeledInputs(x.contiguous(memory_format=memory_format), targets)

    def losses(self, module: nn.Module, inputs: LabeledInputs, settings: TrainSettings) -> StepLosses:
        """The loss of every picture, that of auxiliary heads added to what is minimized."""
        logits, auxiliary = every_logits(module(inputs.x))
        with torch.autocast(logits.device.type, enabled=False):
            losses = self._losses(logits, inputs.targets, settings)
            whole = losses
            for more in auxiliary:
                whole = whole + settings.auxiliary_weight * self._losses(more, inputs.targets, settings)
        right = logits.detach().argmax(1) == inputs.targets.argmax(1)
        return StepLosses(whole, {"loss": losses, "top1": right})

    def validate(self, learner: "Learner", *, epoch: int) -> Validation:
        """Answer every validation picture; see `validation.validate`."""
        from striate.training.validation import validate

        if self.validation is None:
            raise ConfigError("There are no validation pictures.")
        return validate(learner, self.validation, epoch=epoch, workers=learner.settings.reading_threads)

    def scores(self, answered: Predictions, settings: TrainSettings) -> dict[str, float]:
        """Mean negative log-likelihood, top-1 and top-5."""
        from striate.training.validation import scores_of

        return scores_of(answered, temperature=settings.temperature)

    def judged(self, row: Mapping[str, Any], settings: TrainSettings) -> list[float]:
        """Right answers; of equally many, the surer. Without validation, the loss of training."""
        if "val_top1" not in row:
            return [-row["train_loss"]]
        return [row["val_top1"], -row["val_loss"]] if settings.keep_best == "top1" else [-row["val_loss"]]

    def with_module(self, module: nn.Module) -> "ClassificationTask":
        """The same task for another copy of the network."""
        return replace(self, module=module)

    def picture_macs(self) -> tuple[int, int]:
        """Multiply-adds of one picture, and the numbers that its backward pass keeps; zeros where it is not known."""
        with suppress(StriateError, RuntimeError):
            table = summary(self.module, (len(self.preprocessing.channels), *self.preprocessing.input_size))
            parents = {row.address.rpartition(".")[0] for row in table.rows}
            # Of a container the output is that of its last part.
            return table.macs, sum(prod(row.output_shape) for row in table.rows if row.address not in parents)
        return 0, 0

    @cached_property
    def balance(self) -> NDArray[np.float64]:
        """How much a picture of each class counts, so that all classes count the same, `k`."""
        counts = self.train.counts()
        # A class without pictures counts nothing, also where smoothing gives it a share of every target.
        return np.where(counts > 0, counts.sum() / (max(np.count_nonzero(counts), 1) * np.maximum(counts, 1)), 0.0)

    def _losses(self, logits: Tensor, targets: Tensor, settings: TrainSettings) -> Tensor:
        weights = None
        if settings.class_weights == "balanced":
            weights = torch.from_numpy(self.balance).to(targets)
        return picture_losses(
            logits,
            targets,
            kind=settings.loss,
            temperature=settings.temperature,
            smoothing=settings.label_smoothing,
            class_weights=weights,
        )
