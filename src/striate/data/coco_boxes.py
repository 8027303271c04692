"""Pictures with one JSON file for all of them, as COCO has them: its own folders, or one file a split anywhere.

    coco/annotations/instances_train2017.json  coco/train2017/000000000009.jpg
    data/train/_annotations.coco.json          data/train/a.jpg

What a file is called says to which split it belongs; a single one is `all`. Classes are the categories, by their
numbers, whether or not an object has them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from striate.data.box_assembly import BoxSource, assemble
from striate.data.box_rules import Mark, MarkedPicture
from striate.data.box_set import BoxSet
from striate.data.class_names import normal_name
from striate.data.coco_json import coco_items, corners_of, line_of, read_text
from striate.data.files import printable
from striate.data.image_folder import SPLIT_NAMES
from striate.data.picture_header import read_picture_header
from striate.data.problem import Problem
from striate.errors import DataError, nearest

__all__ = ["coco_files", "read_coco_boxes"]

_LOOKED_AT = 64  # pictures that say which folder is theirs


@dataclass(slots=True)
class _File:
    """One JSON file, before its pictures are looked for."""

    path: Path
    text: str
    images: dict[Any, tuple[int, dict[str, Any]]] = field(default_factory=dict)
    marks: dict[Any, list[tuple[int, dict[str, Any]]]] = field(default_factory=dict)
    categories: dict[Any, str] = field(default_factory=dict)
    alias: dict[Any, Any] = field(default_factory=dict)
    has_annotations: bool = False

    def locate(self, at: int) -> str:
        """File and line."""
        return line_of(self.text, printable(self.path))(at)


def read_coco_boxes(path: Path) -> dict[str, BoxSet]:
    """The pictures of COCO's JSON files and their boxes, `all` or one set a split.

    Args:
        path: A JSON file, or a folder with some in it or in `annotations`, or with one in each split's folder.

    Raises:
        DataError: If there is no such file, one is no JSON, or none of its pictures is there.
    """
    path = Path(path)
    files = coco_files(path)
    if not files:
        raise DataError(f"{printable(path)}: no JSON file with COCO's images, annotations and categories.")
    root = path if path.is_dir() else path.parent
    source = BoxSource(path, "coco", root)
    loaded = {split: _loaded(file, source.problems) for split, file in files.items()}
    first = loaded.get("train") or next(iter(loaded.values()))
    source.classes = tuple(dict.fromkeys(first.categories[number] for number in _ordered(first.categories)))
    for split, file in loaded.items():
        if not file.has_annotations:
            text = f"has no annotations, so that nobody knows what is on its pictures; {split} was left out"
            source.problems.append(Problem("unlabeled", printable(file.path), text))
            continue
        source.problems += _other_classes(split, file, source.classes)
        source.parts[split] = list(_pictures(file, split, root, source.problems))
    return assemble(source)


def coco_files(path: Path) -> dict[str, Path]:
    """The JSON files of a data set by their split; `all` where there is one and nothing says its split.

    Raises:
        DataError: If two of them are of the same split.
    """
    if path.is_file():
        return {"all": path}
    places = [path, path / "annotations", path / "Annotations", *(path / name for name in SPLIT_NAMES)]
    seen = {file.resolve(): file for place in places if place.is_dir() for file in sorted(place.glob("*.json"))}
    files = [file for file in seen.values() if not file.name.startswith(".") and looks_like_coco(file)]
    boxes = [file for file in files if not file.name.startswith(("captions", "person_keypoints", "stuff", "panoptic"))]
    found: dict[str, Path] = {}
    for file in boxes:
        split = _split_of(file, path) or ("all" if len(boxes) == 1 else "")
        if not split:
            continue
        if split in found:
            raise DataError(
                f"{printable(path)}: both {printable(found[split].name)} and {printable(file.name)} are of {split}; "
                "give one of the files instead of the folder."
            )
        found[split] = file
    if not found and boxes:
        raise DataError(
            f"{printable(path)}: {len(boxes)} JSON files, and no name says which is train, val or test; give one of "
            "them instead of the folder."
        )
    return {split: found[split] for split in ("all", "train", "val", "test") if split in found}


def looks_like_coco(file: Path) -> bool:
    """Whether a JSON file has COCO's lists, by its first and last megabyte."""
    try:
        with file.open("rb") as stream:
            head = stream.read(1 << 20)
            if not head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
                return False
            stream.seek(max(0, file.stat().st_size - (1 << 20)))
            both = head + stream.read(1 << 20)
    except OSError:
        return False
    return sum(word in both for word in (b'"images"', b'"annotations"', b'"categories"')) >= 2


def _split_of(file: Path, root: Path) -> str | None:
    """The split that the name of a file, or of its folder, says."""
    words = file.stem.lower().replace("-", "_").split("_")
    for word in reversed(words):
        if (plain := word.rstrip("0123456789")) in SPLIT_NAMES:
            return SPLIT_NAMES[plain]
    inside = file.parent.relative_to(root).parts
    return next((SPLIT_NAMES[part.lower()] for part in inside if part.lower() in SPLIT_NAMES), None)


def _loaded(path: Path, problems: list[Problem]) -> _File:
    file = _File(path, read_text(path))
    ids: set[Any] = set()
    names: dict[str, Any] = {}
    tell = _Teller(file, problems)
    for kind, at, item in coco_items(file.text, printable(path)):
        if not isinstance(item, dict):
            tell("bad-line", at, f"an item of {kind} that is no object; left out")
        elif kind == "images":
            _note_image(file, at, item, names, tell)
        elif kind == "categories":
            name, number = item.get("name"), item.get("id")
            if not isinstance(name, str) or not name.strip() or not isinstance(number, int):
                tell("bad-line", at, "a category without a name or a number; left out")
            elif number in file.categories:
                tell("duplicate-id", at, f"category {number} is there before, as '{file.categories[number]}'; left out")
            else:
                file.categories[number] = normal_name(name.strip())
        else:
            file.has_annotations = True
            number = item.get("id")
            if number is not None and not isinstance(number, list | dict):
                if number in ids:
                    tell("duplicate-id", at, f"annotation {number} is there before; both stay")
                elif number == 0 and isinstance(number, int):
                    tell("id-0", at, "annotation 0, which COCO's own evaluation takes for none; here it counts")
                ids.add(number)
            image = item.get("image_id")
            kept = {key: item.get(key) for key in ("category_id", "bbox", "area", "iscrowd", "ignore")}
            if corners_of(kept["bbox"]) is None and (outline := _outlined(item.get("segmentation"))):
                kept["bbox"] = outline
            file.marks.setdefault(None if isinstance(image, list | dict) else image, []).append((at, kept))
    file.has_annotations |= '"annotations"' in file.text and bool(file.images)
    if not file.images or not file.categories:
        lacks = "images" if not file.images else "categories"
        raise DataError(f"{printable(path)}: the list of {lacks} is missing or empty; no boxes can be read.")
    return file


class _Teller:
    """Adds problems with file and line."""

    def __init__(self, file: _File, problems: list[Problem]) -> None:
        self._locate, self._problems = line_of(file.text, printable(file.path)), problems

    def __call__(self, kind: str, at: int, text: str) -> None:
        self._problems.append(Problem(kind, self._locate(at), text))


def _note_image(file: _File, at: int, item: dict[str, Any], names: dict[str, Any], tell: _Teller) -> None:
    name, number = item.get("file_name"), item.get("id")
    if not isinstance(name, str) or not name or not isinstance(number, int | str) or isinstance(number, bool):
        tell("bad-line", at, "an image without file_name or id; left out")
    elif number in file.images or number in file.alias:
        tell("duplicate-id", at, f"image {number} is there before; {printable(name)} was left out")
    elif name in names:
        file.alias[number] = names[name]
        tell("duplicate-line", at, f"{printable(name)} is image {names[name]} before; their boxes were put together")
    else:
        names[name] = number
        file.images[number] = (at, {"file_name": name, "width": item.get("width"), "height": item.get("height")})


def _outlined(segmentation: Any) -> list[float] | None:
    """`[x, y, w, h]` of what outlines span, for files that have no boxes."""
    if not isinstance(segmentation, list) or not segmentation:
        return None
    outlines = segmentation if isinstance(segmentation[0], list) else [segmentation]
    numbers = [value for outline in outlines if isinstance(outline, list) for value in outline]
    if len(numbers) < 6 or not all(isinstance(value, int | float) for value in numbers):
        return None
    x, y = numbers[::2], numbers[1::2]
    return [min(x), min(y), max(x) - min(x), max(y) - min(y)]


def _ordered(categories: Mapping[Any, str]) -> list[Any]:
    return sorted(categories)


def _other_classes(split: str, file: _File, classes: tuple[str, ...]) -> Iterator[Problem]:
    for name in dict.fromkeys(file.categories.values()):
        if name not in classes:
            at = max(file.text.rfind(f'"{name}"'), 0)
            text = f"{split} has the category '{name}', which train does not have. {nearest(name, classes)}"
            yield Problem("class-not-in-train", file.locate(at), text)


def _pictures(file: _File, split: str, root: Path, problems: list[Problem]) -> Iterator[MarkedPicture]:
    locate = line_of(file.text, printable(file.path))
    folder = _picture_folder(file, split, root)
    by_image: dict[Any, list[tuple[int, dict[str, Any]]]] = {}
    for number, items in file.marks.items():
        target = file.alias.get(number, number)
        if target in file.images:
            by_image.setdefault(target, []).extend(items)
            continue
        for at, _ in items:
            text = f"an annotation of image {number!r}, which is not in the list of images; left out"
            problems.append(Problem("bad-line", locate(at), text))
    for number, (at, image) in file.images.items():
        name = image["file_name"].replace("\\", "/")
        picture = folder / name
        try:
            header = read_picture_header(picture)
        except DataError as error:
            kind = "unreadable" if picture.exists() else "missing"
            where = printable(picture) if kind == "unreadable" else locate(at)
            text = str(error).partition(": ")[2] if kind == "unreadable" else f"{printable(picture)} does not exist;"
            problems.append(
                Problem(kind, where, f"{text} It was left out." if kind == "unreadable" else f"{text} left out")
            )
            continue
        told = _told_size(image)
        inside = picture.is_relative_to(root)
        path = picture.relative_to(root).as_posix() if inside else picture.absolute().as_posix()
        marks = [_mark(file, at, item, locate, problems) for at, item in by_image.get(number, [])]
        kept = [mark for mark in marks if mark is not None]
        odd = told != header.upright or header.orientation != 1
        yield MarkedPicture(path, header, kept, told, locate, locate(at) if odd else "")


def _told_size(image: Mapping[str, Any]) -> tuple[int, int] | None:
    sides = image["height"], image["width"]
    if any(not isinstance(side, int | float) or isinstance(side, bool) or not 0 < side < 1 << 31 for side in sides):
        return None
    return int(sides[0]), int(sides[1])


def _mark(file: _File, at: int, item: Mapping[str, Any], locate: Any, problems: list[Problem]) -> Mark | None:
    corners = corners_of(item["bbox"])
    label = file.categories.get(item["category_id"]) if isinstance(item["category_id"], int) else None
    if label is None:
        known = f"{len(file.categories)} categories"
        text = f"category {item['category_id']!r} is none of the {known}; the box was left out"
        problems.append(Problem("unknown-class", locate(at), text))
        return None
    if corners is None:
        text = f"'{label}' has no bbox of four numbers ({str(item['bbox'])[:60]}); the box was left out"
        problems.append(Problem("bad-box", locate(at), text))
        return None
    area = item["area"]
    usable = isinstance(area, int | float) and not isinstance(area, bool) and 0 < area < 1e30
    return Mark(
        label,
        corners,
        at,
        difficult=bool(item["ignore"]),
        crowd=bool(item["iscrowd"]),
        area=float(area) if usable else None,
    )


def _picture_folder(file: _File, split: str, root: Path) -> Path:
    """The folder from which the names of pictures count: the one in which most of the first ones are."""
    here = file.path.parent
    stem = file.path.stem.rpartition("_")[2]
    folders = [here]
    for base in dict.fromkeys((here, root, here.parent)):
        names = [name for name, means in SPLIT_NAMES.items() if means == split]
        folders += [base, base / stem, base / "images", base / "images" / stem, base / "JPEGImages"]
        folders += [place for name in names for place in (base / name, base / "images" / name, base / name / "images")]
    first = [image["file_name"].replace("\\", "/") for _, image in list(file.images.values())[:_LOOKED_AT]]

    def found(folder: Path) -> int:
        return sum((folder / name).is_file() for name in first) if folder.is_dir() else 0

    best = here
    for folder in dict.fromkeys(folders):
        if (count := found(folder)) > found(best):
            best = folder
            if count == len(first):
                break
    return best
