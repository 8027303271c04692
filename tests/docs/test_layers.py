"""The committed pictures of the lessons on layers are what their script draws."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

FOLDER = Path(__file__).parents[2] / "docs" / "images" / "lessons"


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("render_layers", FOLDER / "render_layers.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["channels", "receptive-field", "small-filters"])
def test_pictures_are_what_the_script_draws(name: str) -> None:
    drawn = _script().PICTURES[name]()
    with Image.open(FOLDER / f"{name}.png") as picture:
        committed = np.asarray(picture.convert("RGB"))
    np.testing.assert_array_equal(drawn, committed)


def test_every_picture_is_tested_and_small() -> None:
    assert set(_script().PICTURES) == {"channels", "receptive-field", "small-filters"}
    assert all((FOLDER / f"{name}.png").stat().st_size < 150_000 for name in _script().PICTURES)
