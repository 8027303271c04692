"""MNIST's files: magic, type and sizes are checked, pairs are found by name."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from striate.data.idx import is_idx, load_idx, read_idx, save_idx
from striate.errors import DataError
from tests.data.layouts import files, idx_bytes

IMAGES = np.arange(5 * 3 * 4, dtype=np.uint8).reshape(5, 3, 4)
LABELS = np.array([7, 0, 7, 3, 0], dtype=np.uint8)


def test_a_folder_gives_train_and_test(tmp_path: Path) -> None:
    files(
        tmp_path,
        {
            "train-images-idx3-ubyte.gz": gzip.compress(idx_bytes(IMAGES), mtime=0),
            "train-labels-idx1-ubyte.gz": gzip.compress(idx_bytes(LABELS), mtime=0),
            "t10k-images.idx3-ubyte": idx_bytes(IMAGES[:2]),
            "t10k-labels.idx1-ubyte": idx_bytes(LABELS[:2]),
        },
    )
    sets = read_idx(tmp_path)
    assert list(sets) == ["train", "test"]
    assert sets["train"].classes == ("0", "3", "7")
    assert sets["train"].labels.tolist() == [2, 0, 2, 1, 0]
    np.testing.assert_array_equal(sets["train"].pixels(4), np.repeat(IMAGES[4][:, :, None], 3, axis=2))
    assert sets["test"].name(1) == "t10k-images.idx3-ubyte#1"
    assert sets["train"].subset([4, 2]).name(1) == "train-images-idx3-ubyte.gz#2"
    (tmp_path / "classes.txt").write_text("\n".join("abcdefgh"), encoding="utf-8")
    assert read_idx(tmp_path)["train"].label(0) == "h"
    (tmp_path / "classes.txt").write_text("a\nb\n", encoding="utf-8")
    with pytest.raises(DataError, match="a label is 3, but there are names for 2 classes"):
        read_idx(tmp_path)


def test_the_packed_and_the_unpacked_file_side_by_side_are_one(tmp_path: Path) -> None:
    packed = {f"train-{n}.gz": gzip.compress(b, mtime=0) for n, b in (("images-idx3-ubyte", idx_bytes(IMAGES)),)}
    files(
        tmp_path, {**packed, "train-images-idx3-ubyte": idx_bytes(IMAGES), "train-labels-idx1-ubyte": idx_bytes(LABELS)}
    )
    assert len(read_idx(tmp_path)["train"]) == 5


@pytest.mark.parametrize("name", ["a.idx", "a.idx.gz"])
def test_round_trip_and_same_bytes(tmp_path: Path, name: str) -> None:
    save_idx(tmp_path / name, IMAGES)
    first = (tmp_path / name).read_bytes()
    np.testing.assert_array_equal(load_idx(tmp_path / name, axes=(3,)), IMAGES)
    save_idx(tmp_path / name, IMAGES)
    assert (tmp_path / name).read_bytes() == first
    assert is_idx(tmp_path / name)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not an idx file .it begins with nothing."),
        (b"\x89PNG\r\n", "not an idx file .it begins with 89 50 4e 47."),
        (b"\0\0\x0d\x03" + bytes(12), "holds floats; only idx files of bytes"),
        (idx_bytes(LABELS), "an array of 1 axes, where 3 belong"),
        (idx_bytes(IMAGES)[:9], "cut short within its header"),
        (idx_bytes(IMAGES)[:-1], "promises 60 bytes of numbers, it has 59"),
        (idx_bytes(IMAGES) + b"x", "promises 60 bytes of numbers, it has more"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "which are too many to load"),
        (gzip.compress(idx_bytes(IMAGES), mtime=0)[:-9], "cannot be read"),
        (gzip.compress(idx_bytes(IMAGES), mtime=0)[:20] + bytes(30), "cannot be read"),
    ],
    ids=["empty", "png", "floats", "labels", "header", "short", "long", "huge", "gzip-cut", "gzip-damaged"],
)
def test_refusals(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "x"
    path.write_bytes(data)
    with pytest.raises(DataError, match=message):
        load_idx(path, axes=(3,))


def test_a_gzip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(idx_bytes(IMAGES) + bytes(50_000_000)))
    with pytest.raises(DataError, match="it has more"):
        load_idx(path, axes=(3,))


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ({"train-images-idx3-ubyte": idx_bytes(IMAGES)}, "its labels are missing .train-labels-idx1-ubyte"),
        (
            {"train-images-idx3-ubyte": idx_bytes(IMAGES), "train-labels-idx1-ubyte": idx_bytes(LABELS[:4])},
            "5 pictures, but 4 labels in train-labels-idx1-ubyte",
        ),
        (
            {
                "a-train-images-idx3-ubyte": idx_bytes(IMAGES),
                "a-train-labels-idx1-ubyte": idx_bytes(LABELS),
                "b-train-images-idx3-ubyte": idx_bytes(IMAGES),
                "b-train-labels-idx1-ubyte": idx_bytes(LABELS),
            },
            "both 'a-train-images-idx3-ubyte' and 'b-train-images-idx3-ubyte' mean train",
        ),
    ],
)
def test_refusals_of_folders(tmp_path: Path, contents: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_idx(files(tmp_path, contents))
