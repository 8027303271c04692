"""MNIST's own file format: a header of a few bytes, then the numbers, often compressed with gzip.

    0  0  type  axes | size of each axis, four bytes, most significant first | the numbers

Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits", section "File formats".
"""

import gzip
import os
import re
import struct
import zlib
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.data.class_names import check_same_classes, numbers_as_labels, read_class_file
from striate.data.files import printable
from striate.data.image_set import ImageSet
from striate.data.stores import ArrayStore
from striate.errors import DataError

__all__ = ["find_idx_pairs", "is_idx", "load_idx", "read_idx", "save_idx"]

_TYPES = {0x08: "bytes", 0x09: "signed bytes", 0x0B: "16-bit numbers", 0x0C: "32-bit numbers", 0x0D: "floats"}
_TYPES[0x0E] = "doubles"
_MAX_BYTES = 1 << 34
_IMAGES = re.compile(r"(?P<prefix>.*?)[-_.]?images(?P<rest>[-.]idx[34]-ubyte(?:\.gz)?)$")
_SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "t10k": "test", "test": "test"}


class IdxPair(NamedTuple):
    """A file of images with its file of labels."""

    images: Path
    labels: Path


def read_idx(path: Path) -> dict[str, ImageSet]:
    """The pictures of a folder with MNIST's files, one set a split; or of one images file, `all`.

    `train-images-idx3-ubyte` and `train-labels-idx1-ubyte` are `train`, `t10k-…` is `test`, with or without `.gz`.
    `classes.txt` in the folder gives the labels names.

    Raises:
        DataError: If a file of a pair is missing, is not of this format, or the two do not fit each other.
    """
    pairs = find_idx_pairs(path)
    images = {split: load_idx(pair.images, axes=(3, 4)) for split, pair in pairs.items()}
    labels = {split: load_idx(pair.labels, axes=(1,)) for split, pair in pairs.items()}
    for split, pair in pairs.items():
        if len(images[split]) != len(labels[split]):
            raise DataError(
                f"{printable(pair.images)}: {len(images[split])} pictures, but {len(labels[split])} labels in "
                f"{printable(pair.labels.name)}."
            )
    if not any(map(len, images.values())):
        raise DataError(f"{printable(path)}: no picture in it.")
    folder = path if path.is_dir() else path.parent
    listed = read_class_file(folder)
    classes, numbers = numbers_as_labels(labels, listed, printable(path))
    if listed is None:
        check_same_classes(path, {split: map(str, np.unique(some)) for split, some in labels.items()})
    return {
        split: ImageSet(classes, numbers[split], ArrayStore(images[split], pair.images.name), path, "idx")
        for split, pair in pairs.items()
    }


def find_idx_pairs(path: Path) -> dict[str, IdxPair]:
    """The pairs of files at a path by their names; empty where a folder has none.

    Raises:
        DataError: If a labels file is missing, or two pairs are of the same split.
    """
    if not path.is_dir():
        return {"all": IdxPair(path, _labels_of(path))}
    found: dict[str, IdxPair] = {}
    with os.scandir(path) as entries:  # names first: there may be 100,000 class folders, which are none of our business
        names = sorted(entry.name for entry in entries if _IMAGES.fullmatch(entry.name.lower()) and entry.is_file())
    for name in names:
        file, match = path / name, _IMAGES.fullmatch(name.lower())
        if match is None or name.startswith("."):
            continue
        word = re.split(r"[-_.]", match["prefix"])[-1]
        split = _SPLITS.get(word, "all" if not word else None)
        if split is None:
            raise DataError(f"{printable(file)}: neither train nor test by its name; give this file itself.")
        if split in found:
            first = found[split].images
            if file.name.lower() == first.name.lower() + ".gz":  # the same, still compressed
                continue
            raise DataError(
                f"{printable(path)}: both '{first.name}' and '{file.name}' mean {split}; give one of the files itself."
            )
        found[split] = IdxPair(file, _labels_of(file))
    return {split: found[split] for split in ("all", "train", "val", "test") if split in found}


def is_idx(path: Path) -> bool:
    """Whether a file begins as idx images do, compressed or not."""
    try:
        with _opened(path) as stream:
            head = stream.read(4)
    except (OSError, EOFError, zlib.error):
        return False
    return head in {b"\x00\x00\x08\x03", b"\x00\x00\x08\x04"}


def load_idx(path: Path, *, axes: tuple[int, ...]) -> NDArray[np.uint8]:
    """The numbers of an idx file of bytes.

    Args:
        path: The file, compressed with gzip or not (its first bytes tell).
        axes: The numbers of axes that will do.

    Raises:
        DataError: If the type, the number of axes or the length is another one.
    """
    name = printable(path)
    try:
        with _opened(path) as stream:
            head = stream.read(4)
            if len(head) < 4 or head[:2] != b"\x00\x00" or head[2] not in _TYPES:
                raise DataError(f"{name}: not an idx file (it begins with {head.hex(' ') or 'nothing'}).")
            if head[2] != 0x08:
                raise DataError(f"{name}: holds {_TYPES[head[2]]}; only idx files of bytes (type 08) are read.")
            if head[3] not in axes:
                wanted = " or ".join(map(str, axes))
                raise DataError(f"{name}: an array of {head[3]} axes, where {wanted} belong.")
            sizes = stream.read(4 * head[3])
            if len(sizes) < 4 * head[3]:
                raise DataError(f"{name}: cut short within its header.")
            shape = struct.unpack(f">{head[3]}I", sizes)
            count = int(np.prod(shape, dtype=object))
            if count > _MAX_BYTES:
                raise DataError(f"{name}: its header promises {count:,} bytes, which are too many to load.")
            data = stream.read(count + 1)
    except DataError:
        raise
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{name}: cannot be read ({reason}); fetch it again.") from error
    if len(data) != count:
        has = "more" if len(data) > count else f"{len(data):,}"
        raise DataError(f"{name}: its header promises {count:,} bytes of numbers, it has {has}; fetch it again.")
    return np.frombuffer(data, dtype=np.uint8).reshape(shape)


def save_idx(path: Path, array: NDArray[np.uint8]) -> None:
    """Write an idx file of bytes; compressed where the name ends in `.gz`, the same bytes every time."""
    header = struct.pack(f">HBB{array.ndim}I", 0, 0x08, array.ndim, *array.shape)
    with path.open("wb") as stream:
        if path.suffix == ".gz":
            with gzip.GzipFile(filename="", fileobj=stream, mode="wb", mtime=0) as packed:
                packed.write(header + array.tobytes())
        else:
            stream.write(header + array.tobytes())


def _opened(path: Path) -> gzip.GzipFile | BufferedReader:
    with path.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    return gzip.GzipFile(path, "rb") if packed else path.open("rb")


def _labels_of(images: Path) -> Path:
    """The labels file that belongs to an images file: the same name, with or without `.gz`."""
    match = re.fullmatch(r"(.*)images([-.])idx[34]-ubyte(?:\.gz)?", images.name, re.IGNORECASE)
    if match is None:
        raise DataError(
            f"{printable(images)}: its labels cannot be found by its name; call the two "
            "NAME-images-idx3-ubyte and NAME-labels-idx1-ubyte."
        )
    plain = f"{match[1]}labels{match[2]}idx1-ubyte"
    for name in (plain, plain + ".gz"):
        if (found := images.with_name(name)).is_file():
            return found
    raise DataError(f"{printable(images)}: its labels are missing ({plain} or {plain}.gz beside it).")
