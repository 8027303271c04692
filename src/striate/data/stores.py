"""Where the pictures of a set lie: in files, inside tar archives, or as one array.

A store knows names and bytes, and nothing of labels or splits; classification and detection share it. Stores are
frozen, cheap to cut into parts and safe to read from many threads at once.
"""

import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from striate.data.files import printable
from striate.errors import DataError, ShapeError

__all__ = ["MAX_FILE_BYTES", "ArrayStore", "FileStore", "Store", "TarStore"]

MAX_FILE_BYTES = 1 << 29
"""No picture that decodes to 64 megapixels needs a file this large (half a gigabyte)."""


@runtime_checkable
class Store(Protocol):
    """Named pictures, each as the bytes of a file or as pixels."""

    def __len__(self) -> int: ...

    def name(self, index: int) -> str:
        """The picture's name: the same on every machine, unique in its set."""
        ...

    def where(self, index: int) -> str:
        """Where a person finds the picture, on one line."""
        ...

    def read(self, index: int) -> bytes | NDArray[np.uint8]:
        """The bytes of its file, or its pixels as uint8 `h w 3`."""
        ...

    def subset(self, indices: NDArray[np.int64]) -> "Store":
        """A store of some of the pictures, in the order given."""
        ...


@dataclass(frozen=True, eq=False)
class FileStore:
    """Pictures that are files.

    Attributes:
        root: The folder that `paths` start from.
        paths: With `/` between folders on every system; absolute ones stay as they are.
    """

    root: Path
    paths: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def path(self, index: int) -> Path:
        """The file itself."""
        return self.root / self.paths[index]

    def name(self, index: int) -> str:
        """The path from the root."""
        return self.paths[index]

    def where(self, index: int) -> str:
        """The whole path."""
        return printable(self.path(index))

    def read(self, index: int) -> bytes:
        """The file's bytes.

        Raises:
            DataError: If there is no such regular file, it cannot be read, or it has more than `MAX_FILE_BYTES`.
        """
        path = self.path(index)
        try:
            facts = path.stat()
            if not stat.S_ISREG(facts.st_mode):  # a pipe or a device could block for ever
                raise DataError(f"{printable(path)}: not a regular file.")
            if facts.st_size > MAX_FILE_BYTES:
                raise DataError(f"{printable(path)}: {facts.st_size:,} bytes are too many for one picture.")
            return path.read_bytes()
        except FileNotFoundError:
            raise DataError(f"{printable(path)}: no such file.") from None
        except (OSError, ValueError) as error:
            if isinstance(error, DataError):
                raise
            reason = getattr(error, "strerror", None) or error
            raise DataError(f"{printable(path)}: cannot be read ({reason}).") from error

    def subset(self, indices: NDArray[np.int64]) -> "FileStore":
        """Some of the files."""
        return FileStore(self.root, tuple(self.paths[i] for i in indices.tolist()))


@dataclass(frozen=True, eq=False)
class TarStore:
    """Pictures that are members of tar archives, read at their offset: nothing is ever unpacked.

    Attributes:
        shards: The archives.
        shard: Which of them each picture lies in.
        offset: Where its bytes begin there.
        size: How many they are.
        members: The members' names inside the archives.
    """

    shards: tuple[Path, ...]
    shard: NDArray[np.int64]
    offset: NDArray[np.int64]
    size: NDArray[np.int64]
    members: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.members)

    def name(self, index: int) -> str:
        """`shard-0001.tar/0007.jpg`."""
        return f"{self.shards[self.shard[index]].name}/{self.members[index]}"

    def where(self, index: int) -> str:
        """The archive's path and the member."""
        return f"{printable(self.shards[self.shard[index]])}: {printable(self.members[index])}"

    def read(self, index: int) -> bytes:
        """The member's bytes.

        Raises:
            DataError: If the archive is gone or has become shorter.
        """
        size = int(self.size[index])
        try:
            with self.shards[self.shard[index]].open("rb") as stream:
                stream.seek(int(self.offset[index]))
                data: bytes = stream.read(size)
        except OSError as error:
            raise DataError(f"{self.where(index)}: cannot be read ({error.strerror or error}).") from error
        if len(data) < size:
            raise DataError(f"{self.where(index)}: the archive has become shorter since it was listed.")
        return data

    def subset(self, indices: NDArray[np.int64]) -> "TarStore":
        """Some of the members."""
        members = tuple(self.members[i] for i in indices.tolist())
        return TarStore(self.shards, self.shard[indices], self.offset[indices], self.size[indices], members)


@dataclass(frozen=True, eq=False)
class ArrayStore:
    """Pictures that are rows of one uint8 array, all of one size.

    Attributes:
        array: `n h w` (gray) or `n h w 3` (RGB).
        label: The name of the array's file, for the pictures' names.
        rows: Which rows these are; all by default. The array itself is shared, never copied.
    """

    array: NDArray[np.uint8]
    label: str
    rows: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        shape = " × ".join(map(str, self.array.shape))
        if self.array.ndim not in {3, 4} or (self.array.ndim == 4 and self.array.shape[3] != 3):
            raise ShapeError(f"{self.label}: images must be n × h × w (gray) or n × h × w × 3 (RGB), got {shape}.")
        if self.array.dtype != np.uint8:
            raise ShapeError(f"{self.label}: images must be uint8, 0 to 255, got {self.array.dtype}.")
        if 0 in self.array.shape[1:]:
            raise ShapeError(f"{self.label}: images without pixels ({shape}).")

    def __len__(self) -> int:
        return len(self.array) if self.rows is None else len(self.rows)

    def name(self, index: int) -> str:
        """`digits.npz#17`, by the row in the whole array, counted from 0."""
        return f"{self.label}#{self._row(index)}"

    def where(self, index: int) -> str:
        """`digits.npz, picture 17`."""
        return f"{printable(self.label)}, picture {self._row(index)}"

    def read(self, index: int) -> NDArray[np.uint8]:
        """The pixels, `h w 3`; gray is repeated."""
        pixels = self.array[self._row(index)]
        return np.repeat(pixels[:, :, None], 3, axis=2) if pixels.ndim == 2 else pixels

    def take(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Many pictures in one step, as the array has them: `n h w` or `n h w 3`."""
        pixels: NDArray[np.uint8] = self.array[indices if self.rows is None else self.rows[indices]]
        return pixels

    def subset(self, indices: NDArray[np.int64]) -> "ArrayStore":
        """Some of the rows."""
        return ArrayStore(self.array, self.label, indices if self.rows is None else self.rows[indices])

    def _row(self, index: int) -> int:
        return int(index) if self.rows is None else int(self.rows[index])
