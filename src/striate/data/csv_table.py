"""Pictures listed in a table: a CSV file with a header, one line a picture.

    path,label,split,group
    photos/1.jpg,cat,train,cat 17
    photos/2.jpg,dog,val,

`path` is relative to the file itself. `split` and `group` may be missing, and so may their values. Further columns are
ignored, but for `class_index`, which numbers the classes where their order is not that of their names.
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import numpy as np

from striate.data.class_names import check_same_classes, class_order, normal_name
from striate.data.files import printable
from striate.data.image_folder import SPLIT_NAMES
from striate.data.image_set import ImageSet, lone_group
from striate.data.problem import Problem
from striate.data.stores import FileStore
from striate.errors import DataError

__all__ = ["COLUMNS", "is_image_table", "read_csv_table"]

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "path": ("path", "file", "filename", "file_name", "filepath", "image", "image_path"),
    "label": ("label", "class", "target", "category", "class_name"),
    "split": ("split", "subset"),
    "group": ("group", "group_id"),
    "class_index": ("class_index",),
}
"""What each column may be called; the first name that is there counts. Case and spaces around do not matter."""

_DELIMITERS = ",;\t|"


@dataclass(slots=True)
class _Rows:
    paths: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)


def read_csv_table(path: Path) -> dict[str, ImageSet]:
    """The pictures of a table, `all` or one set a split.

    Raises:
        DataError: If the file is no text, has no header with a path and a label, names no file that exists, or its
            splits or class numbers contradict each other.
    """
    text = _text(path)
    delimiter, header = _header(text, path)
    columns = {name: _position(header, names) for name, names in COLUMNS.items()}
    problems: list[Problem] = []
    parts: dict[str, _Rows] = {}
    seen: dict[str, tuple[int, str]] = {}
    numbers: dict[str, tuple[int, int]] = {}
    missing = 0
    for line, row in _lines(text, delimiter, path):
        where = f"{printable(path)}, line {line}"
        cells = {name: row[i].strip() if i is not None and i < len(row) else "" for name, i in columns.items()}
        label = normal_name(cells["label"])
        split = "all" if columns["split"] is None else SPLIT_NAMES.get(cells["split"].lower())
        if len(row) > len(header):
            text_of = f"{len(row)} values for {len(header)} columns (a name with the delimiter needs quotes); left out"
            problems.append(Problem("bad-line", where, text_of))
        elif not cells["path"]:
            problems.append(Problem("bad-line", where, "names no file; left out"))
        elif not label:
            problems.append(Problem("unlabeled", where, f"{printable(cells['path'])} has no label; left out"))
        elif split is None:
            given = cells["split"] or "nothing"
            problems.append(Problem("bad-line", where, f"the split is {given}, not train, val or test; left out"))
        elif (file := _existing(path.parent, cells["path"])) is None:
            missing += 1
            problems.append(Problem("missing", where, f"{_why_missing(path.parent, cells['path'])}; left out"))
        elif file in seen:
            first, other = seen[file]
            kind = "duplicate-line" if other == label else "label-conflict"
            as_what = "again" if other == label else f"as '{label}', but in line {first} as '{other}'"
            problems.append(Problem(kind, where, f"{printable(file)} is listed {as_what}; this line was left out"))
        else:
            seen[file] = (line, label)
            if columns["class_index"] is not None:
                _note_number(numbers, label, cells["class_index"], line, where)
            rows = parts.setdefault(split, _Rows())
            rows.paths.append(file)
            rows.labels.append(label)
            rows.groups.append(cells["group"] or lone_group(file))
    if not seen:
        first_problem = f" The first: {problems[0]}." if problems else ""
        raise DataError(
            f"{printable(path)}: none of its lines gives a picture with a label"
            f"{f' ({missing} files do not exist; paths start at the folder of this file)' if missing else ''}."
            f"{first_problem}"
        )
    check_same_classes(path, {split: rows.labels for split, rows in parts.items()})
    names = {label for rows in parts.values() for label in rows.labels}
    classes = tuple(sorted(names, key=lambda name: numbers[name][0])) if numbers else class_order(names)
    return _sets(path, parts, classes, problems, grouped=columns["group"] is not None)


def is_image_table(path: Path) -> bool:
    """Whether the first line of a text file names a column for paths and one for labels."""
    try:
        with path.open("rb") as stream:
            head = stream.read(1 << 16)
        _header(_decoded(head[: head.rfind(b"\n") + 1] or head, path), path)
    except (DataError, OSError):
        return False
    return True


def _sets(
    path: Path, parts: Mapping[str, _Rows], classes: Sequence[str], problems: list[Problem], *, grouped: bool
) -> dict[str, ImageSet]:
    position = {name: number for number, name in enumerate(classes)}
    sets: dict[str, ImageSet] = {}
    for split in ("all", "train", "val", "test"):
        if split not in parts:
            continue
        rows = parts[split]
        sets[split] = ImageSet(
            tuple(classes),
            np.array([position[label] for label in rows.labels], dtype=np.int64),
            FileStore(path.parent, tuple(rows.paths)),
            path,
            "csv",
            problems=() if sets else tuple(problems),  # each once: with the first part
            groups=tuple(rows.groups) if grouped else None,
        )
    return sets


def _text(path: Path) -> str:
    try:
        return _decoded(path.read_bytes(), path)
    except OSError as error:
        raise DataError(f"{printable(path)}: cannot be read ({error.strerror or error}).") from error


def _decoded(data: bytes, path: Path) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):  # what Excel calls Unicode text
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{printable(path)}, line {line}: not UTF-8 text; save the table as CSV in UTF-8.") from None


def _header(text: str, path: Path) -> tuple[str, list[str]]:
    """The delimiter and the names of the columns: the delimiter under which a path and a label are among them."""
    first = text.lstrip("\r\n").partition("\n")[0].rstrip("\r")
    candidates = list(_DELIMITERS)
    with suppress(csv.Error):
        candidates.append(csv.Sniffer().sniff(text[: 1 << 14]).delimiter)
    for delimiter in candidates:
        try:
            names = next(csv.reader([first], delimiter=delimiter), [])
        except csv.Error:
            continue
        if all(_position(names, COLUMNS[name]) is not None for name in ("path", "label")):
            return delimiter, names
    shown = printable(first[:80]) or "nothing"
    raise DataError(
        f"{printable(path)}, line 1: needs a header with a column for the file ({', '.join(COLUMNS['path'][:3])} …) "
        f"and one for the label ({', '.join(COLUMNS['label'][:3])} …), has {shown}."
    )


def _position(header: Sequence[str], names: Sequence[str]) -> int | None:
    plain = [name.strip().lower() for name in header]
    return next((plain.index(name) for name in names if name in plain), None)


def _lines(text: str, delimiter: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Every line that is not empty, after the header, with the number of its first physical line."""
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    start, is_header = 1, True
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(f"{printable(path)}, line {start}: {error}; check the quotes in this line.") from error
        if any(cell.strip() for cell in row):
            if not is_header:
                yield start, row
            is_header = False
        start = reader.line_num + 1


def _existing(folder: Path, given: str) -> str | None:
    """The path as it is stored, with `/`, or None where there is no such file."""
    for path in (given, given.replace("\\", "/")) if "\\" in given else (given,):
        try:
            if (folder / path).is_file():
                return Path(path).as_posix()
        except (OSError, ValueError):  # too long, or with a zero byte
            continue
    return None


def _why_missing(folder: Path, given: str) -> str:
    shown = printable(given)
    if re.match(r"\w+://", given):
        return f"{shown} is an address; pictures are not fetched from the web, download it first"
    if (folder / given).is_dir():
        return f"{shown} is a folder, not a picture"
    return f"{shown} does not exist"


def _note_number(numbers: dict[str, tuple[int, int]], label: str, given: str, line: int, where: str) -> None:
    """Remember a class's number; one class, one number."""
    if not given.isascii() or not given.isdecimal():
        raise DataError(f"{where}: class_index must be a whole number, got '{given}'.")
    number = int(given)
    if label not in numbers and any(number == other for other, _ in numbers.values()):
        twin = next(name for name, (other, _) in numbers.items() if other == number)
        raise DataError(f"{where}: class_index {number} is '{label}' here, but '{twin}' in line {numbers[twin][1]}.")
    known, first = numbers.setdefault(label, (number, line))
    if known != number:
        raise DataError(f"{where}: '{label}' has class_index {number} here, but {known} in line {first}.")
