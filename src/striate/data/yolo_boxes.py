"""Pictures with a text file each, as YOLO has them: with a data.yaml, in `images` and `labels`, or darknet's lists.

    data.yaml   images/train/a.jpg  labels/train/a.txt          or train/images/a.jpg  train/labels/a.txt
    obj.data    obj.names           obj/a.jpg  obj/a.txt        darknet, with lists train.txt and valid.txt
    classes.txt a.jpg  a.txt                                    as labeling tools write it

A picture without a text file has no objects: so the format says. Where a whole split has no text file at all, something
is wrong, and it is refused.
"""

import os
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from striate.data.box_assembly import BoxSource, assemble
from striate.data.box_rules import Mark, MarkedPicture
from striate.data.box_set import BoxSet
from striate.data.class_names import CLASS_FILE, normal_name
from striate.data.files import EXTENSIONS, printable
from striate.data.image_folder import SPLIT_NAMES
from striate.data.picture_header import PictureHeader, read_picture_header
from striate.data.problem import Problem
from striate.data.yolo_text import parse_yolo_line
from striate.errors import DataError

__all__ = ["read_yolo_boxes", "yolo_settings"]

_MAX_TEXT_BYTES = 1 << 24
_MAX_SETTINGS_BYTES = 1 << 20
_MAX_CLASSES = 10_000  # without a list of classes no number is larger: it would make that many
_NAMES = (CLASS_FILE, "obj.names", "labels.txt", "names.txt")


def read_yolo_boxes(path: Path) -> dict[str, BoxSet]:
    """The pictures of a YOLO data set and their boxes, `all` or one set a split.

    Classes are those that the settings or a list of names say; without any, the numbers themselves.

    Args:
        path: A folder, or its data.yaml or obj.data.

    Raises:
        DataError: If there is no picture, or a split has no text file for any of its pictures.
    """
    path = Path(path)
    settings = yolo_settings(path)
    root = path if path.is_dir() else path.parent
    source = BoxSource(path, "yolo", root)
    names = _names(path, settings)
    if settings and any(split in settings for split in SPLIT_NAMES):
        parts = {
            split: _listed_pictures(settings, value, source.problems)
            for split, value in _split_values(settings).items()
        }
    else:
        parts = _pictures_by_split(root)
    numbers: set[int] = set()
    for split, pictures in parts.items():
        source.parts[split] = list(_marked(pictures, source, names, numbers, split))
    source.classes = names if names is not None else [str(number) for number in range(max(numbers, default=-1) + 1)]
    if names is None:
        text = "names no classes (no data.yaml, classes.txt or obj.names); they are called by their numbers"
        source.problems.append(Problem("class-numbers", printable(path), text))
    if not source.classes:
        raise DataError(f"{printable(path)}: no object on any picture, and no list of classes.")
    return assemble(source)


def yolo_settings(path: Path) -> dict[str, Any] | None:
    """What a data.yaml or darknet's obj.data says; of a folder, the one in it. None where there is none.

    Raises:
        DataError: If it cannot be read; with the line.
    """
    if path.is_dir():
        named = sorted(name for name in os.listdir(path) if name.lower().endswith((".yaml", ".yml", ".data")))  # noqa: PTH208
        inside = (path / name for name in named[:16])
        return next((found for file in inside if file.is_file() and (found := yolo_settings(file)) is not None), None)
    if path.stat().st_size > _MAX_SETTINGS_BYTES:
        raise DataError(f"{printable(path)}: {path.stat().st_size:,} bytes are too many for settings.")
    text = _text(path)
    if path.suffix.lower() == ".data":
        pairs = [line.split("=", 1) for line in text.splitlines() if "=" in line and not line.lstrip().startswith("#")]
        values: Any = {key.strip(): value.strip() for key, value in pairs}
    else:
        try:
            values = yaml.safe_load(text)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = "" if mark is None else f", line {mark.line + 1}"
            raise DataError(
                f"{printable(path)}{line}: no well-formed YAML ({getattr(error, 'problem', '')})."
            ) from None
        except RecursionError:
            raise DataError(f"{printable(path)}: YAML with brackets inside each other without end.") from None
    if not isinstance(values, dict) or not any(split in values for split in SPLIT_NAMES) or "names" not in values:
        return None
    return {**{str(key): value for key, value in values.items()}, "": path}


def _names(path: Path, settings: Mapping[str, Any] | None) -> list[str] | None:
    """The classes in their order."""
    if settings is not None:
        file, names = settings[""], settings["names"]
        if isinstance(names, dict):
            if set(names) != set(range(len(names))):
                raise DataError(f"{printable(file)}: the numbers of names must be 0 to {len(names) - 1}, each once.")
            names = [names[number] for number in range(len(names))]
        if isinstance(names, str):
            listed = next(
                (base / names for base in (file.parent, file.parent.parent) if (base / names).is_file()), None
            )
            if listed is None:
                raise DataError(f"{printable(file)}: the list of names '{printable(names)}' does not exist.")
            names = [line.strip() for line in _text(listed).strip().splitlines()]
        if not isinstance(names, list) or not all(isinstance(name, str | int) for name in names) or not names:
            raise DataError(f"{printable(file)}: names must be a list of names, or numbers with their names.")
        return _unique([normal_name(str(name)) for name in names], file)
    folder = path if path.is_dir() else path.parent
    for place in (folder, folder / "labels", *(folder / name for name in SPLIT_NAMES)):
        for name in _NAMES:
            if (place / name).is_file():
                lines = [normal_name(line.strip()) for line in _text(place / name).strip().splitlines()]
                if lines and not all(_is_object(line) for line in lines):
                    return _unique(lines, place / name)
    return None


def _unique(names: list[str], file: Path) -> list[str]:
    twice = next((name for number, name in enumerate(names) if name in names[:number]), None)
    if twice is not None or "" in names:
        what = f"the class '{twice}' stands there twice" if twice is not None else "a class has no name"
        raise DataError(f"{printable(file)}: {what}; every class needs a name of its own.")
    return names


def _is_object(line: str) -> bool:
    try:
        parse_yolo_line(line)
    except ValueError:
        return False
    return True


def _split_values(settings: Mapping[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, split in SPLIT_NAMES.items():
        value = settings.get(name)
        if value and split not in found:
            found[split] = [str(each) for each in value] if isinstance(value, list) else [str(value)]
    return {split: found[split] for split in ("train", "val", "test") if split in found}


def _listed_pictures(settings: Mapping[str, Any], values: list[str], problems: list[Problem]) -> list[tuple[Path, str]]:
    """The pictures that the settings name for a split, with where they are named."""
    file: Path = settings[""]
    base = file.parent / str(settings.get("path") or "")
    found: list[tuple[Path, str]] = []
    for value in values:
        plain = value.replace("\\", "/")
        # Some exporters write "../train/images" for what lies beside the settings.
        tries = [base / plain, file.parent / plain, file.parent / plain.removeprefix("../"), file.parent.parent / plain]
        place = next((each for each in tries if each.exists()), None)
        if place is None:
            raise DataError(f"{printable(file)}: '{printable(value)}' does not exist, neither below {printable(base)}.")
        if place.is_dir():
            found += [(picture, "") for picture in _pictures_in(place)]
            continue
        for number, line in enumerate(_text(place).splitlines(), start=1):
            if not line.strip():
                continue
            name = line.strip().replace("\\", "/")
            options = [place.parent / name, file.parent / name, base / name, file.parent.parent / name]
            picture = next((each for each in options if each.is_file()), None)
            where = f"{printable(place)}, line {number}"
            if picture is None:
                problems.append(Problem("missing", where, f"{printable(name)} does not exist; left out"))
            else:
                found.append((picture, where))
    return found


def _pictures_by_split(root: Path) -> dict[str, list[tuple[Path, str]]]:
    """The pictures below a folder; train, val and test among the names of folders say the split."""
    parts: dict[str, list[tuple[Path, str]]] = {}
    for picture in _pictures_in(root):
        inside = picture.relative_to(root).parts[:-1]
        split = next((SPLIT_NAMES[part.lower()] for part in inside if part.lower() in SPLIT_NAMES), "all")
        parts.setdefault(split, []).append((picture, ""))
    if not parts:
        raise DataError(f"{printable(root)}: no picture in this folder (of {', '.join(sorted(EXTENSIONS))}).")
    return parts


def _pictures_in(folder: Path) -> Iterator[Path]:
    entered: set[tuple[int, int]] = set()
    for here, folders, names in os.walk(folder, followlinks=True):
        facts = Path(here).stat()
        if (facts.st_dev, facts.st_ino) in entered:
            folders.clear()
            continue
        entered.add((facts.st_dev, facts.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in EXTENSIONS:  # noqa: PTH122 - 100 k
                yield Path(here, name)


def _marked(
    pictures: list[tuple[Path, str]], source: BoxSource, names: list[str] | None, numbers: set[int], split: str
) -> Iterator[MarkedPicture]:
    labeled = outlines = 0
    without: list[Path] = []
    seen: set[Path] = set()
    for picture, listed in pictures:
        if picture in seen:
            source.problems.append(Problem("duplicate-line", listed, f"{printable(picture)} is listed before"))
            continue
        seen.add(picture)
        try:
            header = read_picture_header(picture)
        except DataError as error:
            place, _, text = str(error).partition(": ")
            source.problems.append(Problem("unreadable", place, f"{text} It was left out."))
            continue
        text_file = _text_file(picture)
        marks: list[Mark] = []
        if text_file is None:
            without.append(picture)
        else:
            labeled += 1
            try:
                lines = _text(text_file).splitlines()
            except DataError as error:
                place, _, text = str(error).partition(": ")
                source.problems.append(Problem("bad-annotation", place, f"{text} The picture was left out."))
                continue
            for mark, outline in _marks(lines, text_file, header, names, source.problems):
                marks.append(mark)
                outlines += outline
            if names is None:
                numbers.update(int(mark.label) for mark in marks)
        inside = picture.is_relative_to(source.root)
        name = picture.relative_to(source.root).as_posix() if inside else picture.absolute().as_posix()
        where = printable(text_file or picture)
        yield MarkedPicture(name, header, marks, None, partial(_located, where), where)
    if pictures and not labeled:
        raise DataError(
            f"{printable(source.path)}: none of the {len(pictures):,} pictures of {split} has a text file with its "
            "boxes; they belong beside the pictures, or into 'labels' where the pictures are in 'images'."
        )
    for picture in without:
        text = "has no text file, so it counts as a picture without objects"
        source.problems.append(Problem("no-label-file", printable(picture), text))
    if outlines:
        text = f"{outlines:,} outlines in {split}; the boxes that they span were taken"
        source.problems.append(Problem("outlines", printable(source.path), text))


def _located(where: str, line: int) -> str:
    return f"{where}, line {line}"


def _text_file(picture: Path) -> Path | None:
    """The text file of a picture: in `labels` where the picture is in `images`, or beside it."""
    parts = list(picture.parts)
    for at in reversed(range(len(parts) - 1)):
        if parts[at].lower() == "images":
            moved = Path(*parts[:at], "labels", *parts[at + 1 :]).with_suffix(".txt")
            if moved.is_file():
                return moved
    beside = picture.with_suffix(".txt")
    return beside if beside.is_file() and beside.name not in _NAMES else None


def _marks(
    lines: list[str], file: Path, header: PictureHeader, names: list[str] | None, problems: list[Problem]
) -> Iterator[tuple[Mark, bool]]:
    h, w = header.upright
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{printable(file)}, line {number}"
        try:
            said = parse_yolo_line(line)
        except ValueError as error:
            problems.append(Problem("bad-line", where, f"{error}; the line was left out"))
            continue
        if names is not None and said.number >= len(names):
            text = f"class {said.number}, but there are {len(names)}, counted from 0; the box was left out"
            problems.append(Problem("unknown-class", where, text))
            continue
        if said.number > _MAX_CLASSES:
            problems.append(Problem("unknown-class", where, f"class {said.number}, and no list of classes; left out"))
            continue
        x1, y1, x2, y2 = said.shares
        if min(x1, y1) > 1 and abs(x2) < float("inf"):
            text = f"({line.strip()[:60]}) is in pixels; YOLO's numbers are shares of the sides, 0 to 1; left out"
            problems.append(Problem("bad-box", where, text))
            continue
        label = str(said.number) if names is None else names[said.number]
        yield Mark(label, (x1 * w, y1 * h, x2 * w, y2 * h), number), said.outline


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_TEXT_BYTES:
            raise DataError(f"{printable(path)}: {path.stat().st_size:,} bytes are too many for such a text.")
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{printable(path)}: not UTF-8 text.") from None
    except OSError as error:
        raise DataError(f"{printable(path)}: cannot be read ({error.strerror or error}).") from error
