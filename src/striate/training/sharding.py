"""Weights in shares: each process keeps a slice of every weight, of its gradient and of the optimizer's memory.

The fully connected layers of a VGG hold 124 of its 138 million weights; a classifier of a hundred thousand classes
holds more. Where a GPU cannot keep all of it three or four times (weights, gradients, momentum), r processes keep the
r-th part each. A stage's weights are put together when its forward and backward pass need them, and let go of
afterwards.

Files know nothing of it: what is written is put together first, on the CPU of process 0, and what is read is cut.

Source: Rajbhandari et al. 2020 (arXiv:1910.02054), stage 3; torch's `fully_shard` (FSDP2) does it.
"""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from striate.training.world import World

__all__ = ["gathered", "own_share", "shard", "share_gradients", "share_like"]


def shard(module: nn.Module, stages: Iterable[str], *, device: torch.device, world: World) -> None:
    """Cut the weights of a network into shares, in place; those of process 0 are taken.

    Args:
        module: The network, on the CPU or on the device; which weights learn must not change any more.
        stages: Paths of the modules whose weights are put together at a time.
        device: Where the shares go.
        world: The processes.
    """
    with torch.no_grad():
        for tensor in (*module.parameters(), *module.buffers()):
            shared = world.share({"": tensor.detach()})[""]
            if not world.is_main:
                tensor.copy_(shared)
    mesh = init_device_mesh(device.type, (world.size,))
    for name in stages:
        stage = module.get_submodule(name) if name else module
        containers = isinstance(
            stage, nn.ModuleList | nn.ModuleDict
        )  # never called, so they would never be put together
        if stage is not module and not containers and not isinstance(stage, FSDPModule):
            fully_shard(stage, mesh=mesh)
    fully_shard(module, mesh=mesh)


def share_gradients(module: nn.Module, *, now: bool) -> None:
    """Whether gradients are added up over the processes in the next backward pass, or wait for a later one."""
    if isinstance(module, FSDPModule):
        module.set_requires_gradient_sync(now)


def gathered(state: Mapping[str, Tensor], *, world: World) -> dict[str, Tensor]:
    """Whole tensors on the CPU of process 0, one after another; nothing on the others, which must call it too."""
    whole: dict[str, Tensor] = {}
    for name, value in state.items():
        tensor = value.full_tensor() if isinstance(value, DTensor) else value
        if world.is_main:
            whole[name] = tensor.detach().cpu()
    return whole


def own_share(value: Tensor) -> Tensor:
    """What this process keeps of a tensor."""
    return value.to_local() if isinstance(value, DTensor) else value


def share_like(value: Tensor, like: Tensor) -> Tensor:
    """This process's share of a whole tensor, cut as `like` is; every process must have the whole one."""
    if not isinstance(like, DTensor):
        return torch.empty_like(like, dtype=value.dtype).copy_(value)
    return distribute_tensor(value.to(like.device), like.device_mesh, like.placements, src_data_rank=None)
