"""Open pictures with labels, whatever layout they are in: the layout is recognized by looking."""

import os
import re
from pathlib import Path

from striate.data.csv_table import is_image_table, read_csv_table
from striate.data.files import printable
from striate.data.idx import find_idx_pairs, is_idx, read_idx
from striate.data.image_folder import read_image_folder
from striate.data.image_set import ImageSet
from striate.data.npz import read_npz
from striate.data.tar_index import is_tar
from striate.data.tar_shards import read_tar_shards
from striate.errors import DataError

__all__ = ["TABLE_NAMES", "open_data"]

TABLE_NAMES = ("labels.csv", "labels.tsv", "metadata.csv")
"""A folder with a table of one of these names, and a path and a label in its header, is read by the table."""

_ARCHIVE = re.compile(r"\.(zip|tgz|tar\.\w+|7z|rar)$", re.IGNORECASE)


def open_data(path: str | Path) -> dict[str, ImageSet]:
    """The labeled pictures at a path: `{"all": …}`, or `train`, `val`, `test` as far as the source has them.

    Nothing is decoded; what is wrong with single pictures is found when they are read, or by `check_images`.

    Args:
        path: A folder of class folders (with or without `train`, `val`, `test` above them), a CSV file, a folder with
            MNIST's idx files, an npz file, or WebDataset tar shards (a file, a folder of them, or a pattern such as
            `shard-{000..007}.tar`). `docs/guide/data.md` describes each.

    Raises:
        DataError: If nothing can be recognized, or the source contradicts itself; the message names the file.
    """
    source = Path(path)
    try:
        if source.is_dir():
            return _open_folder(source)
        if source.is_file():
            return _open_file(source)
        if re.search(r"\{.*\}", str(path)):
            return read_tar_shards(source)
    except OSError as error:
        name = printable(error.filename or source)
        raise DataError(f"{name}: cannot be opened ({error.strerror or error}).") from error
    what = "neither a folder nor a regular file" if source.exists() else "no such file or folder"
    raise DataError(f"{printable(source)}: {what}.")


def _open_folder(folder: Path) -> dict[str, ImageSet]:
    table = next((folder / name for name in TABLE_NAMES if (folder / name).is_file()), None)
    if table is not None and is_image_table(table):
        return read_csv_table(table)
    if find_idx_pairs(folder):
        return read_idx(folder)
    if _is_shards(folder):
        return read_tar_shards(folder)
    return read_image_folder(folder)


def _is_shards(folder: Path) -> bool:
    """Whether tar files lie in a folder and no folders beside them, or in all of the few folders in it."""
    folders: list[Path] = []
    shards = False
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                folders.append(Path(entry.path))
                if len(folders) > 3:
                    return False
            shards = shards or entry.name.lower().endswith(".tar")
    return shards if not folders else all(_holds_shards_only(each) for each in folders)


def _holds_shards_only(folder: Path) -> bool:
    inside = list(folder.iterdir())
    return any(each.suffix.lower() == ".tar" for each in inside) and not any(each.is_dir() for each in inside)


def _open_file(file: Path) -> dict[str, ImageSet]:
    suffix = file.suffix.lower()
    if suffix == ".npz":
        return read_npz(file)
    if is_idx(file):
        return read_idx(file)
    if _ARCHIVE.search(file.name):
        raise DataError(f"{printable(file)}: a packed archive; unpack it first, and give the folder.")
    if suffix == ".tar" or is_tar(file):
        return read_tar_shards(file)
    if suffix in {".csv", ".tsv", ".txt"} or is_image_table(file):
        return read_csv_table(file)
    raise DataError(
        f"{printable(file)}: holds no labeled pictures that can be recognized; give a folder of class folders, or a "
        "CSV, npz, idx or tar file."
    )
