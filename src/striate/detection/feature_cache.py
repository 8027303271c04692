"""Features on the disk, one file a picture: what R-CNN computes once and reads many times.

The released R-CNN needed 200 GB for them. Here the room is known before the first number is written, and a set that
needs more than allowed is refused with both numbers. A file appears under its name when it is whole; its name holds a
checksum of its numbers, so a run that was killed goes on behind the last whole file. Files are plain NumPy arrays,
mapped into memory when they are read.
"""

import re
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, TypeAlias
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from striate.errors import ConfigError, DataError

__all__ = ["FeatureCache", "FeaturePrecision"]

FeaturePrecision: TypeAlias = Literal["float32", "float16"]

_NAME = re.compile(r"(\d{6,})-([0-9a-f]{8})\.npy")
_HEADER_BYTES = 128


class FeatureCache:
    """Rows of features, for each picture its own number of rows.

    Args:
        folder: For these files alone; it is made. What lies there of another set or size counts as damaged, and goes.
        rows: How many rows each picture has.
        features: Numbers a row.
        precision: `float16` takes half the room; each number is rounded to 11 binary digits (a relative error of at
            most 0.0005), and what is beyond ±65504 is refused.
        max_bytes: The most room they may take; None: as much as they need.

    Raises:
        ConfigError: If they need more, or a number is out of range.
    """

    def __init__(
        self,
        folder: str | Path,
        rows: Sequence[int],
        features: int,
        *,
        precision: FeaturePrecision = "float32",
        max_bytes: int | None = None,
    ) -> None:
        if precision not in {"float32", "float16"}:
            raise ConfigError(f"FeatureCache: precision must be 'float32' or 'float16', got {precision!r}.")
        if features < 1 or any(count < 0 for count in rows):
            raise ConfigError(f"FeatureCache: features must be 1 or more and rows 0 or more, got {features}.")
        self.folder, self.rows, self.features = Path(folder), tuple(int(count) for count in rows), features
        self.dtype = np.dtype(precision)
        self.bytes_needed = sum(_HEADER_BYTES + count * features * self.dtype.itemsize for count in self.rows)
        if max_bytes is not None and self.bytes_needed > max_bytes:
            half = " Features in float16 take half." if precision == "float32" else ""
            raise ConfigError(
                f"The features of {len(self.rows):,} pictures ({sum(self.rows):,} regions of {features:,} numbers) "
                f"need {self.bytes_needed / 1e9:,.2f} GB on the disk, and {max_bytes / 1e9:,.2f} GB are allowed. Take "
                f"fewer pictures or proposals, or allow more.{half}"
            )
        self._paths: dict[int, Path] = {}

    def take_stock(self) -> int:
        """Look at every file that is there, remove what is damaged or of another set; how many pictures are done."""
        self._paths = {}
        for path in sorted(self.folder.glob("*.npy")):
            found = _NAME.fullmatch(path.name)
            number = int(found[1]) if found else -1
            if found and number < len(self.rows) and number not in self._paths and self._is_whole(path, found[2]):
                self._paths[number] = path
            else:
                path.unlink(missing_ok=True)
        for leftover in self.folder.glob(".*.part"):
            leftover.unlink(missing_ok=True)
        return len(self._paths)

    def __contains__(self, index: int) -> bool:
        return index in self._paths

    def __len__(self) -> int:
        return len(self._paths)

    def write(self, index: int, features: NDArray[np.floating[Any]]) -> None:
        """Keep the features of picture `index`.

        Raises:
            ConfigError: If they are not as many as said, or not finite.
            DataError: If the disk does not take them.
        """
        wanted = (self.rows[index], self.features)
        if features.shape != wanted:
            raise ConfigError(f"Features of picture {index} must be {wanted}, got {features.shape}.")
        with np.errstate(over="ignore"):
            values = np.ascontiguousarray(features, dtype=self.dtype)
        if not np.isfinite(values).all():
            raise ConfigError(
                f"Features of picture {index} are not finite in {self.dtype}; check the network's weights."
            )
        path = self.folder / f"{index:06d}-{zlib.crc32(values.tobytes()):08x}.npy"
        part = self.folder / f".{uuid4().hex}.part"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as stream:
                np.save(stream, values, allow_pickle=False)
            part.replace(path)
        except OSError as error:
            with suppress(OSError):
                part.unlink()
            raise DataError(f"Features cannot be kept in '{self.folder}': {error.strerror}.") from error
        self._paths[index] = path

    def read(self, index: int) -> NDArray[np.float32]:
        """The features of picture `index`, `r f`, float32.

        Raises:
            DataError: If they are not there (any more).
        """
        return np.asarray(self._mapped(index), dtype=np.float32)

    def gather(self, pictures: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Single rows of many pictures, `n f`: row `rows[i]` of picture `pictures[i]`."""
        result = np.empty((len(rows), self.features), dtype=np.float32)
        order = np.argsort(pictures, kind="stable")
        starts = np.flatnonzero(np.diff(pictures[order], prepend=-1))  # each picture is opened once
        for here in np.split(order, starts[1:]) if len(order) else []:
            result[here] = self._mapped(int(pictures[here[0]]))[rows[here]]
        return result

    def bytes_used(self) -> int:
        """What the files take."""
        return sum(path.stat().st_size for path in self._paths.values())

    def _mapped(self, index: int) -> NDArray[Any]:
        path = self._paths.get(index)
        if path is None:
            raise DataError(f"'{self.folder}' has no features of picture {index}; compute them first.")
        return self._load(path)

    def _load(self, path: Path) -> NDArray[Any]:
        try:
            # An empty array cannot be mapped.
            mapped: Literal["r"] | None = "r" if path.stat().st_size > _HEADER_BYTES else None
            values: NDArray[Any] = np.load(path, mmap_mode=mapped, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{path}: damaged, or gone ({error}).") from error
        return values

    def _is_whole(self, path: Path, checksum: str) -> bool:
        number = int(path.name.partition("-")[0])
        try:
            values = self._load(path)
        except DataError:
            return False
        is_ours = values.dtype == self.dtype and values.shape == (self.rows[number], self.features)
        return is_ours and zlib.crc32(values.tobytes()) == int(checksum, 16)
