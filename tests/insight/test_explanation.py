"""An explanation survives the disk, and a damaged one is said to be."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.errors import DataError
from striate.insight import Explanation
from tests.recipes.test_explain import explained


@pytest.fixture(scope="module")
def explanation(tmp_path_factory: pytest.TempPathFactory) -> Explanation:
    return explained(tmp_path_factory.mktemp("made"))


def test_everything_comes_back(explanation: Explanation, tmp_path: Path) -> None:
    written = explanation.save(tmp_path / "deep" / "folder")
    again = Explanation.load(tmp_path / "deep" / "folder")
    assert again.to_dict() == explanation.to_dict()
    assert again.summary == explanation.summary
    assert again.preprocessing == explanation.preprocessing
    for name, array in explanation.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], array)
    np.testing.assert_array_equal(np.asarray(Image.open(written["seen"])), explanation.seen)
    assert all(path.exists() for path in written.values())
    json.loads(written["json"].read_text(encoding="utf-8"))


def test_pictures_are_named_and_not_tiny(explanation: Explanation) -> None:
    drawn = explanation.pictures()
    assert {"seen", "saliency", "saliency_over_photo", "occlusion", "occlusion_over_photo", "kernels"} <= set(drawn)
    assert sum(name.startswith("activations_") for name in drawn) == len(explanation.activations)
    assert all(picture.dtype == np.uint8 and min(picture.shape[:2]) >= 24 for picture in drawn.values())


def test_a_folder_without_data_or_with_damaged_data_is_said_so(explanation: Explanation, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no saved explanation: explanation\.json is missing"):
        Explanation.load(tmp_path)
    explanation.save(tmp_path)
    whole = (tmp_path / "explanation.json").read_text(encoding="utf-8")
    for text in (whole[: len(whole) // 2], "{}", whole.replace('"format": 2', '"format": 99')):
        (tmp_path / "explanation.json").write_text(text, encoding="utf-8")
        with pytest.raises(DataError, match=str(tmp_path)):
            Explanation.load(tmp_path)
    (tmp_path / "explanation.json").write_text(whole, encoding="utf-8")
    (tmp_path / "arrays.npz").write_bytes(b"PK nothing")
    with pytest.raises(DataError, match="damaged"):
        Explanation.load(tmp_path)


def test_another_explanation_in_the_same_folder_leaves_nothing_of_the_first(
    explanation: Explanation, tmp_path: Path
) -> None:
    explanation.save(tmp_path)
    fewer = replace(explanation, activations=explanation.activations[:1])
    written = fewer.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in written.values()}


def test_a_full_disk_leaves_what_was_there(
    explanation: Explanation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    explanation.save(tmp_path)
    before = (tmp_path / "arrays.npz").read_bytes()

    def fill_up(_number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fill_up)
    with pytest.raises(OSError, match="No space left"):
        explanation.save(tmp_path)
    assert (tmp_path / "arrays.npz").read_bytes() == before
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".part")]
