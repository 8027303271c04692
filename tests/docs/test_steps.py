"""The committed animations are what their script draws."""

import importlib.util
import io
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

FOLDER = Path(__file__).parents[2] / "docs" / "images" / "lessons"
NAMES = ("convolution.gif", "pooling.gif")


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("render_steps", FOLDER / "render_steps.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", NAMES)
def test_animations_are_what_the_script_draws(name: str) -> None:
    drawn, committed = Image.open(io.BytesIO(_script().PICTURES[name]())), Image.open(FOLDER / name)
    assert drawn.n_frames == committed.n_frames
    for number in range(drawn.n_frames):
        drawn.seek(number)
        committed.seek(number)
        np.testing.assert_array_equal(np.asarray(drawn.convert("RGB")), np.asarray(committed.convert("RGB")))


def test_every_animation_is_tested_and_small() -> None:
    assert set(_script().PICTURES) == set(NAMES)
    assert all((FOLDER / name).stat().st_size < 400_000 for name in NAMES)
