"""Write pictures with boxes as VOC, COCO or YOLO have them. The bytes of the pictures are copied as they are.

    voc    JPEGImages/a.jpg  Annotations/a.xml  ImageSets/Main/train.txt
    coco   images/train/a.jpg  annotations/instances_train.json
    yolo   images/train/a.jpg  labels/train/a.txt  data.yaml

Without splits there are no lists, no folders for them, and `classes.txt` in place of data.yaml.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import yaml

from striate.data.box_set import BoxSet
from striate.data.class_names import CLASS_FILE, class_order
from striate.data.coco_json import to_coco
from striate.data.files import EXTENSIONS
from striate.data.formats import HEAD_BYTES, recognize
from striate.data.voc_xml import to_voc
from striate.data.write_files import FreeNames, file_bytes
from striate.data.yolo_text import to_yolo
from striate.errors import DataError

__all__ = ["BoxLayout", "coco_document", "write_coco", "write_voc", "write_yolo"]

BoxLayout = Literal["voc", "coco", "yolo"]


def write_voc(sets: Mapping[str, BoxSet], out: Path) -> Iterator[None]:
    """A development kit of one year; yields after every picture.

    Raises:
        DataError: If a picture cannot be read.
    """
    classes = next(iter(sets.values())).classes
    free = FreeNames()
    present: set[str] = set()
    for split, boxes in sets.items():
        names = []
        for index in range(len(boxes)):
            name, data = _copied(boxes, index, free)
            truth = boxes.truth[index]
            stem = PurePosixPath(name).stem
            _write(out / "JPEGImages" / name, data)
            _write(out / "Annotations" / f"{stem}.xml", to_voc(truth, filename=name).encode())
            names.append(stem)
            if split in {"all", "train"}:
                present.update(truth.label(row) for row in range(len(truth)))
            yield
        if split != "all":
            _write(out / "ImageSets" / "Main" / f"{split}.txt", "".join(f"{name}\n" for name in names).encode())
    if class_order(present) != classes:
        _write(out / CLASS_FILE, "".join(f"{name}\n" for name in classes).encode())


def write_coco(sets: Mapping[str, BoxSet], out: Path) -> Iterator[None]:
    """Pictures, and one JSON file a split; yields after every picture.

    Raises:
        DataError: If a picture cannot be read.
    """
    for split, boxes in sets.items():
        folder = out / "images" if split == "all" else out / "images" / split
        free = FreeNames()
        names = []
        for index in range(len(boxes)):
            name, data = _copied(boxes, index, free)
            _write(folder / name, data)
            names.append(name)
            yield
        _write(out / "annotations" / f"instances_{split}.json", coco_document(boxes, names).encode())


def coco_document(boxes: BoxSet, file_names: list[str]) -> str:
    """All boxes of a set as COCO's JSON, one item a line, so that a line can be named.

    Args:
        boxes: The set.
        file_names: What each picture shall be called.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, (name, truth) in enumerate(zip(file_names, boxes.truth, strict=True), start=1):
        height, width = truth.size or (0, 0)
        images.append({"id": number, "file_name": name, "width": width, "height": height})
        annotations += to_coco(truth, image_id=number, first_id=len(annotations) + 1)
    categories = [{"id": number, "name": name} for number, name in enumerate(boxes.classes, start=1)]
    parts = {"images": images, "annotations": annotations, "categories": categories}
    lists = (
        f'"{key}": [\n' + ",\n".join(json.dumps(item, ensure_ascii=False) for item in items) + "\n]"
        for key, items in parts.items()
    )
    return "{\n" + ",\n".join(lists) + "\n}\n"


def write_yolo(sets: Mapping[str, BoxSet], out: Path) -> Iterator[None]:
    """Pictures, a text file for each, and the settings; yields after every picture.

    Raises:
        DataError: If a picture cannot be read, or nobody knows its size.
    """
    classes = next(iter(sets.values())).classes
    for split, boxes in sets.items():
        below = "" if split == "all" else split
        free = FreeNames()
        for index in range(len(boxes)):
            name, data = _copied(boxes, index, free)
            _write(out / "images" / below / name, data)
            lines = to_yolo(boxes.truth[index]) if len(boxes.truth[index]) else ""
            _write(out / "labels" / below / f"{PurePosixPath(name).stem}.txt", lines.encode())
            yield
    if "all" in sets:
        _write(out / CLASS_FILE, "".join(f"{name}\n" for name in classes).encode())
        return
    settings = {**{split: f"images/{split}" for split in sets}, "names": dict(enumerate(classes))}
    _write(out / "data.yaml", yaml.safe_dump(settings, sort_keys=False, allow_unicode=True).encode())


def _copied(boxes: BoxSet, index: int, free: FreeNames) -> tuple[str, bytes]:
    """A name for the picture whose stem no other has, and its bytes."""
    data, _ = file_bytes(boxes.pictures, index)
    given = PurePosixPath(boxes.name(index).replace("\\", "/")).name.lstrip(".") or "picture"
    suffix = PurePosixPath(given).suffix
    if suffix.lower() not in EXTENSIONS:
        kind = recognize(data[:HEAD_BYTES])
        if kind is None:
            raise DataError(f"{boxes.where(index)}: not an image of a kind that is read.")
        suffix = f".{kind.lower()}"
        stem = given
    else:
        stem = given[: -len(suffix)]
    return free.take(PurePosixPath(f"{stem}.x"))[:-2] + suffix, data


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
