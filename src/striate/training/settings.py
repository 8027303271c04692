"""Every setting of the training loop, with its rule; the command line, a run's `config.yaml` and Python share them."""

import os
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from striate.errors import ConfigError

__all__ = ["TrainSettings"]


class TrainSettings(BaseModel):
    """How weights are learned.

    Attributes:
        epochs: How often every picture is seen.
        batch_size: Pictures a step, over all processes together. The pictures of an epoch are dealt into batches of
            nearly equal size, so none is left out and no last batch is tiny.
        optimizer: `sgd` (with momentum) or `adamw`.
        lr: The highest learning rate; by default .1 a batch of 256 for `sgd` (Goyal et al. 2017: in proportion to the
            batch), a tenth of it for networks without normalization, .001 for `adamw`; less when fine-tuning.
        momentum: Of `sgd`; the first β of `adamw`.
        nesterov: Look ahead, in `sgd`.
        weight_decay: Pull of the weights towards 0; not of biases and normalizations.
        schedule: How the rate falls after the warm-up: `cosine`, `step`, `poly`, `one-cycle` or `constant`.
        warmup_epochs: Epochs, or a fraction of one, in which the rate rises from nearly 0; at most half of all epochs.
        final_lr: The rate at the end, as a fraction of `lr`, for `cosine`, `poly` and `one-cycle`.
        step_epochs: For `step`: the epochs after which the rate falls.
        step_factor: For `step`: what it is multiplied with.
        power: For `poly`.
        loss: `cross-entropy`, or `map` (equation 9 of LeCun et al. 1998, for distances such as LeNet-5's).
        temperature: What the logits are divided by in the loss, for cross-entropy; above 1 where they are far apart,
            such as LeNet-5's distances (Hinton et al. 2015).
        label_smoothing: Share of every target that is spread over all classes (Szegedy et al. 2015).
        auxiliary_weight: Weight of the loss of each auxiliary head (GoogLeNet's: .3).
        class_weights: `none`, or `balanced`: every class counts as much as any other, however few pictures it has.
        ema: Decay of the averaged weights, 0 for none; the average is what is validated and kept.
        clip_norm: Longest gradient, 0 for any.
        accumulate: Parts that a batch is computed in, for less memory. Batch normalization then sees the parts.
        precision: `float32`, `bfloat16` (mixed: weights stay float32) or `float64`.
        channels_last: Lay pictures and weights out with the channels last, which convolutions run fastest on.
        strategy: How several processes share the work: `ddp` (all have all weights), or `fsdp` (each keeps a share of
            every weight, its gradient and the optimizer's memory: for classifiers that one GPU cannot hold).
        freeze: `none`, `trunk` (all but the classifier), or a layer: it and all before it stay as they are.
        head_epochs: Epochs in which only the classifier learns, before the rest joins.
        layer_decay: Factor of the learning rate from one stage to the one before it; 1 for the same rate everywhere.
        patience: Stop after so many epochs without a better validation score; 0 for never.
        seed: Decides first weights, order, augmentation and dropout.
        decode: How training pictures are decoded and resized: `fast` (JPEG at a smaller scale, linear), or `exact`, as
            in evaluation.
        workers: Threads that read pictures; by default as many as there are cores, at most 8.
        checkpoint_minutes: Longest time between two checkpoints; one more is written after every epoch.
        keep_best: Which validation score decides: `top1`, or `loss`.

    Raises:
        pydantic.ValidationError: A value outside its rule.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(default=30, ge=1)
    batch_size: int = Field(default=64, ge=1)
    optimizer: Literal["sgd", "adamw"] = "sgd"
    lr: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    nesterov: bool = True
    weight_decay: float = Field(default=5e-4, ge=0, allow_inf_nan=False)
    schedule: Literal["cosine", "step", "poly", "one-cycle", "constant"] = "cosine"
    warmup_epochs: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    final_lr: float = Field(default=0.0, ge=0, le=1)
    step_epochs: tuple[int, ...] = ()
    step_factor: float = Field(default=0.1, gt=0, le=1)
    power: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    loss: Literal["cross-entropy", "map"] = "cross-entropy"
    temperature: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    auxiliary_weight: float = Field(default=0.3, ge=0, allow_inf_nan=False)
    class_weights: Literal["none", "balanced"] = "none"
    ema: float = Field(default=0.0, ge=0, lt=1)
    clip_norm: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    accumulate: int = Field(default=1, ge=1)
    precision: Literal["float32", "bfloat16", "float64"] = "float32"
    channels_last: bool = True
    strategy: Literal["ddp", "fsdp"] = "ddp"
    freeze: str = "none"
    head_epochs: int = Field(default=0, ge=0)
    layer_decay: float = Field(default=1.0, gt=0, le=1)
    patience: int = Field(default=0, ge=0)
    seed: int = Field(default=0, ge=0, lt=2**63)
    decode: Literal["fast", "exact"] = "fast"
    workers: int | None = Field(default=None, ge=0)
    checkpoint_minutes: float = Field(default=10.0, gt=0)
    keep_best: Literal["top1", "loss"] = "top1"

    @property
    def reading_threads(self) -> int:
        """Threads that read pictures: as asked, or one a core, at most 8."""
        if self.workers is not None:
            return self.workers
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        return max(min(cores or 1, 8), 1)

    @model_validator(mode="after")
    def _fits_together(self) -> "TrainSettings":
        if self.schedule == "step" and not self.step_epochs:
            raise ConfigError(
                "schedule 'step' needs step_epochs, the epochs after which the rate falls, such as 15 25."
            )
        if any(epoch < 1 for epoch in self.step_epochs) or list(self.step_epochs) != sorted(set(self.step_epochs)):
            raise ConfigError(f"step_epochs must rise and be at least 1, got {list(self.step_epochs)}.")
        if self.head_epochs and self.freeze != "none":
            raise ConfigError(
                f"head_epochs {self.head_epochs} opens the trunk later, freeze '{self.freeze}' never; give one."
            )
        if self.strategy == "fsdp" and self.head_epochs:
            raise ConfigError(
                f"strategy 'fsdp' cannot open the trunk later (head_epochs {self.head_epochs}); leave one of them out."
            )
        other = {"label_smoothing": 0.0, "class_weights": "none", "temperature": 1.0}
        unlike = [name for name, usual in other.items() if getattr(self, name) != usual]
        if self.loss == "map" and unlike:
            raise ConfigError(
                f"loss 'map' knows one right class a picture, all classes alike; got {unlike[0]} "
                f"{getattr(self, unlike[0])}, which is for 'cross-entropy'."
            )
        if self.accumulate > self.batch_size:
            raise ConfigError(f"accumulate {self.accumulate} is more than the batch of {self.batch_size} pictures.")
        return self
