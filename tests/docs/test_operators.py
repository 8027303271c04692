"""The committed pictures of the lessons on operators are what their script draws."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

FOLDER = Path(__file__).parents[2] / "docs" / "images" / "lessons"
NAMES = ("checkerboard.png", "filters.jpg", "matrix.png", "matrix-groups.png")


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("render_operators", FOLDER / "render_operators.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", NAMES)
def test_pictures_are_what_the_script_draws(name: str) -> None:
    drawn = _script().PICTURES[name]()
    with Image.open(FOLDER / name) as picture:
        committed = np.asarray(picture.convert("RGB"))
    if name.endswith("png"):
        np.testing.assert_array_equal(drawn, committed)
    else:  # JPEG: the same to the eye
        assert drawn.shape == committed.shape
        assert np.abs(drawn.astype(int) - committed).mean() < 3


def test_every_picture_is_tested_and_small() -> None:
    assert set(_script().PICTURES) == set(NAMES)
    assert all((FOLDER / name).stat().st_size < 150_000 for name in NAMES)
