"""The committed picture of the lesson on YOLO is what its script draws, but for JPEG's losses."""

import importlib.util
from pathlib import Path

import numpy as np
from PIL import Image

FOLDER = Path(__file__).parents[2] / "docs" / "images" / "lessons"


def test_the_picture_is_what_the_script_draws() -> None:
    spec = importlib.util.spec_from_file_location("render_yolo", FOLDER / "render_yolo.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    drawn = module.PICTURES["yolo-cells"]().astype(np.int16)
    with Image.open(FOLDER / "yolo-cells.jpg") as picture:
        committed = np.asarray(picture.convert("RGB")).astype(np.int16)
    assert committed.shape == drawn.shape
    # A label moved by its height, or another scene, changes whole areas; JPEG at quality 88 some levels at edges.
    assert np.abs(committed - drawn).mean() < 4
    assert (FOLDER / "yolo-cells.jpg").stat().st_size < 400_000
