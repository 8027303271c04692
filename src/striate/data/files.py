"""Which files are meant: image files among files and folders, names that fit on one line, files written whole."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
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
    """Replace a file in one step, its bytes before its name: a full disk or a killed process leaves the old one."""
    part = path.with_name(f".{path.name}.{uuid4().hex}.part")
    try:
        with part.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
