"""npz archives: plain arrays only."""

from pathlib import Path

import numpy as np
import pytest

from striate.data.npz import read_npz
from striate.errors import DataError

GRAY = np.arange(4 * 5 * 6, dtype=np.uint8).reshape(4, 5, 6)


def npz(path: Path, **arrays: object) -> Path:
    np.savez(path / "set.npz", **arrays)
    return path / "set.npz"


def test_numbers_names_and_listed_classes(tmp_path: Path) -> None:
    images = read_npz(npz(tmp_path, images=GRAY, labels=[5, -1, 12, 5]))["all"]
    assert images.classes == ("-1", "5", "12")
    assert images.labels.tolist() == [1, 0, 2, 1]
    images = read_npz(npz(tmp_path, images=GRAY, labels=["b", "a", "b", "b"]))["all"]
    assert images.classes == ("a", "b")
    images = read_npz(npz(tmp_path, images=GRAY, labels=[0, 2, 2, 0], classes=["x", "y", "z"]))["all"]
    assert images.classes == ("x", "y", "z")
    assert images.counts().tolist() == [2, 0, 2]
    np.testing.assert_array_equal(images.pixels(3)[:, :, 1], GRAY[3])


@pytest.mark.parametrize("names", [("{}_images", "{}_labels"), ("x_{}", "y_{}")])
def test_splits_by_the_names_of_medmnist_and_keras(tmp_path: Path, names: tuple[str, str]) -> None:
    arrays = {}
    for split, rows in (("train", slice(0, 3)), ("test", slice(3, 4))):
        arrays[names[0].format(split)] = np.repeat(GRAY[rows, :, :, None], 3, axis=3)
        arrays[names[1].format(split)] = np.array([[1], [0], [1], [1]])[rows]
    sets = read_npz(npz(tmp_path, **arrays))
    assert {split: len(images) for split, images in sets.items()} == {"train": 3, "test": 1}
    assert sets["test"].labels.tolist() == [1]
    np.testing.assert_array_equal(sets["test"].pixels(0)[:, :, 2], GRAY[3])


def test_groups_without_a_name_are_alone(tmp_path: Path) -> None:
    groups = read_npz(npz(tmp_path, images=GRAY, labels=[0, 1, 0, 1], groups=["a", "", "", "a"]))["all"].groups
    assert groups is not None
    assert groups[0] == groups[3] == "a"
    assert len(set(groups)) == 3


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": GRAY}, "needs the arrays 'images' and 'labels', holds 'x'"),
        ({"images": GRAY}, "has 'images', but no 'labels'"),
        ({"images": GRAY, "labels": [0, 1, 2]}, "4 pictures in 'images', 3 labels in 'labels'"),
        ({"images": GRAY, "labels": [0.5] * 4}, "'labels' must be whole numbers or names, got float64"),
        ({"images": GRAY, "labels": np.eye(4, dtype=int)}, "one label a picture, n values, got 4 × 4"),
        ({"images": GRAY / 255, "labels": [0] * 4}, "images must be uint8, 0 to 255, got float64"),
        ({"images": GRAY[:, 0], "labels": [0] * 4}, "images must be n × h × w"),
        ({"images": GRAY, "labels": [0, 1, 2, 3], "classes": ["a"]}, "a label is 1, but there are names for 1 classes"),
        ({"images": GRAY, "labels": [0] * 4, "classes": ["a", "a"]}, "'classes' names a class twice"),
        ({"images": GRAY[:0], "labels": np.zeros(0, int)}, "no picture in it"),
        (
            {"images": np.array([{}, {}], dtype=object), "labels": [0, 1]},
            "holds Python objects, which are never loaded",
        ),
    ],
)
def test_refusals(tmp_path: Path, arrays: dict, message: str) -> None:
    path = npz(tmp_path, **arrays)
    with pytest.raises(DataError, match=message) as caught:
        read_npz(path)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 nothing", b"\x80\x04cos\nsystem\n", b"x" * 100])
def test_no_archive_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "set.npz").write_bytes(data)
    with pytest.raises(DataError, match=r"set\.npz: "):
        read_npz(tmp_path / "set.npz")
