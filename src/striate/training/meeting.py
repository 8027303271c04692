"""Processes find each other at a store that remembers earlier meetings.

`torchrun` keeps one store for all attempts of a launch. What processes of an earlier attempt wrote there, the addresses
at which they could be reached, is still there when lost processes are started again, and torch's own way of meeting
takes it for news: the new processes wait for the old ones. So every meeting gets a name that nobody has used, and a
process counts as present when it has answered to that name:

    process r   writes here-r = its own name; waits for a meeting that lists this name, and answers it
    process 0   lists all names that it finds; lists anew when one has changed; goes when all have answered
"""

import json
import time
from datetime import timedelta
from uuid import uuid4

from torch.distributed import PrefixStore, Store  # type: ignore[attr-defined]

from striate.errors import ConfigError

__all__ = ["meet"]

_PAUSE = 0.02


def meet(store: Store, *, rank: int, size: int, patience: timedelta) -> tuple[str, Store]:
    """Wait until all processes of this attempt are here; the name of the meeting, and its own part of the store.

    Args:
        store: That all can reach.
        rank: Number of this process.
        size: How many will come.
        patience: How long to wait.

    Raises:
        ConfigError: If not all have come by then.
    """
    end = time.monotonic() + patience.total_seconds()
    meeting = _call(store, size, end) if rank == 0 else _come(store, rank, end)
    if meeting is None:
        raise ConfigError(
            f"Process {rank} of {size} waited {patience.total_seconds():g} seconds for the others; start all of them."
        )
    return meeting, PrefixStore(f"striate-{meeting}", store)


def _call(store: Store, size: int, end: float) -> str | None:
    keys = [f"striate-here-{rank}" for rank in range(1, size)]
    listed: list[str] = []
    meeting = ""
    while time.monotonic() < end:
        if store.check(keys):
            here = [name.decode() for name in store.multi_get(keys)]
            if here != listed or not meeting:
                listed, meeting = here, uuid4().hex
                store.set("striate-meeting", json.dumps([meeting, listed]))
            if store.check([f"{meeting}-{rank}" for rank in range(1, size)]):
                store.set(f"{meeting}-go", "1")
                return meeting
        time.sleep(_PAUSE)
    return None


def _come(store: Store, rank: int, end: float) -> str | None:
    name, answered = uuid4().hex, ""
    store.set(f"striate-here-{rank}", name)
    while time.monotonic() < end:
        if store.check(["striate-meeting"]):
            meeting, listed = json.loads(store.get("striate-meeting"))
            if listed[rank - 1 : rank] == [name]:
                if meeting != answered:
                    store.set(f"{meeting}-{rank}", "1")
                    answered = meeting
                if store.check([f"{meeting}-go"]):
                    return str(meeting)
        time.sleep(_PAUSE)
    return None
