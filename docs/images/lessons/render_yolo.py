"""Draw the picture of the lesson on YOLO: a scene, and the cells that are responsible for its objects.

Run: `python docs/images/lessons/render_yolo.py` (rewrites the JPEG file beside this one). What cells are to say is
known from the boxes, so no network is asked.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from striate.data import draw_scene
from striate.detection import BoxTargets, assign_cells
from striate.draw import draw_boxes, draw_class_cells

_SCENE = 5
_GAP = 16


def draw_responsible_cells() -> NDArray[np.uint8]:
    """The built-in scene with its boxes, beside the paper's grid of 7×7 cells with those that are responsible."""
    scene = draw_scene(_SCENE)
    truth = scene.truth
    height, width = scene.pixels.shape[:2]
    target = BoxTargets(
        torch.from_numpy(truth.boxes), torch.from_numpy(truth.classes), torch.zeros(len(truth), dtype=torch.bool)
    )
    wanted = assign_cells([target], [(height, width)], grid=(7, 7), canvas=(height, width))
    owned = wanted.has_object[0].numpy()
    owners = np.where(owned, wanted.classes[0].numpy(), -1)
    marked = draw_boxes(scene.pixels, truth.boxes, truth.classes, truth.labels, zoom=2)
    cells = draw_class_cells(
        scene.pixels,
        np.where(owned, owners, 0),
        truth.labels,
        strength=owned.astype(np.float64),
        owners=owners,
        zoom=2,
    )
    gap = np.full((marked.shape[0], _GAP, 3), 255, np.uint8)
    return np.concatenate([marked, gap, cells], axis=1)


PICTURES = {"yolo-cells": draw_responsible_cells}

if __name__ == "__main__":
    for name, draw in PICTURES.items():
        Image.fromarray(draw()).save(Path(__file__).with_name(f"{name}.jpg"), quality=88, optimize=True)
