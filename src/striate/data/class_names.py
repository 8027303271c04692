"""Which class is number 0: one rule for every layout, so that two readers of the same pictures agree.

A file `classes.txt` beside the data, one name a line, decides. Without one, names are sorted as torchvision sorts
folders, and numbers by their value. Training and validation always share one list.
"""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striate.data.files import printable
from striate.errors import DataError, nearest

__all__ = ["CLASS_FILE", "check_same_classes", "class_order", "normal_name", "numbers_as_labels", "read_class_file"]

CLASS_FILE = "classes.txt"
_MAX_CLASS_FILE_BYTES = 1 << 26


def normal_name(name: str) -> str:
    """A class name in Unicode's composed form: file systems disagree on how an é is written.

    >>> normal_name("Cafe" + chr(0x301)) == "Caf" + chr(0xE9)
    True
    """
    return unicodedata.normalize("NFC", name)


def read_class_file(folder: Path) -> tuple[str, ...] | None:
    """The names in `classes.txt` of this folder, or None where there is no such file.

    Raises:
        DataError: If the file is not UTF-8, is empty, or names a class twice.
    """
    path = folder / CLASS_FILE
    try:
        if not path.is_file():
            return None
        if path.stat().st_size > _MAX_CLASS_FILE_BYTES:
            raise DataError(f"{printable(path)}: too long for a list of classes.")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise DataError(f"{printable(path)}: not UTF-8 text; save the list of classes as UTF-8.") from None
    except OSError as error:
        raise DataError(f"{printable(path)}: cannot be read ({error.strerror or error}).") from error
    names = [normal_name(line.strip()) for line in lines]
    while names and not names[-1]:
        names.pop()
    first: dict[str, int] = {}
    for number, name in enumerate(names, start=1):
        if not name:
            raise DataError(f"{printable(path)}, line {number}: empty; one class name a line is needed.")
        if name in first:
            raise DataError(f"{printable(path)}, line {number}: the class '{name}' stands in line {first[name]}, too.")
        first[name] = number
    if not names:
        raise DataError(f"{printable(path)}: the file names no class; write one a line, or remove it.")
    return tuple(names)


def class_order(found: Iterable[str], listed: Sequence[str] | None = None, *, by_value: bool = True) -> tuple[str, ...]:
    """The classes in their order.

    Args:
        found: The names that pictures have.
        listed: What `classes.txt` says; it decides, and may name classes without pictures.
        by_value: Whether names that are all whole numbers are sorted by value. Folders are not, as in torchvision.

    Raises:
        DataError: If a name that was found is not listed.

    >>> class_order({"10", "9", "2"}), class_order({"10", "9", "2"}, by_value=False)
    (('2', '9', '10'), ('10', '2', '9'))
    """
    names = set(found)
    if listed is not None:
        if unknown := sorted(names - set(listed)):
            raise DataError(
                f"{CLASS_FILE} does not name the class '{unknown[0]}' that pictures have"
                f"{f' (and {len(unknown) - 1} more)' if len(unknown) > 1 else ''}. {nearest(unknown[0], listed)}"
            )
        return tuple(listed)
    if by_value and names and all(_is_number(name) for name in names):
        return tuple(sorted(names, key=int))
    return tuple(sorted(names))


def check_same_classes(source: Path, found: Mapping[str, Iterable[str]]) -> None:
    """Refuse a validation or test part with classes that training does not have.

    Args:
        source: What was opened, for the message.
        found: The classes of each part; nothing is compared where there is no `train`.

    Raises:
        DataError: With the names.
    """
    if "train" not in found:
        return
    trained = set(found["train"])
    for split, names in found.items():
        if unknown := sorted(set(names) - trained):
            shown = ", ".join(f"'{name}'" for name in unknown[:5]) + (" …" if len(unknown) > 5 else "")
            raise DataError(
                f"{printable(source)}: {split} has the class{'es' if len(unknown) > 1 else ''} {shown}, which train "
                f"does not have. {nearest(unknown[0], sorted(trained))} Give them one name, or add pictures to train."
            )


def numbers_as_labels(
    values: Mapping[str, NDArray[np.integer]], listed: Sequence[str] | None, where: str
) -> tuple[tuple[str, ...], dict[str, NDArray[np.int64]]]:
    """Classes and labels of arrays of whole numbers, one array a split.

    With a list of names a number is a position in it; without, every number that occurs is a class of that name.

    Raises:
        DataError: If a number is not a position in the list.
    """
    everything = np.unique(np.concatenate([np.unique(v) for v in values.values()]))
    if listed is None:
        classes = tuple(str(value) for value in everything.tolist())
        return classes, {k: np.searchsorted(everything, v).astype(np.int64) for k, v in values.items()}
    outside = everything[(everything < 0) | (everything >= len(listed))]
    if len(outside):
        raise DataError(
            f"{where}: a label is {outside[0]}, but there are names for {len(listed)} classes, counted from 0."
        )
    return tuple(listed), {k: v.astype(np.int64) for k, v in values.items()}


def _is_number(name: str) -> bool:
    return name.isascii() and name.removeprefix("-").isdecimal() and str(int(name)) == name
