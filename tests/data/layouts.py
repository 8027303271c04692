"""Small sets of pictures in every layout."""

import struct
import tarfile
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.data.samples import saved

__all__ = ["class_folders", "files", "idx_bytes", "picture", "pixels", "tar"]


def pixels(seed: int = 0, h: int = 40, w: int = 48) -> NDArray[np.uint8]:
    """A smooth picture that no other seed has: a few waves of random direction and color."""
    draws = np.random.default_rng(seed)
    y, x = np.mgrid[:h, :w] / max(h, w)
    waves = [np.sin(9 * (x * a + y * b) + c) for a, b, c in draws.normal(size=(3, 3)) * 2]
    return (np.stack(waves, axis=-1) * 100 + 128).astype(np.uint8)


def picture(seed: int = 0, kind: str = "PNG", **options: object) -> bytes:
    return saved(pixels(seed), kind, **options)


def files(root: Path, contents: Mapping[str, bytes]) -> Path:
    for name, data in contents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def class_folders(root: Path, counts: Mapping[str, int]) -> Path:
    """`{"train/cat": 3}` gives three different pictures there."""
    seed = 0
    for folder, count in counts.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            (root / folder / f"{number}.png").write_bytes(picture(seed))
            seed += 1
    return root


def idx_bytes(array: NDArray[np.uint8]) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def tar(path: Path, members: Iterable[tuple[str, bytes]], form: int = tarfile.USTAR_FORMAT) -> Path:
    with tarfile.open(path, "w", format=form) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, BytesIO(data))
    return path
