"""Small sets of pictures with boxes in every layout."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from striate.data.detections import Detections
from striate.data.voc_xml import to_voc
from striate.data.yolo_text import to_yolo

__all__ = ["coco", "photo", "voc_file", "voc_kit", "yolo"]

CLASSES = ("cat", "dog")


def photo(path: Path, w: int = 64, h: int = 48, orientation: int = 1, kind: str | None = None) -> Path:
    """A picture of one color that its name decides."""
    path.parent.mkdir(parents=True, exist_ok=True)
    color = np.random.default_rng(list(path.name.encode())).integers(0, 256, 3)
    exif = Image.Exif()
    exif[274] = orientation
    pixels = np.broadcast_to(color.astype(np.uint8), (h, w, 3)).copy()
    pixels[:: max(h // 7, 1)] = 255 - pixels[0, 0]
    Image.fromarray(pixels).save(path, kind, exif=exif)
    return path


def voc_file(
    path: Path, objects: Sequence[tuple[str, Sequence[float]]], size: tuple[int, int] | None = (64, 48)
) -> None:
    """An XML file with corners as written, whatever they are; `size` is width, height."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["<annotation>", f"<filename>{path.stem}.jpg</filename>"]
    if size is not None:
        lines.append(f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>")
    for name, corners in objects:
        inside = "".join(
            f"<{tag}>{v}</{tag}>" for tag, v in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)
        )
        lines.append(f"<object><name>{name}</name><difficult>0</difficult><bndbox>{inside}</bndbox></object>")
    path.write_text("\n".join([*lines, "</annotation>"]))


def voc_kit(root: Path, parts: Mapping[str, Mapping[str, Sequence[tuple[str, Sequence[float]]]]]) -> Path:
    """`VOC2007` with lists: split, name of the picture, objects."""
    for split, pictures in parts.items():
        for name, objects in pictures.items():
            photo(root / "JPEGImages" / f"{name}.jpg")
            voc_file(root / "Annotations" / f"{name}.xml", objects)
        lists = root / "ImageSets" / "Main"
        lists.mkdir(parents=True, exist_ok=True)
        (lists / f"{split}.txt").write_text("".join(f"{name}\n" for name in pictures))
    return root


def coco(
    file: Path, images: Sequence[Any], annotations: Sequence[Any], categories: Sequence[Any] | None = None
) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    known = categories if categories is not None else [{"id": n + 1, "name": name} for n, name in enumerate(CLASSES)]
    parts = {"images": images, "annotations": annotations, "categories": known}
    text = ",\n".join(
        f'"{key}": [\n' + ",\n".join(json.dumps(item) for item in items) + "\n]" for key, items in parts.items()
    )
    file.write_text("{" + text + "}\n")
    return file


def yolo(root: Path, pictures: Mapping[str, str], names: str = "names: [cat, dog]") -> Path:
    """`images/train/a` → lines of its text file."""
    for name, text in pictures.items():
        photo(root / f"{name}.jpg")
        file = root / f"{name.replace('images', 'labels')}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    splits = sorted({name.split("/")[1] for name in pictures})
    (root / "data.yaml").write_text("".join(f"{split}: images/{split}\n" for split in splits) + names + "\n")
    return root


def written(root: Path, truth: Mapping[str, Detections]) -> tuple[Path, Path]:
    """The same truth as VOC and as YOLO files beside pictures."""
    voc, text = root / "voc", root / "yolo"
    for name, boxes in truth.items():
        h, w = boxes.size or (48, 64)
        for folder in (voc, text):
            photo(folder / f"{name}.png", w, h)
        (voc / f"{name}.xml").write_text(to_voc(boxes, filename=f"{name}.png"))
        (text / f"{name}.txt").write_text(to_yolo(boxes))
    (text / "classes.txt").write_text("".join(f"{name}\n" for name in next(iter(truth.values())).labels))
    return voc, text
