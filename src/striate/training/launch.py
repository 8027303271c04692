"""What all processes of one launch know of each other beside the training: the first failure, and the run they began.

The processes that `torchrun` (or Slurm's `srun`) starts together can reach one small store of words at `MASTER_ADDR`.
Two things are written there. The first process that fails says why, so that the others, which only notice that
somebody is gone, keep silent: one sentence instead of one from each. And the run that was begun: `torchrun` keeps its
store while it starts lost processes again (`--max-restarts`), so that they go on with it, and not with another one of
that name.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import torch.distributed as dist
from torch.distributed import PrefixStore, Store, TCPStore  # type: ignore[attr-defined]

from striate.errors import StriateError

__all__ = [
    "ProcessLostError",
    "begun_run",
    "enter_meeting",
    "failing_together",
    "first_failure",
    "is_told_by_another",
    "remember_run",
]

_meeting: list[str] = []
_PATIENCE = timedelta(seconds=10)
_LOST = ("closed by peer", "reset by peer", "broken pipe", "timed out", "gloo", "nccl", "connection", "socket")


class ProcessLostError(StriateError):
    """A process that trained along is gone."""


def first_failure(message: str) -> str:
    """Tell the others why this process ends, unless one of them was first; gives the first one's message.

    Where nobody can be told (one process, or nobody there any more) that is `message` itself. Telling twice changes
    nothing.
    """
    return _first(message)[1]


def is_told_by_another(message: str) -> bool:
    """Whether another process has said already why all of them end; else this one is the first, and says `message`."""
    return _first(message)[0] != _own_rank()


@contextmanager
def failing_together(*, size: int) -> Iterator[None]:
    """While this lasts, the first error of any process is the one that all of them know.

    Raises:
        ProcessLostError: In place of what torch says when another process is gone.
    """
    try:
        yield
    except Exception as error:
        if size == 1:
            raise
        if isinstance(error, StriateError) or not _is_about_others(error):
            first_failure(str(error))
            raise
        words = (
            "A process that trained along is gone, and the others cannot go on without it. torchrun --max-restarts "
            "starts lost ones again; or go on by hand: striate train --resume RUN."
        )
        raise ProcessLostError(first_failure(words)) from error


def remember_run(given: Mapping[str, Any], folder: str) -> None:
    """Say in which folder this launch does what was asked for, to processes that are started again."""
    store = _store("run")
    if store is not None:
        with suppress(RuntimeError):
            store.set(_key(given), folder)


def begun_run(given: Mapping[str, Any]) -> str | None:
    """The folder of the run that this launch had begun, before this process was started again."""
    store = _store("run")
    if store is None:
        return None
    with suppress(RuntimeError):
        if store.check([_key(given)]):
            return str(store.get(_key(given)).decode())
    return None


def enter_meeting(name: str) -> None:
    """From now on, a failure is one of the processes that have met."""
    _meeting.append(name)


def _key(given: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(dict(given), sort_keys=True, default=str).encode()).hexdigest()


def _own_rank() -> str:
    return os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0"))


def _first(message: str) -> tuple[str, str]:
    own = (_own_rank(), message)
    store = _store(f"failure-{_meeting[-1] if _meeting else os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}")
    if store is not None:
        with suppress(RuntimeError, ValueError):
            rank, text = json.loads(store.compare_set("first", "", json.dumps(own)))
            return str(rank), str(text)
    return own


def _is_about_others(error: Exception) -> bool:
    return isinstance(error, dist.DistError) or (
        isinstance(error, RuntimeError) and any(word in str(error).lower() for word in _LOST)
    )


def _store(prefix: str) -> Store | None:
    place = os.environ.get("MASTER_ADDR"), os.environ.get("MASTER_PORT", "")
    several = any(os.environ.get(name, "1") != "1" for name in ("WORLD_SIZE", "SLURM_NTASKS"))
    if not several or not place[0] or not place[1].isdigit() or not dist.is_available():
        return None
    with suppress(RuntimeError):
        store = TCPStore(place[0], int(place[1]), is_master=False, timeout=_PATIENCE, wait_for_workers=False)
        return PrefixStore(f"striate-{prefix}", store)
    return None
