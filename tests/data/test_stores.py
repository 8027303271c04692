"""Stores: what a picture is called, where it is, and what happens when it is no longer there."""

import os
from pathlib import Path

import numpy as np
import pytest

from striate.data.image_set import ImageSet
from striate.data.stores import ArrayStore, FileStore, Store, TarStore
from striate.errors import DataError, ShapeError


def test_rows_keep_their_numbers_and_share_the_array() -> None:
    array = np.arange(6 * 2 * 3, dtype=np.uint8).reshape(6, 2, 3)
    store = ArrayStore(array, "set.npz").subset(np.array([5, 1, 3])).subset(np.array([2, 0]))
    assert (len(store), store.name(0), store.where(1)) == (2, "set.npz#3", "set.npz, picture 5")
    assert store.array is array
    np.testing.assert_array_equal(store.read(0)[:, :, 2], array[3])
    np.testing.assert_array_equal(store.take(np.array([1, 0])), array[[5, 3]])
    assert isinstance(store, Store)


@pytest.mark.untyped
@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 3), np.uint8), "must be n × h × w .* got 2 × 3"),
        (np.zeros((2, 3, 3, 4), np.uint8), "got 2 × 3 × 3 × 4"),
        (np.zeros((2, 3, 0), np.uint8), "images without pixels"),
        (np.zeros((2, 3, 3), np.float32), "must be uint8, 0 to 255, got float32"),
    ],
)
def test_arrays_that_are_refused(array: np.ndarray, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        ArrayStore(array, "set.npz")


def test_files_that_are_gone_too_large_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").write_bytes(b"12345")
    store = FileStore(tmp_path, ("a.png", "none.png", str(tmp_path / "a.png"), "a\nb.png", "."))
    assert store.read(0) == store.read(2) == b"12345"
    with pytest.raises(DataError, match=r"none\.png: no such file\."):
        store.read(1)
    with pytest.raises(DataError, match=r"a\\nb\.png'?: no such file"):
        store.read(3)
    with pytest.raises(DataError, match="not a regular file"):
        store.read(4)
    monkeypatch.setattr("striate.data.stores.MAX_FILE_BYTES", 4)
    with pytest.raises(DataError, match="5 bytes are too many for one picture"):
        store.read(0)


@pytest.mark.skipif(os.name != "posix", reason="needs pipes")
def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(DataError, match="not a regular file"):
        FileStore(tmp_path, ("pipe.png",)).read(0)


def test_a_shard_that_is_gone(tmp_path: Path) -> None:
    one = np.array([0], dtype=np.int64)
    with pytest.raises(DataError, match=r"x\.tar: 1\.png: cannot be read"):
        TarStore((tmp_path / "x.tar",), one, one, one + 5, ("1.png",)).read(0)


@pytest.mark.parametrize(
    ("labels", "groups", "message"),
    [
        ([0, 1], None, "3 pictures, 2 labels; one each is needed"),
        ([0, 1, 1], ("a",), "3 pictures, 3 labels, 1 groups"),
        ([0, 1, 2], None, "labels reach from 0 to 2, but there are 2 classes"),
        ([-1, 1, 1], None, "labels reach from -1 to 1"),
    ],
)
def test_sets_that_contradict_themselves_are_refused(labels: list[int], groups: tuple | None, message: str) -> None:
    store = FileStore(Path(), ("1", "2", "3"))
    with pytest.raises(DataError, match=message):
        ImageSet(("a", "b"), np.array(labels, dtype=np.int64), store, Path("set"), "folder", groups=groups)


def test_a_subset_takes_everything_along(tmp_path: Path) -> None:
    images = ImageSet(
        ("a", "b"),
        np.array([0, 1, 1], dtype=np.int64),
        FileStore(tmp_path, ("1", "2", "3")),
        tmp_path,
        "csv",
        groups=("x", "y", "z"),
    )
    part = images.subset([2, 0])
    assert [part.name(i) for i in range(2)] == ["3", "1"]
    assert part.labels.tolist() == [1, 0]
    assert part.groups == ("z", "x")
    assert part.classes == images.classes
    assert part.counts().tolist() == [1, 1]
    assert part.subset([]).counts().tolist() == [0, 0]
    assert part.where(0) == str(tmp_path / "3")
