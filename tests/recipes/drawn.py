"""Folders of small drawn pictures to learn from."""

from pathlib import Path

import numpy as np
from PIL import Image

from striate.data.image_set import ImageSet
from tests.training.small import bars

FAST = {
    "model": "lenet5_relu",
    "weights": "none",
    "epochs": 2,
    "batch_size": 8,
    "workers": 0,
    "augment": "none",
    "ema": 0.0,
    "lr": 0.003,
}


def draw_folder(root: Path, *, count: int = 30, classes: int = 2, names: tuple[str, ...] | None = None) -> Path:
    """Stripes of 16 pixels, a folder a class."""
    drawn: ImageSet = bars(count, classes=classes, side=16)
    for index in range(count):
        name = (names or drawn.classes)[int(drawn.labels[index])]
        (root / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(drawn.pixels(index)).save(root / name / f"{index:03d}.png")
    return root


def draw_npz(path: Path, *, count: int, classes: int) -> Path:
    """Noise of 8 pixels, as many classes as wanted."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % classes
    np.savez(path, images=rng.integers(0, 255, (count, 8, 8), dtype=np.uint8), labels=labels)
    return path
