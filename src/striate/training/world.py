"""The processes that train together: one alone, or as many as `torchrun` or Slurm has started.

Each process computes its part of every batch; gradients, counts and answers are added up over all of them, so that
every number means the same as with one process. Process 0 writes the files.

Gradients travel between GPUs by NCCL; counts and words between CPUs by gloo, so that no GPU waits for them.
"""

import hashlib
import json
import os
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed import Store, TCPStore  # type: ignore[attr-defined]

from striate.errors import ConfigError
from striate.models.device import pick_device
from striate.training.launch import enter_meeting
from striate.training.meeting import meet

__all__ = ["ALONE", "World", "join_world", "leave_world"]

_TIMEOUT = timedelta(minutes=30)
_LET_GO_S = 5.0
_last_sent: list[weakref.ref[Tensor]] = []


@dataclass(frozen=True, slots=True)
class World:
    """This process among all. What is exchanged lies on the CPU.

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

    def sum(self, *numbers: float) -> list[float]:
        """Add up numbers over all processes."""
        if self.size == 1:
            return list(numbers)
        total = torch.tensor(numbers, dtype=torch.float64)
        _last_sent[:] = [weakref.ref(total)]
        dist.all_reduce(total)
        return [float(number) for number in total.tolist()]

    def gather(self, rows: Tensor) -> Tensor:
        """The rows of all processes behind one another, on every process; they may differ in number."""
        rows = rows.cpu().contiguous()
        if self.size == 1:
            return rows
        counts = [torch.zeros(1, dtype=torch.int64) for _ in range(self.size)]
        dist.all_gather(counts, torch.tensor([len(rows)]))
        most = max(int(count) for count in counts)
        padded = rows.new_zeros((most, *rows.shape[1:]))
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in range(self.size)]
        if most:
            dist.all_gather(parts, padded)
        return torch.cat([part[: int(count)] for part, count in zip(parts, counts, strict=True)])

    def words(self, word: str) -> list[str]:
        """What each process says, on every process."""
        if self.size == 1:
            return [word]
        data = torch.frombuffer(bytearray(json.dumps([word]).encode()), dtype=torch.uint8)
        lengths = self.gather(torch.tensor([len(data)])).tolist()
        parts = torch.split(self.gather(data), lengths)
        return [json.loads(bytes(part.tolist()))[0] for part in parts]

    def agree(self, word: str) -> str:
        """What process 0 says."""
        return self.words(word if self.is_main else "")[0]

    def check_same(self, what: str, facts: object) -> None:
        """Make sure that all processes were given the same.

        Args:
            what: For the message: "their data", say.
            facts: JSON values.

        Raises:
            ConfigError: If they differ; on every process.
        """
        ours = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode("utf-8", "replace")).hexdigest()
        said = self.words(ours)
        other = next((rank for rank, theirs in enumerate(said) if theirs != said[0]), None)
        if other is not None:
            raise ConfigError(
                f"Processes 0 and {other} differ in {what}; all of them must be started with the same command, and "
                "see the same files."
            )

    def share(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of process 0, on every process; what the others give is not looked at."""
        if self.size == 1:
            return dict(tensors)
        kinds = {name: (str(value.dtype).removeprefix("torch."), list(value.shape)) for name, value in tensors.items()}
        shared: dict[str, Tensor] = {}
        for name, (dtype, shape) in json.loads(self.agree(json.dumps(kinds))).items():
            value = tensors[name].cpu() if self.is_main else torch.empty(shape, dtype=getattr(torch, dtype))
            value = value.contiguous()
            if value.numel():
                dist.broadcast(value.view(-1).view(torch.uint8), src=0)
            shared[name] = value
        return shared

    def wait(self) -> None:
        """Until all processes are here."""
        self.sum(0)


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
        backend = "cpu:gloo,cuda:nccl" if chosen.type == "cuda" else "gloo"
        try:
            dist.init_process_group(
                backend, store=_meeting_place(world), rank=world.rank, world_size=world.size, timeout=_TIMEOUT
            )
        except (RuntimeError, ValueError) as error:
            raise ConfigError(
                f"Process {world.rank} of {world.size} cannot reach the others: {' '.join(str(error).split())}. Start "
                "all of them with torchrun, or set MASTER_ADDR and MASTER_PORT."
            ) from error
    return world, chosen


def _meeting_place(world: World) -> Store | None:
    """The store of torchrun's agent, which outlives its processes; None where process 0 makes one for this time."""
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return None
    port = int(os.environ["MASTER_PORT"])
    store = TCPStore(os.environ["MASTER_ADDR"], port, is_master=False, timeout=_TIMEOUT, wait_for_workers=False)
    name, place = meet(store, rank=world.rank, size=world.size, patience=_TIMEOUT)
    enter_meeting(name)
    return place


def leave_world() -> None:
    """Give the place back."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()
    # gloo's thread lets go of what it has sent after the others have it. If that is when Python ends, the process
    # aborts, as weights in shares keep the thread alive that long.
    end = time.monotonic() + _LET_GO_S
    while any(sent() is not None for sent in _last_sent) and time.monotonic() < end:
        time.sleep(0.01)


def _from_environment() -> World:
    for rank, size, local in (
        ("RANK", "WORLD_SIZE", "LOCAL_RANK"),
        ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID"),
    ):
        if rank in os.environ and size in os.environ:
            try:
                place = World(int(os.environ[rank]), int(os.environ[size]), int(os.environ.get(local, "0")))
            except ValueError:
                raise ConfigError(
                    f"{rank}, {size} and {local} must be whole numbers, got '{os.environ[rank]}', "
                    f"'{os.environ[size]}' and '{os.environ.get(local, '0')}'; torchrun and srun set them."
                ) from None
            # One task of Slurm is one process, also where a batch script runs without srun.
            if size == "WORLD_SIZE" or (place.size > 1 and "MASTER_ADDR" in os.environ):
                return place
    return ALONE
