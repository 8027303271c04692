"""When several processes run one command (`torchrun`, `srun`): who speaks, and what an exit code means."""

import json
import os
import time
from contextlib import suppress
from pathlib import Path

__all__ = ["is_elastic", "is_speaker", "is_told_by_another"]


def is_speaker() -> bool:
    """Whether this process prints: it is alone, or the first of those that were started together."""
    return not _is_one_of_many() or os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0")) == "0"


def is_elastic() -> bool:
    """Whether `torchrun` has started this process: it passes signals on once, and starts again what fails."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def is_told_by_another(message: str) -> bool:
    """Whether another process has said why all of them end; else this one is the first, and says it.

    The first one's words also stand in the summary that `torchrun` prints when its processes have failed.
    """
    if not _is_one_of_many():
        return False
    from striate.training.launch import is_told_by_another as is_told  # imports torch

    if is_told(message):
        return True
    if place := os.environ.get("TORCHELASTIC_ERROR_FILE"):
        facts = {"message": message, "extraInfo": {"py_callstack": message, "timestamp": str(int(time.time()))}}
        with suppress(OSError):
            Path(place).write_text(json.dumps({"message": facts}), encoding="utf-8")
    return False


def _is_one_of_many() -> bool:
    return any(os.environ.get(name, "1") != "1" for name in ("WORLD_SIZE", "SLURM_NTASKS"))
