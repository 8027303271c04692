"""Write a set as files: class folders, or a folder of pictures with a table.

The bytes of files are copied as they are. Rows of arrays become PNG files, which lose nothing.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.data.class_names import CLASS_FILE, class_order
from striate.data.files import EXTENSIONS, printable
from striate.data.formats import HEAD_BYTES, recognize
from striate.data.image_set import ImageSet
from striate.errors import DataError

__all__ = ["FreeNames", "TableRow", "file_bytes", "write_class_file", "write_folder", "write_table", "write_with_table"]

_SUFFIXES = {"BMP": ".bmp", "GIF": ".gif", "JPEG": ".jpg", "PNG": ".png", "TIFF": ".tif", "WEBP": ".webp"}

TableRow = tuple[str, str, str, str]
"""Path, label, split (`all` for none) and group."""


def write_folder(sets: Mapping[str, ImageSet], out: Path) -> Iterator[None]:
    """Class folders below `out`, below a folder for each split where there are splits; yields after every picture.

    Raises:
        DataError: If a class cannot be the name of a folder, or a picture cannot be read.
    """
    classes = next(iter(sets.values())).classes
    for name in classes:
        if name != name.strip(" ") or name.startswith(".") or "/" in name or "\\" in name or not name.isprintable():
            raise DataError(f"The class {name!r} cannot be the name of a folder; convert to csv, npz or tar.")
    for split, images in sets.items():
        free = FreeNames()
        for index in range(len(images)):
            data, suffix = file_bytes(images, index)
            folder = PurePosixPath(images.label(index)) if split == "all" else PurePosixPath(split, images.label(index))
            _write(out, free.take(folder / _file_name(images, index, suffix)), data)
            yield
    write_class_file(out, classes, {images.label(i) for images in sets.values() for i in range(len(images))})


def write_with_table(sets: Mapping[str, ImageSet], out: Path) -> Iterator[None]:
    """Pictures in `out/images`, and `out/labels.csv` that lists them; yields after every picture.

    Raises:
        DataError: If a picture cannot be read.
    """
    free = FreeNames()
    rows: list[TableRow] = []
    for split, images in sets.items():
        for index in range(len(images)):
            data, suffix = file_bytes(images, index)
            label = re.sub(r"[^\w &+-]+", "_", images.label(index))
            folder = PurePosixPath("images", *([] if split == "all" else [split]), label)
            path = free.take(folder / _file_name(images, index, suffix))
            _write(out, path, data)
            rows.append((path, images.label(index), split, "" if images.groups is None else images.groups[index]))
            yield
    write_table(out / "labels.csv", rows, next(iter(sets.values())).classes)


def write_table(path: Path, rows: Iterable[TableRow], classes: tuple[str, ...]) -> None:
    """A CSV file that `open_data` reads; columns that would be empty are left out.

    Raises:
        DataError: If a name cannot be written in UTF-8.
    """
    rows = list(rows)
    number = {name: position for position, name in enumerate(classes)}
    present = {row[1] for row in rows}
    ordered = class_order(present) == tuple(name for name in classes if name in present)
    columns = ["path", "label"]
    columns += ["split"] if any(row[2] != "all" for row in rows) else []
    columns += ["group"] if any(_shown(row[3]) for row in rows) else []
    columns += [] if ordered else ["class_index"]
    try:
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, columns, extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            for file, label, split, group in rows:
                values = {"path": file, "label": label, "split": split, "group": _shown(group)}
                writer.writerow({**values, "class_index": number[label]})
    except UnicodeEncodeError:
        raise DataError(f"{printable(path)}: a file's name is not UTF-8 and cannot be listed; rename it.") from None


def write_class_file(folder: Path, classes: tuple[str, ...], present: Iterable[str], *, always: bool = False) -> None:
    """`classes.txt`, where the names alone would not give the same classes in the same order."""
    if always or class_order(present, by_value=False) != classes:
        (folder / CLASS_FILE).write_text("".join(f"{name}\n" for name in classes), encoding="utf-8")


def file_bytes(images: ImageSet, index: int) -> tuple[bytes, str]:
    """A picture as the bytes of a file, and the ending that its name should have."""
    data = images.read(index)
    if isinstance(data, bytes):
        return data, _SUFFIXES.get(recognize(data[:HEAD_BYTES]) or "", "")
    return _png(data), ".png"


class FreeNames:
    """Gives every file a name of its own, as near to the wanted one as can be."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, path: PurePosixPath) -> str:
        """The path itself, or with a number where it is taken (also in the other case: some systems see no difference).

        >>> free = FreeNames()
        >>> free.take(PurePosixPath("a/1.jpg")), free.take(PurePosixPath("a/1.JPG"))
        ('a/1.jpg', 'a/1-2.JPG')
        """
        number, wanted = 1, path
        while str(path).casefold() in self._taken:
            number += 1
            path = wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}")
        self._taken.add(str(path).casefold())
        return str(path)


def _file_name(images: ImageSet, index: int, suffix: str) -> str:
    """The file's own name; one that no reader would take for a picture gets an ending."""
    name = images.name(index)
    if images.kind in {"npz", "idx"}:
        return f"{int(name.rpartition('#')[2]):06d}{suffix}"
    name = PurePosixPath(name).name.lstrip(".") or "picture"
    return name if PurePosixPath(name).suffix.lower() in EXTENSIONS else name + suffix


def _write(out: Path, path: str, data: bytes) -> None:
    target = out / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)


def _png(pixels: NDArray[np.uint8]) -> bytes:
    gray = bool((pixels == pixels[:, :, :1]).all())
    buffer = BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels[:, :, 0]) if gray else pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _shown(group: str) -> str:
    return "" if group.startswith("\0") else group
