"""Write a file so that others see it whole or not at all: one writer at a time, one step to its name."""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from striate.errors import WeightsError
from striate.weights.origin import say_bytes
from striate.weights.verify import write_note

__all__ = ["check_space", "locked", "save_checked", "writing"]

_LOCK_TIMEOUT_S = 3600.0
_SPARE_BYTES = 16 << 20  # left free on the disk beside the file itself
_FULL = {errno.ENOSPC, errno.EDQUOT}


@contextmanager
def locked(target: Path, *, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the right to write `target`: a second process waits here, and then finds the file made by the first.

    Args:
        target: The file.
        on_wait: Called once if another process holds the lock.

    Raises:
        WeightsError: If the folder cannot be written, or another process holds the lock for an hour.
    """
    lock = FileLock(target.with_name(f".{target.name}.lock"), timeout=_LOCK_TIMEOUT_S)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if on_wait is not None:
                on_wait()
            lock.acquire()
    except Timeout as error:
        raise WeightsError(
            f"Another process has been fetching {target.name} for an hour; end it, or remove {lock.lock_file}."
        ) from error
    except OSError as error:
        raise WeightsError(
            f"{target.parent} cannot be written ({error.strerror or error}); set STRIATE_HOME to a folder that can."
        ) from error
    try:
        yield
    finally:
        lock.release()


def check_space(folder: Path, coming_bytes: int) -> None:
    """Say that the disk is too small before the first byte and not after the last that fits.

    Raises:
        WeightsError: If less than `coming_bytes` and a little more are free.
    """
    free = shutil.disk_usage(folder).free
    if free < coming_bytes + _SPARE_BYTES:
        raise WeightsError(
            f"The disk with {folder} has {say_bytes(free)} free, but {say_bytes(coming_bytes)} are to come; free some "
            "space, or set STRIATE_HOME to a folder on another disk."
        )


@contextmanager
def writing(part: Path) -> Iterator[None]:
    """Turn an error of the system while writing `part` into a sentence; a full disk gets its space back.

    Raises:
        WeightsError: If the disk is full (then `part` is removed) or cannot be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            part.unlink(missing_ok=True)
            raise WeightsError(
                f"The disk with {part.parent} is full; nothing was kept. Free some space, or set STRIATE_HOME to a "
                "folder on another disk."
            ) from error
        raise WeightsError(
            f"{part} cannot be written ({error.strerror or error}); set STRIATE_HOME to a folder that can."
        ) from error


def save_checked(part: Path, target: Path, sha256: str) -> None:
    """Give a verified file its name in one step, after its bytes and the note of its hash are on the disk."""
    with writing(part):
        with part.open("rb+") as stream:
            os.fsync(stream.fileno())
        write_note(target, sha256)
        part.replace(target)
