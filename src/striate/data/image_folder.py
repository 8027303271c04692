"""A folder for each class: the layout that everybody can make with a file manager.

    data/cat/1.jpg  data/dog/2.png            one set, or
    data/train/cat/1.jpg  data/val/cat/9.jpg  one for each of train, val and test

Classes are numbered in the order in which torchvision's `ImageFolder` sorts them. Where a rule had to be applied (a
folder below a class, a file that is no image, a class without pictures) a `Problem` says so.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from striate.data.class_names import CLASS_FILE, check_same_classes, class_order, normal_name, read_class_file
from striate.data.files import EXTENSIONS, printable
from striate.data.image_set import ImageSet
from striate.data.problem import Problem
from striate.data.stores import FileStore
from striate.errors import DataError

__all__ = ["FOREIGN_EXTENSIONS", "SPLIT_NAMES", "read_image_folder", "split_folders"]

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""What a folder may be called that holds a part of the pictures, and what that part is called here."""

_FOREIGN = "arw avif cr2 cr3 dng eps exr hdr heic heif ico jp2 jxl mov mp4 nef orf pbm pdf pgm ppm psd raf rw2 svg tga"
FOREIGN_EXTENSIONS = frozenset(f".{word}" for word in _FOREIGN.split())
"""Pictures of kinds that are not read: a person should know that they were left out."""


def read_image_folder(path: Path) -> dict[str, ImageSet]:
    """The pictures below a folder, `all` or one set a split.

    Hidden names (with a dot in front) are ignored. Folders below a class belong to the class. A class folder without
    any picture is left out, unless `classes.txt` names it.

    Raises:
        DataError: If there is no class folder with a picture, a folder cannot be listed, two folders mean the same
            split, or a split has classes that train does not have.
    """
    listed = read_class_file(path)
    splits = split_folders(path)
    if not splits:
        found, problems = _list_folder(path, path, listed)
        return {"all": _image_set(path, found, class_order(found, listed, by_value=False), problems)}
    outside: list[Problem] = [
        Problem("other-file", printable(path / name), "lies beside the folders train, val and test; left out")
        for name in sorted(name for names in _entries(path)[:2] for name in names)
        if name != CLASS_FILE and path / name not in splits.values()
    ]
    parts = {split: _list_folder(folder, path, listed) for split, folder in splits.items()}
    names = {split: {name for name, paths in found.items() if paths} for split, (found, _) in parts.items()}
    if listed is None:
        check_same_classes(path, names)
    classes = class_order({name for some in names.values() for name in some}, listed, by_value=False)
    for split, (_, problems) in parts.items():
        problems += [
            Problem("class-not-in-split", printable(splits[split]), f"no picture of the class '{name}'")
            for name in classes
            if name not in names[split] and name in names.get("train", classes)
        ]
    first = next(iter(parts))
    parts[first][1].extend(outside)
    return {split: _image_set(path, found, classes, problems) for split, (found, problems) in parts.items()}


def split_folders(path: Path) -> dict[str, Path]:
    """The folders train, val and test in this one, in this order; empty where the folders are classes.

    A folder of one of these names counts as a part if it holds folders and no loose picture, and nothing but such
    folders lies in `path`, or `train` and another one of them do: a class may well be called "train".

    Raises:
        DataError: If two of them mean the same part.
    """
    folders, _, _ = _entries(path)
    parts: dict[str, list[str]] = {}
    for name in folders:
        split = SPLIT_NAMES.get(name.lower())
        if split is not None and _holds_folders_only(path / name):
            parts.setdefault(split, []).append(name)
    count = sum(map(len, parts.values()))
    if count == 0 or (count < len(folders) and not ("train" in parts and len(parts) > 1)):
        return {}
    for split, names in parts.items():
        if len(names) > 1:
            raise DataError(f"{printable(path)}: both '{names[0]}' and '{names[1]}' mean {split}; keep one of them.")
    return {split: path / parts[split][0] for split in ("train", "val", "test") if split in parts}


def _image_set(
    path: Path, found: Mapping[str, list[str]], classes: tuple[str, ...], problems: list[Problem]
) -> ImageSet:
    paths: list[str] = []
    labels: list[int] = []
    for number, name in enumerate(classes):
        inside = found.get(name, [])
        paths += inside
        labels += [number] * len(inside)
    if not paths:
        raise DataError(
            f"{printable(path)}: no picture in any folder below it (of {', '.join(sorted(EXTENSIONS))}); "
            "put the pictures of each class into a folder of that name."
        )
    store = FileStore(path, tuple(paths))
    return ImageSet(classes, np.array(labels, dtype=np.int64), store, path, "folder", tuple(problems))


def _list_folder(
    folder: Path, root: Path, listed: tuple[str, ...] | None
) -> tuple[dict[str, list[str]], list[Problem]]:
    """The pictures of every class, paths from `root`, and what was left out; empty classes are left out, too."""
    names, loose, _ = _entries(folder)
    problems = [_left_out(folder / name, "lies in no class folder") for name in loose if name != CLASS_FILE]
    if not names:
        loose_pictures = sum(problem.kind == "unlabeled" for problem in problems)
        what = f"{loose_pictures} pictures, but no class folder" if loose_pictures else "no class folder in it"
        raise DataError(
            f"{printable(folder)}: {what}; put the pictures of each class into a folder of that name, or list "
            "them in a CSV file with the columns path and label."
        )
    found: dict[str, list[str]] = {}
    origin: dict[str, str] = {}
    prefix = folder.relative_to(root).as_posix()
    for name in names:
        key = normal_name(name)
        if key in origin:
            raise DataError(
                f"{printable(folder)}: two class folders are called '{key}', once with combined and once with "
                "separate accents; merge them."
            )
        origin[key] = name
        paths = list(_pictures_of(folder / name, name if prefix == "." else f"{prefix}/{name}", problems))
        if not paths:
            done = f"the class stays, {CLASS_FILE} names it" if key in (listed or ()) else "no class was made of it"
            problems.append(Problem("empty-class", printable(folder / name), f"a folder without pictures; {done}"))
            continue
        paths.sort(key=lambda each: each.rpartition("/")[::2])
        found[key] = paths
    return found, problems


def _pictures_of(folder: Path, relative: str, problems: list[Problem]) -> Iterator[str]:
    """The pictures of one class, at any depth; links are followed, but not in circles."""
    waiting = [(folder, relative)]
    entered: set[tuple[int, int]] = set()
    below = 0
    while waiting:
        here, path = waiting.pop()
        folders, names, irregular = _entries(here)
        if folders or here != folder:  # most classes are flat: nothing to remember
            if not entered:  # a link up would make cats of all dogs
                entered = {_identity(folder.parent), _identity(folder.parent.parent)}
            identity = _identity(here)
            if identity in entered:
                problems.append(Problem("link-loop", printable(here), "a link back to a folder above; not followed"))
                continue
            entered.add(identity)
        waiting += [(here / name, f"{path}/{name}") for name in folders]
        for name in names:
            if os.path.splitext(name)[1].lower() in EXTENSIONS and name not in irregular:  # noqa: PTH122 - 100 k
                below += here != folder
                yield f"{path}/{name}"
            else:
                problems.append(_left_out(here / name, "in a class folder"))
    if below:
        pictures = "1 picture lies" if below == 1 else f"{below} pictures lie"
        problems.append(
            Problem("nested", printable(folder), f"{pictures} in folders below this class; they belong to it")
        )


def _left_out(path: Path, why: str) -> Problem:
    where, suffix = printable(path), path.suffix.lower()
    if not path.exists():
        return Problem("missing", where, "a link to nothing; left out")
    if not path.is_file():
        return Problem("other-file", where, "not a regular file; left out")
    if suffix in EXTENSIONS:
        return Problem("unlabeled", where, f"a picture that {why}; left out")
    if suffix in FOREIGN_EXTENSIONS:
        return Problem("foreign-image", where, f"a picture of a kind that is not read ({suffix}); left out")
    return Problem("other-file", where, f"no image by its name ({suffix or 'without an extension'}); left out")


def _identity(folder: Path) -> tuple[int, int]:
    facts = folder.stat()
    return facts.st_dev, facts.st_ino


def _entries(folder: Path) -> tuple[list[str], list[str], set[str]]:
    """The names of the folders and of everything else in a folder, sorted, without hidden ones; which are no files."""
    folders: list[str] = []
    others: list[str] = []
    irregular: set[str] = set()
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    folders.append(entry.name)
                    continue
                others.append(entry.name)
                if not entry.is_file():
                    irregular.add(entry.name)
    except OSError as error:
        raise DataError(f"{printable(folder)}: cannot be listed ({error.strerror or error}).") from error
    return sorted(folders), sorted(others), irregular


def _holds_folders_only(folder: Path) -> bool:
    folders, others, _ = _entries(folder)
    return bool(folders) and not any(Path(name).suffix.lower() in EXTENSIONS for name in others)
