"""Results on disk: whole, in the way that the ending names, and damaged ones said to be."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from striate import insight
from striate.errors import ConfigError, DataError
from striate.insight import Heatmap, InputGradient, PerturbationCurves, Segmentation
from striate.insight.store import json_bytes, load_arrays, pack_arrays, save_as


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


LOADED = {name: kind for name, kind in vars(insight).items() if isinstance(kind, type) and hasattr(kind, "load")}


@pytest.mark.parametrize("name", sorted(set(LOADED) - {"Explanation", "InversionSheet", "UnitPortraits"}))
def test_another_result_is_refused_by_every_kind(name: str, tmp_path: Path) -> None:
    (tmp_path / "odd.npz").write_bytes(pack_arrays({"kind": "odd"}, {"odd": np.zeros(2)}))
    with pytest.raises(DataError, match=r"odd\.npz holds (no whole|another kind)|holds another kind of result"):
        LOADED[name].load(tmp_path / "odd.npz")


def test_a_missing_array_is_a_damaged_file(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    x = torch.rand(3, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    results = [
        insight.saliency(net, x),
        insight.input_gradient(net, x),
        insight.feature_pictures(net, ["0:1"], steps=2, size=12),
        insight.top_patches(net, x, ["1"], k=2),
        insight.layer_activations(net, x)[0],
        insight.effective_field(net, x, "0"),
        insight.representations(net, x),
        insight.deletion(net, x, np.ones((3, 12, 12)), steps=2, random_orders=1),
    ]
    for result in results:
        path = result.save(tmp_path / "whole.npz")
        assert type(type(result).load(path)) is type(result)
        settings, arrays = load_arrays(path)
        first = next(iter(arrays))
        path.write_bytes(pack_arrays(settings, {name: a for name, a in arrays.items() if name != first}))
        with pytest.raises(DataError, match=type(result).__name__ + "|representations"):
            type(result).load(path)


def test_a_pickle_is_refused_without_advice_to_read_it(tmp_path: Path) -> None:
    np.savez(tmp_path / "bad.npz", settings=np.array([{"a": 1}], dtype=object))
    (tmp_path / "text.npz").write_text("garbage", encoding="utf-8")
    for name in ("bad.npz", "text.npz"):
        with pytest.raises(DataError, match="is damaged, or something else") as caught:
            Heatmap.load(tmp_path / name)
        assert "allow_pickle" not in str(caught.value)
