"""Pictures with their names and, where anything tells, their classes: the folder's name is the class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from striate.data import ImageSet, find_images, open_data
from striate.data.files import EXTENSIONS, printable
from striate.data.image_folder import SPLIT_NAMES
from striate.data.opening import TABLE_NAMES
from striate.errors import ConfigError, DataError
from striate.insight.picture_stream import Pictures

__all__ = ["LabeledPictures"]


@dataclass(frozen=True, eq=False)
class LabeledPictures:
    """A source of which names and classes are known before anything is decoded.

    Attributes:
        images: What `PictureStream` takes.
        names: The pictures' names, or empty where they are not known before they are read.
        labels: A class for each picture (empty for none), or None.
        stamps: Size and time of change of each file; empty where there are no files.
        source: What was given, in words.
        count: How many, or None where that is not known.
    """

    images: Any
    names: tuple[str, ...]
    labels: tuple[str, ...] | None
    stamps: tuple[str, ...]
    source: str
    count: int | None

    @classmethod
    def of(cls, images: Pictures, *, is_network: bool, labels: Sequence[str] | None = None) -> "LabeledPictures":
        """List a source.

        Raises:
            DataError: It cannot be opened, or holds no picture.
            ConfigError: `labels` are not one a picture.
        """
        found = cls._list(images) if is_network else cls._tensors(images)
        if labels is None:
            return found
        given = tuple(map(str, labels))
        if found.count is None or len(given) != found.count:
            raise ConfigError(
                f"labels must be one for each of {found.count or 'a known number of'} pictures; got {len(given)}."
            )
        return cls(found.images, found.names, given, found.stamps, found.source, found.count)

    def pictures(self, rows: list[int] | None) -> Any:
        """All of the source, or some of it where it is a list of files."""
        return self.images if rows is None else [self.images[i] for i in rows]

    @classmethod
    def _tensors(cls, images: Any) -> "LabeledPictures":
        count = len(images) if isinstance(images, Tensor) else None
        return cls(images, (), None, (), "tensors", count)

    @classmethod
    def _list(cls, images: Any) -> "LabeledPictures":
        if isinstance(images, str | Path):
            return cls._at(Path(images))
        if isinstance(images, ImageSet):
            images = {"": images}
        if isinstance(images, Mapping):
            return cls._sets(images)
        if isinstance(images, Tensor | np.ndarray | bytes):
            many = len(images) if not isinstance(images, bytes) and images.ndim == 4 else 1
            return cls(images, (), None, (), "pictures", many)
        photos = list(images)
        if photos and all(isinstance(photo, str | Path) for photo in photos):
            files = [Path(photo) for photo in photos]
            return cls._files(files, [printable(file.name) for file in files], None, f"{len(files)} pictures")
        return cls(photos, (), None, (), "pictures", len(photos))

    @classmethod
    def _sets(cls, sets: Mapping[str, ImageSet]) -> "LabeledPictures":
        several = len(sets) > 1
        names = [f"{part}/{s.name(i)}" if several else s.name(i) for part, s in sets.items() for i in range(len(s))]
        labels = tuple(s.label(i) for s in sets.values() for i in range(len(s)))
        source = printable(next(iter(sets.values())).source) if sets else ""
        return cls(sets, tuple(map(printable, names)), labels, (), source, len(names))

    @classmethod
    def _at(cls, path: Path) -> "LabeledPictures":
        if path.is_file() and path.suffix.lower() not in EXTENSIONS:
            return cls._sets(open_data(path))
        if path.is_dir() and any((path / name).is_file() for name in TABLE_NAMES):
            return cls._sets(open_data(path))
        try:
            files = find_images(path)
        except DataError:
            if not path.is_dir():
                raise
            try:
                return cls._sets(open_data(path))  # a folder of shards or of idx files
            except DataError:
                raise DataError(
                    f"{printable(path)}: no picture in this folder or below it (of {', '.join(sorted(EXTENSIONS))})."
                ) from None
        root = path if path.is_dir() else path.parent
        below = [file.relative_to(root) for file in files]
        labels = tuple(_class_of(file) for file in below)
        return cls._files(files, [printable(file) for file in below], labels if any(labels) else None, printable(path))

    @classmethod
    def _files(
        cls, files: list[Path], names: list[str], labels: tuple[str, ...] | None, source: str
    ) -> "LabeledPictures":
        return cls(files, tuple(names), labels, tuple(map(_stamp, files)), source, len(files))


def _class_of(file: Path) -> str:
    """The first folder, below `train`, `val` or `test` where there are such; empty for a picture in none.

    >>> _class_of(Path("cat/1.jpg")), _class_of(Path("train/cat/kitten/1.jpg")), _class_of(Path("1.jpg"))
    ('cat', 'cat', '')
    """
    folders = file.parts[:-1]
    if len(folders) > 1 and folders[0].lower() in SPLIT_NAMES:
        folders = folders[1:]
    return printable(folders[0]) if folders else ""


def _stamp(file: Path) -> str:
    try:
        facts = file.stat()
    except OSError:  # reading it will say what is wrong
        return ""
    return f"{facts.st_size}-{facts.st_mtime_ns}"
