"""Folders of small drawn pictures with boxes, in every layout, and settings that train within a second."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from striate.data import Labels, Preprocessing
from striate.data.box_set import BoxSet
from striate.data.detections import Detections
from striate.data.stores import FileStore
from striate.data.write_boxes import write_coco, write_voc, write_yolo
from striate.models import find_entry
from striate.models.build import build
from striate.weights import NativeMetadata, save_native

CLASSES = ("red", "green", "blue")
QUICK: dict[str, Any] = {
    "model": "yolo_squeezenet1_1",
    "weights": "none",
    "epochs": 1,
    "batch_size": 4,
    "workers": 0,
    "size": 64,
    "precision": "float32",
    "ema": 0.0,
}


def rectangles(folder: Path, count: int, *, seed: int = 0, classes: tuple[str, ...] = CLASSES, most: int = 2) -> BoxSet:
    """Pictures of 80 × 64 px with up to `most` rectangles of pure color, as files; every third shows nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    names, truth = [], []
    for number in range(count):
        pixels = np.clip(rng.normal(120, 10, (64, 80, 3)), 0, 255).astype(np.uint8)
        boxes, kinds = [], []
        for place in range(0 if number % 3 == 2 else most):
            kind = (number + place) % len(classes)
            x, y, w, h = int(rng.integers(2, 14)) + 40 * place, int(rng.integers(2, 30)), 24, 30
            pixels[y : y + h, x : x + w] = np.eye(3, dtype=np.uint8)[kind % 3] * 220
            boxes.append((x, y, x + w, y + h))
            kinds.append(kind)
        names.append(f"s{seed}-{number:02d}.png")
        Image.fromarray(pixels).save(folder / names[-1])
        truth.append(Detections.of(boxes, kinds, classes, size=(64, 80)))
    return BoxSet(classes, tuple(truth), FileStore(folder, tuple(names)), folder, "drawn")


def box_folder(root: Path, layout: str = "voc", *, train: int = 9, val: int = 3, **more: Any) -> Path:
    """A data set with `train` and, unless `val` is 0, `val`."""
    parts = {"train": rectangles(root.with_name(f"{root.name}-drawn"), train, **more)}
    if val:
        parts["val"] = rectangles(root.with_name(f"{root.name}-drawn"), val, seed=7, **more)
    for _ in {"voc": write_voc, "coco": write_coco, "yolo": write_yolo}[layout](parts, root):
        pass
    return root


def sure_detector(path: Path, *, name: str = "yolo_squeezenet1_1", classes: tuple[str, ...] = CLASSES) -> Path:
    """The weights file of a detector that has learned nothing, and finds boxes on everything."""
    torch.manual_seed(0)
    entry = find_entry(name)
    module = build(entry, num_classes=len(classes))
    if name.startswith("yolo"):
        cells = module.get_submodule("network.cells")
        with torch.no_grad():
            cells.weight.normal_(std=0.02)
            cells.bias[: len(classes) + 2] = 0.8  # of every cell: some class, with some confidence
    view = Preprocessing((64, 64), None, fit=entry.fit, mean=(0.5,) * 3, std=(0.25,) * 3)
    said = NativeMetadata(name, entry.variant, "trained", preprocessing=view, labels=Labels(classes))
    return save_native(path, dict(module.state_dict()), metadata=said)
