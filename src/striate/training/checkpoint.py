"""Checkpoints that survive what happens to them: a kill at any moment, a full disk, a damaged file.

A checkpoint is one safetensors file in the run's `state` folder, `step-00000120-<hash>.safetensors`. The hash in its
name is that of its bytes: a file that was cut or changed is known by it. It gets its name in one step, after its bytes
are on the disk. Only then are older ones removed, but for the one before, which is known to be whole because it was
written or read by this run. Nothing is pickled.
"""

import errno
import hashlib
import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from striate.errors import DataError

__all__ = ["Checkpoint", "newest_checkpoint", "why_unwritten", "write_checkpoint"]

_NAME = re.compile(r"step-(\d{8,})-([0-9a-f]{16})\.safetensors")
_FULL = {errno.ENOSPC, errno.EDQUOT}


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Everything that going on needs.

    Attributes:
        tensors: Weights, averages and the optimizer's memory, by name.
        facts: Numbers and words: step, epoch, sums, best score.
        path: The file that it was read from.
    """

    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]
    path: Path | None = None


def write_checkpoint(folder: Path, checkpoint: Checkpoint, *, step: int, before: Path | None = None) -> Path:
    """Write a checkpoint, whole or not at all, and remove the others.

    Args:
        folder: For checkpoints alone; it is made.
        checkpoint: What to write.
        step: Steps done.
        before: One that is whole and stays.

    Raises:
        DataError: If the disk is full or cannot be written; what was there is still there.
    """
    part = folder / f".{uuid4().hex}.part"
    # Views of one memory (tied weights) are written apart: the format knows no sharing.
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in checkpoint.tensors.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob(".*.part"):
            leftover.unlink(missing_ok=True)
        save_file(tensors, part, metadata={"facts": json.dumps(dict(checkpoint.facts))})
        with part.open("rb+") as stream:
            os.fsync(stream.fileno())
        path = folder / f"step-{step:08d}-{_hash(part)}.safetensors"
        part.replace(path)
        _to_disk(folder)
        for old in _by_step(folder):
            if old not in {path, before}:
                old.unlink(missing_ok=True)
    except (OSError, SafetensorError) as error:
        why = why_unwritten(error)
        raise DataError(f"The checkpoint at step {step} cannot be written to '{folder}': {why}.") from error
    finally:
        with suppress(OSError):  # there is no part where there is no folder
            part.unlink()
    return path


def why_unwritten(error: BaseException) -> str:
    """Why the disk did not take a file, in few words; whichever library says it."""
    for one in (error, error.__cause__):
        if getattr(one, "errno", None) in _FULL or "No space left" in str(one):
            return "the disk is full"
    return str(getattr(error, "strerror", None) or error).rstrip(".")


def newest_checkpoint(folder: Path) -> tuple[Checkpoint | None, tuple[str, ...]]:
    """The newest checkpoint that is whole, and a sentence about each newer one that is not."""
    problems: list[str] = []
    for path in reversed(_by_step(folder)):
        try:
            return _read(path), tuple(problems)
        except DataError as error:
            problems.append(str(error))
    return None, tuple(problems)


def _read(path: Path) -> Checkpoint:
    found = _NAME.fullmatch(path.name)
    try:
        if found is None or _hash(path) != found[2]:
            raise DataError(f"{path}: its bytes are not those that were written; it is damaged.")
        with safe_open(path, framework="pt", device="cpu") as file:
            facts = json.loads((file.metadata() or {})["facts"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
            return Checkpoint(tensors, facts, path)
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: cannot be read ({' '.join(str(error).split())}).") from error


def _by_step(folder: Path) -> list[Path]:
    found = [path for path in folder.glob("step-*.safetensors") if _NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: (int(path.name.split("-")[1]), path.stat().st_mtime))


def _to_disk(folder: Path) -> None:
    """A new name is safe from a power cut once its folder is on the disk; not every system can be asked for that."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]
