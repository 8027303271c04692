"""Write a set as WebDataset tar shards: `000017.jpg` with `000017.cls`, and `classes.txt` beside the shards."""

import json
import tarfile
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path, PurePosixPath

from striate.data.image_set import ImageSet
from striate.data.write_files import FreeNames, file_bytes, write_class_file

__all__ = ["SHARD_BYTES", "write_shards"]

SHARD_BYTES = 1 << 29
"""A new shard begins after so many bytes."""


def write_shards(sets: Mapping[str, ImageSet], out: Path, *, shard_bytes: int = SHARD_BYTES) -> Iterator[None]:
    """`000000.tar`, `000001.tar` … (with the split in front where there are splits); yields after every picture.

    Pictures with a group have `json` with label and group instead of `cls`.

    Raises:
        DataError: If a picture cannot be read.
    """
    classes = next(iter(sets.values())).classes
    for split, images in sets.items():
        free, shard, size = FreeNames(), 0, 0
        prefix = "" if split == "all" else f"{split}-"
        tar = tarfile.open(out / f"{prefix}{shard:06d}.tar", "w", format=tarfile.PAX_FORMAT)  # noqa: SIM115
        try:
            for index in range(len(images)):
                if size > shard_bytes:
                    tar.close()
                    shard, size = shard + 1, 0
                    tar = tarfile.open(out / f"{prefix}{shard:06d}.tar", "w", format=tarfile.PAX_FORMAT)  # noqa: SIM115
                data, suffix = file_bytes(images, index)
                key = free.take(PurePosixPath(_key(images, index)))
                _add(tar, f"{key}{suffix or '.jpg'}", data)
                _add(tar, *_label(images, index, key))
                size += len(data) + 2048
                yield
        finally:
            tar.close()
    write_class_file(out, classes, (), always=True)


def _key(images: ImageSet, index: int) -> str:
    """The file's name without dots, for a reader ends the key at the first one."""
    if images.kind in {"npz", "idx"}:
        return f"{int(images.name(index).rpartition('#')[2]):06d}"
    return PurePosixPath(images.name(index)).stem.replace(".", "_") or "picture"


def _label(images: ImageSet, index: int, key: str) -> tuple[str, bytes]:
    group = "" if images.groups is None else images.groups[index]
    if group and not group.startswith("\0"):
        values = {"label": images.label(index), "group": group}
        return f"{key}.json", json.dumps(values, ensure_ascii=False).encode("utf-8")
    return f"{key}.cls", str(int(images.labels[index])).encode()


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)  # no owner, no date: the same set gives the same bytes
    member.size = len(data)
    tar.addfile(member, BytesIO(data))
