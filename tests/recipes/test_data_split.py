"""Dividing a set: a table that opens as the divided set, and the files where they were."""

from pathlib import Path

import pytest

from striate.data.opening import open_data
from striate.errors import ConfigError, DataError
from striate.recipes.data_split import DataSplitConfig, run
from striate.recipes.events import Done, Plan
from tests.data.layouts import class_folders, files, picture


def split(**settings: object) -> Done:
    events = list(run(DataSplitConfig(**settings)))
    assert isinstance(events[0], Plan)
    assert isinstance(events[-1], Done)
    return events[-1]


def names(path: Path) -> dict[str, set[str]]:
    return {
        split: {str(images.store.path(i).resolve()) for i in range(len(images))}  # type: ignore[attr-defined]
        for split, images in open_data(path).items()
    }


@pytest.mark.parametrize("inside", [True, False])
def test_the_table_opens_as_the_divided_set(tmp_path: Path, inside: bool) -> None:
    root = class_folders(tmp_path / "set", {"a": 10, "b, c": 20})
    before = sorted(root.rglob("*"))
    out = (tmp_path if inside else tmp_path / "elsewhere") / "split.csv"
    done = split(path=root, val=0.2, test=0.1, out=out)
    found = names(out)
    assert {name: len(some) for name, some in found.items()} == {"train": 21, "val": 6, "test": 3}
    assert set().union(*found.values()) == {str(p.resolve()) for p in root.rglob("*.png")}
    assert sorted(root.rglob("*")) == before
    text = out.read_text(encoding="utf-8")
    assert ("\nset/a/" in text) == inside  # from the table's folder on where that is possible, so that both can move
    assert done.files["table"] == out
    split(path=root, val=0.2, test=0.1, out=tmp_path / "again.csv")
    assert names(tmp_path / "again.csv") == found


def test_files_of_one_group_stay_together(tmp_path: Path) -> None:
    files(tmp_path / "set", {f"{c}/{g}-{n}.png": picture() for c in "ab" for g in range(10) for n in range(3)})
    split(path=tmp_path / "set", val=0.2, group=r"^(\d+)-", out=tmp_path / "s.csv")
    sets = open_data(tmp_path / "s.csv")
    of = {name: set(images.groups or ()) for name, images in sets.items()}
    assert not of["train"] & of["val"]
    assert of["train"] | of["val"] == {str(g) for g in range(10)}


def test_a_test_set_that_is_there_stays(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "set", {"train/a": 8, "train/b": 8, "test/a": 2, "test/b": 2})
    split(path=root, val=0.25, out=tmp_path / "s.csv")
    found = names(tmp_path / "s.csv")
    assert {name: len(some) for name, some in found.items()} == {"train": 12, "val": 4, "test": 4}
    assert all("/test/" in name for name in found["test"])
    with pytest.raises(DataError, match="has test already; leave out --test"):
        split(path=root, test=0.25, out=tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({}, ConfigError, "Nothing is divided off; give --val, --test or both"),
        ({"val": 0.6, "test": 0.5}, ConfigError, "must leave something to train on, got 1.1 of 1"),
        ({"val": 0.1, "out": "x.npz"}, ConfigError, r"--out must name a .csv file, got 'x\.npz'"),
        ({"val": 0.1, "group": "("}, ConfigError, "--group must be a regular expression, got '.'"),
        ({"val": 0.1, "group": "zebra"}, ConfigError, "--group 'zebra' finds nothing in any name, such as '0.png'"),
        ({"val": 0.1, "out": "there.csv"}, DataError, "there.csv: exists already and is not overwritten"),
        ({"val": 0.1, "path": "set.npz"}, DataError, "no such file"),
    ],
)
def test_refusals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict, error: type[Exception], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    class_folders(tmp_path / "set", {"a": 5, "b": 5})
    (tmp_path / "there.csv").write_text("mine", encoding="utf-8")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(error, match=message):
        split(**{"path": "set", **settings})
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "there.csv").read_text(encoding="utf-8") == "mine"


def test_arrays_are_refused_with_the_way_out(tmp_path: Path) -> None:
    import numpy as np

    np.savez(tmp_path / "set.npz", images=np.zeros((4, 3, 3), dtype=np.uint8), labels=[0, 1, 0, 1])
    with pytest.raises(DataError, match="use 'striate data convert' with --val and --test"):
        split(path=tmp_path / "set.npz", val=0.5, out=tmp_path / "s.csv")
