"""Open pictures with boxes, whatever layout they are in: the layout is recognized by looking."""

import os
import re
from contextlib import suppress
from itertools import islice
from pathlib import Path

from striate.data.box_set import BoxSet
from striate.data.coco_boxes import looks_like_coco, read_coco_boxes
from striate.data.files import EXTENSIONS, printable
from striate.data.image_folder import SPLIT_NAMES
from striate.data.voc_boxes import read_voc_boxes
from striate.data.yolo_boxes import read_yolo_boxes, yolo_settings
from striate.data.yolo_text import parse_yolo_line
from striate.errors import DataError

__all__ = ["find_box_layout", "open_boxes"]

_LOOKED_AT = 4000  # entries of folders, before one gives up
_DEPTH = 4


def open_boxes(path: str | Path) -> dict[str, BoxSet]:
    """The pictures with boxes at a path: `{"all": …}`, or `train`, `val`, `test` as far as the source has them.

    Of every picture the header is read, for boxes need its size and how EXIF turns it; nothing is decoded. What is
    wrong with a box, a line or a file is among the `problems` of the first set, with file and line, and the rest is
    used.

    Args:
        path: VOC: a development kit, one year of it, or a folder of pictures with XML files. COCO: a JSON file, or a
            folder with some. YOLO: a folder with data.yaml, `images` and `labels`, or darknet's files; or that file.
            `docs/guide/boxes.md` describes each.

    Raises:
        DataError: If nothing can be recognized, or no picture with boxes can be read; the message names the file.
    """
    source = Path(path)
    layout = find_box_layout(source)
    try:
        match layout:
            case "voc":
                return read_voc_boxes(source)
            case "coco":
                return read_coco_boxes(source)
            case "yolo":
                return read_yolo_boxes(source)
    except OSError as error:
        name = printable(error.filename or source)
        raise DataError(f"{name}: cannot be opened ({error.strerror or error}).") from error
    if not source.exists():
        raise DataError(f"{printable(source)}: no such file or folder.")
    raise DataError(
        f"{printable(source)}: no boxes that can be recognized; give a folder with VOC's XML files, COCO's JSON or "
        "YOLO's text files, or one of their settings."
    )


def find_box_layout(path: str | Path) -> str | None:
    """`voc`, `coco` or `yolo` where pictures with boxes lie at a path, None for anything else; a few files are read.

    So that whoever takes data can tell boxes from labels before anything is opened.
    """
    source = Path(path)
    try:
        if source.is_file():
            return _layout_of_file(source)
        if source.is_dir():
            return _layout_of_folder(source)
    except (OSError, DataError, ValueError):
        return None
    return None


def _layout_of_file(file: Path) -> str | None:
    suffix = file.suffix.lower()
    if suffix == ".json":
        return "coco" if looks_like_coco(file) else None
    if suffix in {".yaml", ".yml", ".data"}:
        return "yolo" if yolo_settings(file) is not None else None
    return None


def _layout_of_folder(folder: Path) -> str | None:
    names = {name.lower() for name in os.listdir(folder)}  # noqa: PTH208 - names are all that is wanted
    if {"annotations", "jpegimages"} <= names or any(re.fullmatch(r"voc20\d\d|vocdevkit", name) for name in names):
        return "voc"
    with suppress(DataError):  # settings of something else may be damaged, too
        if yolo_settings(folder) is not None:
            return "yolo"
    places = [folder, folder / "annotations", folder / "Annotations", *(folder / name for name in SPLIT_NAMES)]
    jsons = (file for place in places if place.is_dir() for file in sorted(place.glob("*.json"))[:16])
    if any(looks_like_coco(file) for file in jsons):
        return "coco"
    return _layout_by_files(folder)


def _layout_by_files(folder: Path) -> str | None:
    """By the first pictures that have an XML or a text file of their name, beside them or where such files belong."""
    pictures: set[str] = set()
    found: dict[str, list[Path]] = {".xml": [], ".txt": []}
    for path in _entries(folder):
        suffix = path.suffix.lower()
        if suffix in EXTENSIONS:
            pictures.add(path.stem)
        elif suffix in found and len(found[suffix]) < 64:
            found[suffix].append(path)
    if any(_is_voc(path) for path in found[".xml"]):
        return "voc"
    labels = [path for path in found[".txt"] if path.stem in pictures or "labels" in path.parts]
    return "yolo" if any(_is_yolo(path) for path in labels) else None


def _entries(folder: Path) -> list[Path]:
    """The files below a folder to some depth, folder by folder, a part of each: a large one must not hide the next."""
    waiting = [(folder, 0)]
    entries: list[Path] = []
    while waiting and len(entries) < _LOOKED_AT:
        here, depth = waiting.pop(0)
        folders: list[Path] = []
        with os.scandir(here) as inside:
            for entry in islice(inside, _LOOKED_AT // 4):
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    folders.append(Path(entry.path))
                else:
                    entries.append(Path(entry.path))
        if depth < _DEPTH:
            waiting += [(each, depth + 1) for each in sorted(folders)[:16]]
    return entries


def _is_voc(path: Path) -> bool:
    with path.open("rb") as stream:
        head = stream.read(4096)
    return re.search(rb"<annotation[\s>]", head, re.IGNORECASE) is not None


def _is_yolo(path: Path) -> bool:
    with path.open("rb") as stream:
        first = next(iter(stream.read(4096).splitlines()), b"")
    try:
        parse_yolo_line(first.decode())
    except ValueError:
        return False
    return True
