"""What a training will cost, before it begins: time from two measured steps, memory from what has to be kept."""

import copy
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from time import perf_counter

import torch
from torch import nn

from striate.errors import StriateError
from striate.probe import summary
from striate.training.losses import every_logits
from striate.training.settings import TrainSettings

__all__ = ["Estimate", "estimate_training"]

_MOST_MACS = 2e10  # a trial step of a large network takes fewer pictures
_SLACK = 1.15  # reading, validation and checkpoints come on top


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one run costs.

    Attributes:
        parameters: Numbers that the network has.
        macs: Multiply-adds of one picture, forward.
        seconds: Of all epochs, from a trial step on this machine.
        memory_bytes: Weights, gradients, the optimizer's memory, and the maps that the backward pass needs.
    """

    parameters: int
    macs: int
    seconds: float
    memory_bytes: int


def estimate_training(
    module: nn.Module,
    settings: TrainSettings,
    *,
    shape: tuple[int, int, int],
    pictures: int,
    device: torch.device,
    processes: int = 1,
) -> Estimate:
    """Try a step on random pictures with a copy of the network, and count.

    Args:
        module: It is left as it was.
        settings: Batch, epochs, precision, optimizer.
        shape: `c h w` of one picture.
        pictures: To learn from.
        device: Where the training will run.
        processes: That share the batches.
    """
    parameters = sum(parameter.numel() for parameter in module.parameters())
    macs = kept = 0
    with suppress(StriateError, RuntimeError):
        table = summary(module, shape)
        macs = table.macs
        parents = {row.address.rpartition(".")[0] for row in table.rows}
        # Of a container the output is that of its last part.
        kept = sum(prod(row.output_shape) for row in table.rows if row.address not in parents)
    share = max(settings.batch_size // processes, 1)
    count = max(min(share, int(_MOST_MACS // (3 * max(macs, 1)))), min(share, 2))
    seconds = _trial(module, settings, shape, count, device) / count
    width = {"float64": 8, "float32": 4, "bfloat16": 4}[settings.precision]
    copies = 2 + (1 if settings.optimizer == "sgd" else 2) + (2 if settings.ema else 0)
    maps = kept * (share // settings.accumulate or 1) * (2 if settings.precision == "bfloat16" else width)
    return Estimate(
        parameters=parameters,
        macs=macs,
        seconds=seconds * pictures * settings.epochs / processes * _SLACK,
        memory_bytes=parameters * width * copies + maps,
    )


def _trial(
    module: nn.Module, settings: TrainSettings, shape: tuple[int, int, int], count: int, device: torch.device
) -> float:
    """Seconds of a forward and a backward pass."""
    layout = torch.channels_last if settings.channels_last else torch.contiguous_format
    dtype = torch.float64 if settings.precision == "float64" else torch.float32
    twin = copy.deepcopy(module).to(device=device, dtype=dtype).to(memory_format=layout)  # type: ignore[call-overload]
    twin.train()
    state = torch.get_rng_state()
    x = torch.rand(count, *shape, device=device, dtype=dtype).contiguous(memory_format=layout)
    times = []
    for _ in range(2):
        began = perf_counter()
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=settings.precision == "bfloat16"):
            logits, auxiliary = every_logits(twin(x))
        torch.stack([part.float().logsumexp(1).sum() for part in (logits, *auxiliary)]).sum().backward()  # type: ignore[no-untyped-call]
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(perf_counter() - began)
    torch.set_rng_state(state)
    return min(times)
