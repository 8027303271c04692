"""A few colored shapes on quiet grounds, with exact boxes: pictures for tests of proposals and R-CNN."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from striate.data.box_set import BoxSet
from striate.data.detections import Detections
from striate.data.stores import ArrayStore, FileStore

CLASSES = ("disk", "square", "triangle")


def shape_picture(seed: int, *, side: int = 128) -> tuple[NDArray[np.uint8], Detections]:
    """One picture of `side` pixels with one to three shapes that do not overlap."""
    rng = np.random.default_rng(seed)
    ground = rng.integers(60, 190, 3)
    slope = np.linspace(-15, 15, side)[:, None, None] + np.linspace(-10, 10, side)[None, :, None]
    canvas = Image.fromarray(np.clip(ground + slope, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(canvas)
    boxes: list[tuple[int, int, int, int]] = []
    classes: list[int] = []
    for _ in range(20):
        if len(boxes) == 1 + seed % 3:
            break
        length = int(rng.integers(side // 5, side // 2))
        x, y = rng.integers(2, side - length - 2, 2).tolist()
        box = (x, y, x + length, y + length)
        if any(min(box[2], b[2]) + 4 > max(box[0], b[0]) and min(box[3], b[3]) + 4 > max(box[1], b[1]) for b in boxes):
            continue
        kind = int(rng.integers(3))
        color = tuple(((ground + rng.integers(70, 180, 3)) % 256).tolist())
        inner = (x, y, x + length - 1, y + length - 1)  # Pillow draws the last pixel, too
        if kind == 0:
            draw.ellipse(inner, fill=color)
        elif kind == 1:
            draw.rectangle(inner, fill=color)
        else:
            draw.polygon([(x, inner[3]), (inner[2], inner[3]), (x + length // 2, y)], fill=color)
        boxes.append(box)
        classes.append(kind)
    return np.asarray(canvas), Detections.of(boxes, classes, CLASSES, size=(side, side))


def shape_set(count: int, *, side: int = 128, seed: int = 0, folder: Path | None = None) -> BoxSet:
    """`count` pictures, in memory or as PNG files of a folder."""
    pictures = [shape_picture(1000 * seed + number, side=side) for number in range(count)]
    truth = tuple(boxes for _, boxes in pictures)
    if folder is None:
        store = ArrayStore(np.stack([pixels for pixels, _ in pictures]), "shapes")
        return BoxSet(CLASSES, truth, store, Path("shapes"), "voc")
    names = tuple(f"{number:03d}.png" for number in range(count))
    folder.mkdir(parents=True, exist_ok=True)
    for name, (pixels, _) in zip(names, pictures, strict=True):
        Image.fromarray(pixels).save(folder / name)
    return BoxSet(CLASSES, truth, FileStore(folder, names), folder, "voc")
