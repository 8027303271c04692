"""Proposals of pictures that were searched before, on the disk.

A file holds the boxes of one picture and is named by what they follow from: the picture's own bytes and the settings.
So it does not matter what the picture is called, in which set it stands, or whether a run was killed; and a changed
picture is another picture. Files are compressed arrays with a checksum of their content; a damaged one is as good as
none. When they take more room than allowed, those that were asked for longest ago go first.
"""

import hashlib
import io
import os
import threading
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striate.data.files import write_whole
from striate.errors import ConfigError, DataError

__all__ = ["ProposalCache", "picture_key"]

_OFTEN = 64  # files written between two looks at the room they take


def picture_key(data: bytes | NDArray[np.uint8]) -> str:
    """What a picture is known by: a hash of its file's bytes, or of its pixels and their shape."""
    if isinstance(data, bytes):
        return hashlib.sha256(data).hexdigest()
    head = f"pixels {' '.join(map(str, data.shape))} ".encode()
    return hashlib.sha256(head + np.ascontiguousarray(data).tobytes()).hexdigest()


class ProposalCache:
    """Boxes on the disk, by key; threads and processes may use one folder at once.

    Args:
        folder: For these files alone; it is made.
        max_bytes: The most room they take; 0 keeps nothing.

    Raises:
        ConfigError: If `max_bytes` is below 0, or `folder` is a file.
    """

    def __init__(self, folder: str | Path, *, max_bytes: int = 2 << 30) -> None:
        if max_bytes < 0:
            raise ConfigError(f"ProposalCache: max_bytes must be 0 or more, got {max_bytes}.")
        self.folder, self.max_bytes = Path(folder), max_bytes
        if self.folder.exists() and not self.folder.is_dir():
            raise ConfigError(f"ProposalCache: '{self.folder}' is a file; proposals are kept in a folder.")
        self._lock = threading.Lock()
        self._written = 0

    def get(self, key: str) -> NDArray[np.float32] | None:
        """The boxes of this key, float32 `r 4`; None where there are none, or the file is damaged."""
        found = self.get_timed(key)
        return None if found is None else found[0]

    def get_timed(self, key: str) -> tuple[NDArray[np.float32], float] | None:
        """The boxes of this key, and the seconds that it took to find them: NaN where nobody wrote them down."""
        path = self._path(key)
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
                boxes = archive["boxes"]
                seconds = float(archive["seconds"]) if "seconds" in archive else float("nan")
        except (
            OSError,
            ValueError,
            TypeError,
            KeyError,
            EOFError,
            zipfile.BadZipFile,
            zlib.error,
            NotImplementedError,
        ):
            return None
        if boxes.dtype != np.float32 or boxes.ndim != 2 or boxes.shape[1] != 4 or not np.isfinite(boxes).all():
            return None
        with suppress(OSError):
            os.utime(path)  # asked for just now
        return np.asarray(boxes), seconds

    def put(self, key: str, boxes: NDArray[np.float32], *, seconds: float = float("nan")) -> None:
        """Keep the boxes of a key.

        Args:
            key: What they follow from.
            boxes: float32 `r 4`.
            seconds: What it took to find them.

        Raises:
            DataError: If the disk does not take them.
        """
        if not self.max_bytes:
            return
        stream = io.BytesIO()
        np.savez_compressed(stream, boxes=np.asarray(boxes, dtype=np.float32), seconds=np.float64(seconds))
        path = self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, stream.getvalue())
        except OSError as error:
            raise DataError(f"Proposals cannot be kept in '{self.folder}': {error.strerror}.") from error
        with self._lock:
            self._written += 1
            due = self._written % _OFTEN == 1
        if due:
            self.trim()

    def bytes_used(self) -> int:
        """What the files take."""
        return sum(size for _, size, _ in self._files())

    def trim(self) -> None:
        """Remove what was asked for longest ago, until the rest fits."""
        with self._lock:
            files = sorted(self._files(), reverse=True)  # the newest first
            room = self.max_bytes
            for _, size, path in files:
                room -= size
                if room < 0:
                    with suppress(OSError):  # another process was faster
                        path.unlink()

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.npz"

    def _files(self) -> list[tuple[float, int, Path]]:
        found = []
        for path in self.folder.glob("??/*.npz"):
            with suppress(OSError):
                facts = path.stat()
                found.append((facts.st_mtime, facts.st_size, path))
        return found
