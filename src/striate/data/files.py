"""Which files are meant: image files among files and folders, names that fit on one line, files written whole."""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from striate.errors import DataError

__all__ = ["EXTENSIONS", "find_images", "printable", "write_whole"]

EXTENSIONS = frozenset({".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})


def find_images(paths: str | Path | Iterable[str | Path]) -> list[Path]:
    """The image files among files and folders, each once, in the order of `paths`.

    A file is taken whatever its name is. Of a folder and the folders in it, those whose extension is in `EXTENSIONS`
    are taken, in alphabetical order; names that begin with a dot are left out.

    Raises:
        DataError: If a path does not exist, a folder cannot be listed, or a folder holds no image.
    """
    found: dict[Path, None] = {}  # a set that keeps its order
    for path in map(Path, [paths] if isinstance(paths, str | Path) else paths):
        try:
            if path.is_dir():
                inside = sorted(_images_in(path))
            elif path.exists():
                inside = [path]
            else:
                raise DataError(f"{printable(path)}: no such file or folder.")
        except OSError as error:
            raise DataError(f"{printable(error.filename or path)}: cannot be opened ({error.strerror}).") from error
        if not inside:
            raise DataError(f"{printable(path)}: no image in this folder (of {', '.join(sorted(EXTENSIONS))}).")
        found.update(dict.fromkeys(inside))
    return list(found)


def printable(path: str | Path) -> str:
    """The path on one line, whatever characters are in it."""
    text = str(path)
    return text if text.isprintable() else ascii(text)


def _images_in(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise error

    entered: set[tuple[int, int]] = set()  # links to folders are followed, but not in circles
    for root, folders, names in os.walk(folder, followlinks=True, onerror=refuse):
        here = Path(root).stat()
        if (here.st_dev, here.st_ino) in entered:
            folders.clear()
            continue
        entered.add((here.st_dev, here.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (
            Path(root, name) for name in names if not name.startswith(".") and Path(name).suffix.lower() in EXTENSIONS
        )


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file in one step, its bytes before its name: a full disk or a killed process leaves the old one.

    What is no plain file (a pipe, a device, `/dev/stdout`) is written into, and never replaced. A link stays a link.

    Raises:
        OSError: It cannot be written; the error names `path`, whatever was written to on the way.
    """
    try:
        if path.exists() and (_descriptor(path) is not None or not path.is_file()):
            with _open_stream(path) as stream:
                stream.write(content)
        else:
            _replace(path.resolve() if path.is_symlink() else path, content)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error  # of the class that the number stands for


def _replace(path: Path, content: bytes) -> None:
    part = path.with_name(f".{uuid4().hex}.part")
    try:
        with part.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _descriptor(path: Path) -> int | None:
    """The number of the open file that a path such as `/dev/stdout` stands for."""
    for name in (str(path), str(path.readlink()) if path.is_symlink() else ""):
        found = re.fullmatch(r"/(?:dev|proc/self)/fd/(\d+)", name)
        if found:
            return int(found[1])
    return None


def _open_stream(path: Path) -> BinaryIO:
    number = _descriptor(path)
    # Where stdout is a file, opening it a second time would write over what is printed: both would begin at its start.
    return path.open("wb") if number is None else os.fdopen(os.dup(number), "wb")
