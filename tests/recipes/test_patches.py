"""The passes over a folder and over a photo, as the command line and others run them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.errors import DataError
from striate.insight import LayerActivations, TopPatches, UnitStatistics
from striate.recipes import activations, patches
from striate.recipes.events import Done, Plan, Progress


def digits(folder: Path, count: int = 6) -> Path:
    folder.mkdir()
    for i in range(count):
        pixels = np.zeros((28, 28), np.uint8)
        pixels[6:22, 8 + i : 12 + i] = 255
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return folder


def test_patches_of_a_folder(tmp_path: Path) -> None:
    config = patches.PatchesConfig(
        network="lenet5.mnist", images=digits(tmp_path / "in"), top=3, statistics=True, out=tmp_path / "out", workers=0
    )
    events = list(patches.run(config))
    plan, done = next(e for e in events if isinstance(e, Plan)), events[-1]
    assert "excite each unit" in plan.text
    assert isinstance(done, Done)
    moving = [e for e in events if isinstance(e, Progress) and e.stage.startswith("patches")]
    assert (moving[-1].done, moving[-1].total) == (6, 6)
    assert "images/s" in moving[-1].stage
    assert TopPatches.load(done.files["patches"]).to_dict() == done.result.to_dict()
    assert list(UnitStatistics.load(done.files["statistics"]).layers) == list(done.result.layers)
    assert all(path.is_file() for path in done.files.values())


def test_activations_of_a_photo(tmp_path: Path) -> None:
    photo = digits(tmp_path / "in", 1) / "0.png"
    config = activations.ActivationsConfig(photo=photo, network="lenet5.mnist", pictures=True, out=tmp_path / "out")
    *_, done = activations.run(config)
    assert isinstance(done, Done)
    assert done.files["report"].read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert LayerActivations.load(done.files["npz"]).to_dict() == done.result.to_dict()
    assert len(list(done.files["pictures"].glob("*.png"))) == len(done.result.layers)


def test_what_is_missing_is_said(tmp_path: Path, photo_path: Callable[[str], Path]) -> None:
    with pytest.raises(DataError, match="no such file"):
        list(activations.run(activations.ActivationsConfig(photo=tmp_path / "none.png")))
    config = patches.PatchesConfig(network="lenet5.mnist", images=tmp_path / "none")
    with pytest.raises(DataError, match="no such file"):
        list(patches.run(config))
