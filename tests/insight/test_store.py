"""Results on disk: whole, in the way that the ending names, and damaged ones said to be."""

import json
from pathlib import Path

import numpy as np
import pytest

from striate.errors import ConfigError, DataError
from striate.insight import Heatmap, InputGradient, PerturbationCurves, Segmentation
from striate.insight.store import json_bytes, save_as


def test_the_ending_decides_and_others_are_refused(tmp_path: Path) -> None:
    ways = {".npz": lambda: b"numbers", ".PNG".lower(): lambda: b"picture"}
    assert save_as(tmp_path / "a.NPZ", ways).read_bytes() == b"numbers"
    with pytest.raises(ConfigError, match=r"path must end in \.npz or \.png; got 'a\.txt'\."):
        save_as(tmp_path / "a.txt", ways)
    assert [path.name for path in tmp_path.iterdir()] == ["a.NPZ"]


def test_what_cannot_be_made_leaves_the_file_before_it(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("before", encoding="utf-8")

    def fails() -> bytes:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        save_as(tmp_path / "a.json", {".json": fails})
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == "before"


def test_numbers_that_are_none_become_null() -> None:
    read = json.loads(json_bytes({"a": [1.5, float("nan")], "b": {"c": float("inf")}, "d": "é"}))
    assert read == {"a": [1.5, None], "b": {"c": None}, "d": "é"}


@pytest.mark.parametrize("kind", [Heatmap, InputGradient, PerturbationCurves, Segmentation])
def test_missing_and_damaged_files_are_named(kind: type, tmp_path: Path) -> None:
    (tmp_path / "bad.npz").write_bytes(b"PK nothing")
    for name in ("bad.npz", "none.npz"):
        with pytest.raises(DataError, match=name):
            kind.load(tmp_path / name)


def test_a_map_with_gaps_is_still_json(tmp_path: Path) -> None:
    values = np.array([[[1.0, np.nan]]], dtype=np.float32)
    path = Heatmap(values, "saliency", "|d|", signed=False, target=(1,)).save(tmp_path / "m.json")
    assert json.loads(path.read_text(encoding="utf-8"))["values"] == [[[1.0, None]]]
