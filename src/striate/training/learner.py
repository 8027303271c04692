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
        self.memory_format = torch.channels_last if settings.channels_last else torch.contiguous_format
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
        self._never = tuple(name for name, weight in self.module.named_parameters() if not weight.requires_grad)
        self.rate = highest_rate(settings, self.module, fine_tuning=task.fine_tuning)
        self.phase = -1
        self.enter_phase(epoch=0)
        self.average = WeightAverage(self.module, decay=settings.ema) if settings.ema else None

    def enter_phase(self, *, epoch: int) -> None:
        """Make the optimizer for the weights that learn in this epoch: only the classifier's first, if wanted."""
        phase = int(epoch >= self.settings.head_epochs)
        if phase == self.phase:
            return
        self.phase = phase
        freeze(self.module, self.stages, self.settings.freeze if phase else "trunk", always=self._never)
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

    def unfreeze(self) -> None:
        """Let every weight want gradients again that did before: what is frozen is a matter of this training alone."""
        for name, weight in self.module.named_parameters():
            weight.requires_grad_(name not in self._never)

    def begin_epoch(self) -> None:
        """Training mode, but for what is frozen."""
        self.module.train()
        keep_frozen_still(self.module)

    def learn(self, batch: Batch, *, step: int, epoch: int, count: int, rate: float) -> dict[str, Tensor]:
        """One step of the optimizer.

        Args:
            batch: This process's part of the batch; of several processes, some may have no picture that can be read.
            step: Steps done before.
            epoch: From 0.
            count: Pictures of the whole batch.
            rate: The learning rate.

        Returns:
            What the task tells of its losses, each summed up over the pictures of this part: float64, still on the
            device.
        """
        settings, task = self.settings, self.task
        torch.manual_seed(self._step_seed(step))
        draws = Draws(settings.seed, epoch, batch.indices)
        inputs = task.inputs(batch, draws, device=self.device, dtype=self.dtype, memory_format=self.memory_format)
        parts = min(settings.accumulate, count)  # as many on every process, some of them empty perhaps
        told: dict[str, Tensor] = {}
        for number, part in enumerate(inputs.split(parts)):
            with self._unshared(until=number == parts - 1):
                with self._mixed():
                    losses = task.losses(self._parallel, part, settings)
                (losses.whole.sum() * (self.world.size / count)).backward()  # type: ignore[no-untyped-call]
            for name, values in losses.told.items():
                total = values.detach().sum(dtype=torch.float64)
                told[name] = told[name] + total if name in told else total
        if settings.clip_norm:
            nn.utils.clip_grad_norm_([p for p in self.module.parameters() if p.requires_grad], settings.clip_norm)
        set_rate(self._optimizer, rate)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        if self.average is not None:
            self.average.update(self.module, step=step)
        return told

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
        x = self.task.preprocessing.normalize(batch.float_images(self.device).to(self.dtype))
        return x.contiguous(memory_format=self.memory_format)

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

    def _step_seed(self, step: int) -> int:
        """For dropout and whatever else asks torch for chance: a number of the run, the step and the process."""
        return int(Draws(self.settings.seed, step, np.array([self.world.rank])).seeds("step")[0])
