"""Pictures with an XML file each, as PASCAL VOC has them: its development kit, or any folder with both.

    VOCdevkit/VOC2007/Annotations/000005.xml  JPEGImages/000005.jpg  ImageSets/Main/train.txt
    data/train/a.jpg  data/train/a.xml        or annotations/a.xml beside images/a.jpg

Of a development kit the lists in `ImageSets/Main` say what belongs to train, val and test; several years are one set.
In other folders `train`, `val` and `test` among the folders' names say it.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

from striate.data.box_assembly import BoxSource, assemble
from striate.data.box_rules import Mark, MarkedPicture
from striate.data.box_set import BoxSet
from striate.data.class_names import read_class_file
from striate.data.files import EXTENSIONS, printable
from striate.data.image_folder import SPLIT_NAMES
from striate.data.picture_header import read_picture_header
from striate.data.problem import Problem
from striate.data.voc_xml import MAX_XML_BYTES, VocRecord, parse_voc
from striate.errors import ConfigError, DataError

__all__ = ["read_voc_boxes"]

_PICTURE_FOLDERS = ("JPEGImages", "images", "imgs", "img", "Images", "image")


@dataclass(slots=True)
class _Folder:
    """Every picture and XML file below a folder, paths from it with `/`."""

    pictures: dict[str, list[str]] = field(default_factory=dict)  # by folder and stem: "train/a" → ["train/a.jpg"]
    stems: dict[str, list[str]] = field(default_factory=dict)
    records: list[str] = field(default_factory=list)


def read_voc_boxes(path: Path, *, first_pixel: Literal["auto", 0, 1] = "auto") -> dict[str, BoxSet]:
    """The pictures below a folder and their boxes, `all` or one set a split.

    Args:
        path: `VOCdevkit`, one year in it, or a folder with pictures and XML files.
        first_pixel: The number of the left and upper pixel in the files: 1 in VOC, 0 in files of some tools. `auto`: 0
            where more corners are 0 than 1, which VOC's own numbers never are; 1 otherwise.

    Raises:
        DataError: If there is no picture with an XML file that can be read.
        ConfigError: If `first_pixel` is none of the three.
    """
    if first_pixel not in {"auto", 0, 1}:
        raise ConfigError(f"first_pixel must be 'auto', 0 or 1, got {first_pixel!r}.")
    path = Path(path)
    folder = _listed(path)
    source = BoxSource(path, "voc", path, read_class_file(path))
    records: list[tuple[str, str, VocRecord]] = []  # split, file, what it says
    for split, file in _wanted(path, folder, source.problems):
        record = _record(path, file, source.problems)
        if record is not None:
            records.append((split, file, record))
    base = _first_pixel([record for _, _, record in records], source) if first_pixel == "auto" else first_pixel
    used: dict[str, str] = {}
    for split, file, record in records:
        picture = _marked(path, (file, record), folder, base, source.problems)
        if picture is None:
            continue
        if picture.path in used:
            text = f"is of {picture.path}, as {used[picture.path]} is; left out"
            source.problems.append(Problem("duplicate-id", printable(path / file), text))
            continue
        used[picture.path] = file
        source.parts.setdefault(split, []).append(picture)
    source.problems += _unlabeled(path, folder, used)
    return assemble(source)


def _listed(path: Path) -> _Folder:
    found = _Folder()
    entered: set[tuple[int, int]] = set()

    def refuse(error: OSError) -> None:
        raise DataError(f"{printable(error.filename or path)}: cannot be listed ({error.strerror}).") from error

    for here, folders, names in os.walk(path, followlinks=True, onerror=refuse):
        facts = Path(here).stat()
        if (facts.st_dev, facts.st_ino) in entered:  # a link that leads back
            folders.clear()
            continue
        entered.add((facts.st_dev, facts.st_ino))
        lower = {name.lower() for name in folders}
        # A kit's masks of segmentation are pictures, too, of the same names.
        segmented = lower >= {"annotations", "jpegimages"}
        folders[:] = sorted(
            n for n in folders if not n.startswith(".") and not (segmented and n.lower().startswith("segmentation"))
        )
        prefix = Path(here).relative_to(path).as_posix()
        prefix = "" if prefix == "." else f"{prefix}/"
        for name in sorted(names):
            stem, suffix = os.path.splitext(name)  # noqa: PTH122 - 100 k
            suffix = suffix.lower()
            if name.startswith("."):
                continue
            if suffix in EXTENSIONS:
                found.pictures.setdefault(prefix + stem, []).append(prefix + name)
                found.stems.setdefault(stem, []).append(prefix + name)
            elif suffix == ".xml":
                found.records.append(prefix + name)
    return found


def _wanted(path: Path, folder: _Folder, problems: list[Problem]) -> Iterator[tuple[str, str]]:
    """Split and path of every XML file that belongs to the set."""
    by_folder: dict[str, list[str]] = {}
    for file in folder.records:
        by_folder.setdefault(file.rpartition("/")[0], []).append(file)
    for place, files in by_folder.items():
        kit = PurePosixPath(place).parent.as_posix() if PurePosixPath(place).name.lower() == "annotations" else ""
        lists = _lists(path / kit) if PurePosixPath(place).name.lower() == "annotations" else {}
        if not lists:
            split = next((SPLIT_NAMES[part.lower()] for part in place.split("/") if part.lower() in SPLIT_NAMES), "all")
            yield from ((split, file) for file in files)
            continue
        known = set(files)
        listed: set[str] = set()
        for split, list_file in lists.items():
            for number, name in _names(list_file):
                wanted = f"{place}/{name}.xml" if place else f"{name}.xml"
                if wanted in listed:
                    problems.append(
                        Problem(
                            "duplicate-line",
                            f"{printable(list_file)}, line {number}",
                            f"'{name}' is in a list before, too; it belongs to that",
                        )
                    )
                elif wanted in known:
                    listed.add(wanted)
                    yield split, wanted
                else:
                    text = f"'{name}' has no file {printable(wanted)}; left out"
                    problems.append(Problem("unlabeled", f"{printable(list_file)}, line {number}", text))
        if unlisted := len(known) - len(listed):
            text = f"{unlisted:,} of {len(known):,} XML files are in no list of ImageSets/Main; left out"
            problems.append(Problem("not-listed", printable(path / place), text))


def _lists(kit: Path) -> dict[str, Path]:
    """The lists of a kit that count: train, val and test; trainval only where there is no train."""
    main = kit / "ImageSets" / "Main"
    found = {split: main / f"{split}.txt" for split in ("train", "val", "test") if (main / f"{split}.txt").is_file()}
    if "train" not in found and (main / "trainval.txt").is_file():
        return {"train": main / "trainval.txt", **{k: v for k, v in found.items() if k == "test"}}
    return found


def _names(file: Path) -> Iterator[tuple[int, str]]:
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{printable(file)}: cannot be read as a list of names ({error}).") from error
    for number, line in enumerate(lines, start=1):
        if words := line.split():
            yield number, words[0].removesuffix(".xml").removesuffix(".jpg")


def _record(path: Path, file: str, problems: list[Problem]) -> VocRecord | None:
    where = printable(path / file)
    try:
        full = path / file
        if full.stat().st_size > MAX_XML_BYTES:
            raise DataError(f"{where}: {full.stat().st_size:,} bytes are too many for the boxes of one picture.")
        return parse_voc(full.read_bytes(), where)
    except DataError as error:
        place, _, text = str(error).partition(": ")
        if "no <annotation>" in text:
            problems.append(Problem("other-file", place, "an XML file without <annotation>; left out"))
        else:
            problems.append(Problem("bad-annotation", place, f"{text} The picture was left out."))
    except OSError as error:
        problems.append(Problem("bad-annotation", where, f"cannot be read ({error.strerror or error}). Left out."))
    return None


def _first_pixel(records: Sequence[VocRecord], source: BoxSource) -> int:
    zeros = ones = 0
    for record in records:
        for each in record.objects:
            for name in ("xmin", "ymin"):
                value = each.corners.get(name)
                zeros += value == 0
                ones += value == 1
    if zeros > ones:
        text = f"{zeros:,} corners are 0 and {ones:,} are 1: pixels were counted from 0 here, not from 1 as in VOC"
        source.problems.append(Problem("counted-from-0", printable(source.path), text))
        return 0
    return 1


def _marked(
    path: Path, item: tuple[str, VocRecord], folder: _Folder, base: int, problems: list[Problem]
) -> MarkedPicture | None:
    file, record = item
    where = printable(path / file)
    picture = _picture_of(file, record.filename, folder)
    if picture is None:
        named = f" ('{printable(record.filename)}')" if record.filename else ""
        problems.append(Problem("missing", where, f"its picture{named} is not there; left out"))
        return None
    try:
        header = read_picture_header(path / picture)
    except DataError as error:
        place, _, text = str(error).partition(": ")
        problems.append(Problem("unreadable", place, f"{text} It was left out."))
        return None
    marks = [Mark(each.name, each.box(base), each.line, each.difficult) for each in record.objects]
    return MarkedPicture(picture, header, marks, record.size, lambda line: f"{where}, line {line}", where)


def _picture_of(file: str, filename: str, folder: _Folder) -> str | None:
    """The picture of an XML file: of the file's name or of the one that it says, near it or the only one anywhere."""
    place, _, name = file.rpartition("/")
    stem = name[:-4]
    named = os.path.splitext(PurePosixPath(filename.replace("\\", "/")).name)[0] if filename else ""  # noqa: PTH122
    for wanted in dict.fromkeys((stem, named)):
        if not wanted:
            continue
        for around in _places(place):
            found = folder.pictures.get(f"{around}/{wanted}" if around else wanted)
            if found:
                exact = f"{around}/{PurePosixPath(filename).name}" if around else filename
                return exact if exact in found else found[0]
        everywhere = folder.stems.get(wanted, [])
        if len(everywhere) == 1:
            return everywhere[0]
    return None


def _places(place: str) -> Iterator[str]:
    """Folders in which the pictures of a folder of XML files may lie."""
    yield place
    parts = place.split("/")
    for at in reversed(range(len(parts))):
        if parts[at].lower() in {"annotations", "annotation", "xmls", "labels", "xml"}:
            for name in _PICTURE_FOLDERS:
                yield "/".join([*parts[:at], name, *parts[at + 1 :]])
            yield "/".join([*parts[:at], *parts[at + 1 :]])


def _unlabeled(path: Path, folder: _Folder, used: dict[str, str]) -> Iterator[Problem]:
    """Pictures without an XML file: nobody said that nothing is on them."""
    recorded = {PurePosixPath(file).stem for file in folder.records}
    for stem, pictures in folder.stems.items():
        for picture in pictures:
            if stem not in recorded and picture not in used:
                yield Problem("unlabeled", printable(path / picture), "has no XML file; left out")
