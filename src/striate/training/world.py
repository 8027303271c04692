"""The processes that train together: one alone, or as many as `torchrun` or Slurm has started.

Each process computes its part of every batch; gradients, counts and answers are added up over all of them, so that
every number means the same as with one process. Process 0 writes the files.
"""

import os
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

from striate.errors import ConfigError
from striate.models.device import pick_device

__all__ = ["ALONE", "World", "join_world", "leave_world"]

_TIMEOUT = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class World:
    """This process among all.

    Attributes:
        rank: Number of this process, from 0.
        size: How many there are.
        local_rank: Number of this process on its machine: the GPU that it takes.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def is_main(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def sum(self, *numbers: float, device: torch.device) -> list[float]:
        """Add up numbers over all processes."""
        if self.size == 1:
            return list(numbers)
        total = torch.tensor(numbers, dtype=torch.float64, device=device)
        dist.all_reduce(total)
        return [float(number) for number in total.tolist()]

    def gather(self, rows: Tensor) -> Tensor:
        """The rows of all processes behind one another, on every process; they may differ in number."""
        if self.size == 1:
            return rows
        counts = [torch.zeros(1, dtype=torch.int64, device=rows.device) for _ in range(self.size)]
        dist.all_gather(counts, torch.tensor([len(rows)], device=rows.device))
        most = max(int(count) for count in counts)
        padded = rows.new_zeros((most, *rows.shape[1:]))
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in range(self.size)]
        dist.all_gather(parts, padded)
        return torch.cat([part[: int(count)] for part, count in zip(parts, counts, strict=True)])

    def agree(self, word: str) -> str:
        """What process 0 says."""
        if self.size == 1:
            return word
        words: list[str] = [word]
        dist.broadcast_object_list(words)
        return words[0]

    def wait(self) -> None:
        """Until all processes are here."""
        if self.size > 1:
            dist.barrier()


ALONE = World()


def join_world(device: str = "auto") -> tuple[World, torch.device]:
    """Take a place among the processes that were started together, and the device to compute on.

    `torchrun` says who is who in the environment (`RANK`, `WORLD_SIZE`, `LOCAL_RANK`); so does Slurm's `srun`
    (`SLURM_PROCID`, `SLURM_NTASKS`, `SLURM_LOCALID`), with `MASTER_ADDR` and `MASTER_PORT` given.

    Args:
        device: `cpu`, `cuda`, or `auto`: a GPU for each process where there are enough.

    Raises:
        ConfigError: If the machine has fewer GPUs than processes, or the others cannot be reached.
    """
    world = _from_environment()
    if world.size == 1:
        return world, pick_device(device)
    chosen = pick_device(device)
    if chosen.type == "cuda":
        if world.local_rank >= torch.cuda.device_count():
            raise ConfigError(
                f"Process {world.local_rank} of this machine finds only {torch.cuda.device_count()} GPUs; start as "
                "many processes as there are GPUs, or give --device cpu."
            )
        chosen = torch.device("cuda", world.local_rank)
        torch.cuda.set_device(chosen)
    if not dist.is_initialized():
        try:
            dist.init_process_group(
                "nccl" if chosen.type == "cuda" else "gloo", rank=world.rank, world_size=world.size, timeout=_TIMEOUT
            )
        except (RuntimeError, ValueError) as error:
            raise ConfigError(
                f"Process {world.rank} of {world.size} cannot reach the others: {' '.join(str(error).split())}. Start "
                "all of them with torchrun, or set MASTER_ADDR and MASTER_PORT."
            ) from error
    return world, chosen


def leave_world() -> None:
    """Give the place back."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def _from_environment() -> World:
    for rank, size, local in (
        ("RANK", "WORLD_SIZE", "LOCAL_RANK"),
        ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID"),
    ):
        if rank in os.environ and size in os.environ:
            # One task of Slurm is one process, also where a batch script runs without srun.
            place = World(int(os.environ[rank]), int(os.environ[size]), int(os.environ.get(local, "0")))
            if size == "WORLD_SIZE" or (place.size > 1 and "MASTER_ADDR" in os.environ):
                return place
    return ALONE
