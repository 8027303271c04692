"""One step: from a batch of pictures to better weights, on one process or on many.

The loss is the mean over the whole batch, whoever computes which part of it. With r processes, each multiplies its sum
by r / n, and `DistributedDataParallel` divides the gradients by r: the same step as one process would take, also where
the parts differ in size.
"""

import copy
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from inspect import signature
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from striate.data.augment import Draws
from striate.data.loader import Batch
from striate.training.averaging import WeightAverage
from striate.training.losses import every_logits, picture_losses, soft_targets
from striate.training.optimizers import build_optimizer, highest_rate, set_rate
from striate.training.parameter_groups import freeze, keep_frozen_still, parameter_groups, stages_of
from striate.training.settings import TrainSettings
from striate.training.sharding import gathered, own_share, shard, share_gradients, share_like
from striate.training.sync_batch_norm import synchronize_batch_norm
from striate.training.task import Task
from striate.training.world import World

__all__ = ["Learner"]

# Running statistics are the same on every process already. The option has had another name since torch 2.13.
_SAME_BUFFERS: dict[str, Any] = {
    name: False
    for name in ("forward_sync_buffers", "broadcast_buffers")
    if name in signature(DistributedDataParallel).parameters
}
if len(_SAME_BUFFERS) == 2:
    del _SAME_BUFFERS["broadcast_buffers"]
_DTYPES = {"float32": torch.float32, "bfloat16": torch.float32, "float64": torch.float64}


class Learner:
    """The network, its averaged weights and the optimizer.

    Args:
        task: Network and pictures; the network is trained in place.
        settings: How to learn.
        device: Where to compute.
        world: The processes that share the work.

    Raises:
        UnknownNameError: If a layer to freeze does not exist.
        ConfigError: If nothing is left to learn.
    """

    def __init__(self, task: Task, settings: TrainSettings, *, device: torch.device, world: World) -> None:
        self.task, self.settings, self.device, self.world = task, settings, device, world
        self.dtype = _DTYPES[settings.precision]
        self.is_sharded = world.size > 1 and settings.strategy == "fsdp"
        self.module: nn.Module = task.module
        if world.size > 1:
            synchronize_batch_norm(self.module)
        if self.is_sharded:  # it travels to the device in shares
            self.module.to(dtype=self.dtype)
        else:
            self.module.to(device=device, dtype=self.dtype)
        if settings.channels_last and not self.is_sharded:  # shares are rows of weights, one after another in memory
            self.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.stages = stages_of(self.module, classifier=task.classifier)
        self.rate = highest_rate(settings, self.module, fine_tuning=task.fine_tuning)
        self.phase = -1
        self.enter_phase(epoch=0)
        self.average = WeightAverage(self.module, decay=settings.ema) if settings.ema else None
        self._class_weights = self._balance()

    def enter_phase(self, *, epoch: int) -> None:
        """Make the optimizer for the weights that learn in this epoch: only the classifier's first, if wanted."""
        phase = int(epoch >= self.settings.head_epochs)
        if phase == self.phase:
            return
        self.phase = phase
        freeze(self.module, self.stages, self.settings.freeze if phase else "trunk")
        if self.is_sharded:
            shard(self.module, [stage.name for stage in self.stages], device=self.device, world=self.world)
        groups = parameter_groups(
            self.module,
            self.stages,
            weight_decay=self.settings.weight_decay,
            layer_decay=self.settings.layer_decay,
        )
        self._optimizer = build_optimizer(self.settings, groups, fused=not self.is_sharded)
        self._parallel = self.module
        if self.world.size > 1 and not self.is_sharded:
            ids = [self.device.index] if self.device.type == "cuda" else None
            self._parallel = DistributedDataParallel(self.module, device_ids=ids, **_SAME_BUFFERS)

    def begin_epoch(self) -> None:
        """Training mode, but for what is frozen."""
        self.module.train()
        keep_frozen_still(self.module)

    def learn(self, batch: Batch, *, step: int, epoch: int, count: int, rate: float) -> tuple[Tensor, Tensor]:
        """One step of the optimizer.

        Args:
            batch: This process's part of the batch; of several processes, some may have no picture that can be read.
            step: Steps done before.
            epoch: From 0.
            count: Pictures of the whole batch.
            rate: The learning rate.

        Returns:
            The sum of the part's losses and how many of its answers were right, still on the device.
        """
        settings = self.settings
        torch.manual_seed(self._step_seed(step))
        x, targets = self._inputs(batch, epoch=epoch)
        parts = min(settings.accumulate, count)  # as many on every process, some of them empty perhaps
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        right = torch.zeros((), dtype=torch.int64, device=self.device)
        for number, (x_part, t_part) in enumerate(zip(x.tensor_split(parts), targets.tensor_split(parts), strict=True)):
            with self._unshared(until=number == parts - 1):
                with self._mixed():
                    logits, auxiliary = every_logits(self._parallel(x_part))
                losses = self._losses(logits, t_part)
                whole = losses
                for more in auxiliary:
                    whole = whole + settings.auxiliary_weight * self._losses(more, t_part)
                (whole.sum() * (self.world.size / count)).backward()  # type: ignore[no-untyped-call]
            total += losses.detach().sum()
            right += (logits.detach().argmax(1) == t_part.argmax(1)).sum()
        if settings.clip_norm:
            nn.utils.clip_grad_norm_([p for p in self.module.parameters() if p.requires_grad], settings.clip_norm)
        set_rate(self._optimizer, rate)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        if self.average is not None:
            self.average.update(self.module, step=step)
        return total, right

    def kept_state(self) -> dict[str, Tensor]:
        """The weights that are worth keeping: the average, where there is one. Shares are put together on process 0."""
        state = dict(self.module.state_dict() if self.average is None else self.average.state)
        return gathered(state, world=self.world) if self.is_sharded else state

    def kept_module(self) -> nn.Module:
        """A module with these weights, in evaluation mode."""
        if self.average is None:
            return self.module.eval()
        module = copy.deepcopy(self.module)
        module.load_state_dict(self.average.state)
        return module.eval()

    @contextmanager
    def answering(self) -> Iterator[nn.Module]:
        """While this lasts, and nothing is learned, a module with the weights that are worth keeping."""
        if self.average is None or not self.is_sharded:
            yield self.kept_module()
            return
        # Shares belong to their module, which cannot be copied: the averages take the place of the weights.
        own = {name: value.clone() for name, value in self.module.state_dict().items()}
        self.module.load_state_dict(self.average.state)
        try:
            yield self.module.eval()
        finally:
            self.module.load_state_dict(own)

    def is_finite(self) -> bool:
        """Whether every weight, average and memory of the optimizer is a number."""
        values = map(own_share, self._state().values())
        numbers = [value.isfinite().all() for value in values if value.is_floating_point()]
        finite = bool(torch.stack([number.to(self.device) for number in numbers]).all())
        return self.world.sum(not finite) == [0] if self.is_sharded else finite

    def state(self) -> dict[str, Tensor]:
        """Everything that the next step depends on, by name. Shares are put together on process 0: all must ask."""
        return gathered(self._state(), world=self.world) if self.is_sharded else self._state()

    def _state(self) -> dict[str, Tensor]:
        tensors = {f"module.{name}": value for name, value in self.module.state_dict().items()}
        if self.average is not None:
            tensors |= {f"average.{name}": value for name, value in self.average.state.items()}
        for number, values in self._optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{name}": value for name, value in values.items() if value is not None}
        return tensors

    def restore(self, state: Mapping[str, Tensor], *, epoch: int, phase: int) -> None:
        """Take up what `state` gave, after `epoch` epochs; `phase` is that of the state."""

        def under(prefix: str) -> dict[str, Tensor]:
            return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}

        own = self.module.state_dict()

        def shares(whole: dict[str, Tensor]) -> dict[str, Tensor]:
            return {name: share_like(value, own[name]) for name, value in whole.items()} if self.is_sharded else whole

        self.module.load_state_dict(shares(under("module.")))
        if self.average is not None:
            self.average.load(shares(under("average.")))
        self.enter_phase(epoch=epoch)
        if self.phase != phase:
            return  # other weights learn from here on: the optimizer starts afresh, as it would have done
        memory: dict[int, dict[str, Tensor]] = {}
        for name, value in under("optimizer.").items():
            number, _, key = name.partition(".")
            memory.setdefault(int(number), {})[key] = value
        learning = [parameter for group in self._optimizer.param_groups for parameter in group["params"]]
        for index, values in memory.items():
            for key, value in values.items():
                if value.shape == learning[index].shape:  # laid out in memory as the weight is
                    values[key] = share_like(value, learning[index])
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": memory, "param_groups": groups})

    def inputs_for_evaluation(self, batch: Batch) -> Tensor:
        """The normalized pictures of a batch, `n c h w`, without augmentation."""
        return self._laid_out(self.task.preprocessing.normalize(batch.float_images(self.device).to(self.dtype)))

    def _inputs(self, batch: Batch, *, epoch: int) -> tuple[Tensor, Tensor]:
        """The augmented, normalized pictures of a batch, `n c h w`, and their targets, `n k`."""
        augmentation = self.task.augmentation
        targets = soft_targets(batch.labels.to(self.device), len(self.task.labels), dtype=self.dtype)
        if not len(batch):  # others have pictures, and wait for this process; nothing of no picture changes nothing
            return self.inputs_for_evaluation(batch), targets
        draws = Draws(self.settings.seed, epoch, batch.indices)
        x = batch.float_images(self.device).to(self.dtype)  # n 3 h w
        x = self.task.preprocessing.normalize(augmentation.augment(x, draws))
        x, targets = augmentation.mix(x, targets, draws)
        return self._laid_out(x), targets

    def _laid_out(self, x: Tensor) -> Tensor:
        return x.contiguous(
            memory_format=torch.channels_last if self.settings.channels_last else torch.contiguous_format
        )

    def _losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        settings = self.settings
        return picture_losses(
            logits,
            targets,
            kind=settings.loss,
            temperature=settings.temperature,
            smoothing=settings.label_smoothing,
            class_weights=self._class_weights,
        )

    def _mixed(self) -> AbstractContextManager[Any]:
        if self.settings.precision == "bfloat16":
            return torch.autocast(self.device.type, dtype=torch.bfloat16)
        return nullcontext()

    def _unshared(self, *, until: bool) -> AbstractContextManager[Any]:
        """Gradients of the parts of a batch are added up here before they travel."""
        if self.is_sharded:
            share_gradients(self.module, now=until)
        if until or not isinstance(self._parallel, DistributedDataParallel):
            return nullcontext()
        return self._parallel.no_sync()

    def _balance(self) -> Tensor | None:
        if self.settings.class_weights == "none":
            return None
        counts = self.task.train.counts()
        # A class without pictures counts nothing, also where smoothing gives it a share of every target.
        weights = np.where(counts > 0, counts.sum() / (max(np.count_nonzero(counts), 1) * np.maximum(counts, 1)), 0.0)
        return torch.tensor(weights, dtype=self.dtype, device=self.device)

    def _step_seed(self, step: int) -> int:
        """For dropout and whatever else asks torch for chance: a number of the run, the step and the process."""
        return int(Draws(self.settings.seed, step, np.array([self.world.rank])).seeds("step")[0])
