"""Open pictures with labels, whatever layout they are in: the layout is recognized by looking."""

import re
from pathlib import Path

from striate.data.files import printable
from striate.data.image_folder import read_image_folder
from striate.data.image_set import ImageSet
from striate.data.npz import read_npz
from striate.errors import DataError

__all__ = ["open_data"]


def open_data(path: str | Path) -> dict[str, ImageSet]:
    """The labeled pictures at a path: `{"all": …}`, or `train`, `val`, `test` as far as the source has them.

    Args:
        path: A folder of class folders (with or without `train`, `val`, `test` above them), a CSV file, a folder with
            MNIST's idx files, an npz file, or WebDataset tar shards (a file, a folder of them, or a pattern such as
            `shard-{000..007}.tar`). See `docs/guide/data.md`.

    Nothing is decoded; what is wrong with single pictures is found when they are read, or by `check_images`.

    Raises:
        DataError: If nothing can be recognized, or the source contradicts itself; the message names the file.
    """
    source = Path(path)
    try:
        if source.is_dir():
            return _open_folder(source)
        if source.is_file():
            return _open_file(source)
    except OSError as error:
        raise DataError(f"{printable(source)}: cannot be opened ({error.strerror or error}).") from error
    raise DataError(f"{printable(source)}: no such file or folder.")


def _open_folder(folder: Path) -> dict[str, ImageSet]:
    return read_image_folder(folder)


def _open_file(file: Path) -> dict[str, ImageSet]:
    if file.suffix.lower() == ".npz":
        return read_npz(file)
    if re.search(r"\.(zip|tgz|tar\.\w+|7z|rar)$", file.name.lower()):
        raise DataError(f"{printable(file)}: an archive; unpack it first, and give the folder.")
    raise DataError(f"{printable(file)}: no data that is known here; give a folder, a CSV, npz, idx or tar file.")
