"""Every layout is recognized by looking, and what is none is refused in a sentence."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from striate.data.opening import open_data
from striate.errors import DataError
from tests.data.layouts import class_folders, files, idx_bytes, picture, tar

ROW = np.zeros((2, 3, 4), dtype=np.uint8)
SHARD = [("1.png", picture()), ("1.cls", b"a"), ("2.png", picture(1)), ("2.cls", b"b")]


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    class_folders(tmp_path / "folder", {"a": 1, "b": 1})
    files(tmp_path / "csv", {"labels.csv": b"file,class\n1.png,a\n2.png,b\n", "1.png": picture(), "2.png": picture()})
    labels = idx_bytes(np.array([0, 1], dtype=np.uint8))
    files(tmp_path / "idx", {"train-images-idx3-ubyte": idx_bytes(ROW), "train-labels-idx1-ubyte": labels})
    np.savez(tmp_path / "set.npz", images=ROW, labels=[0, 1])
    for name in ("tar/0.tar", "tars/train/0.tar", "tars/val/0.tar"):
        (tmp_path / name).parent.mkdir(parents=True)
        tar(tmp_path / name, SHARD)
    shutil.copy(tmp_path / "tar/0.tar", tmp_path / "shard")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "kind", "splits"),
    [
        ("folder", "folder", ["all"]),
        ("csv", "csv", ["all"]),
        ("csv/labels.csv", "csv", ["all"]),
        ("idx", "idx", ["train"]),
        ("idx/train-images-idx3-ubyte", "idx", ["all"]),
        ("set.npz", "npz", ["all"]),
        ("tar", "tar", ["all"]),
        ("tar/0.tar", "tar", ["all"]),
        ("tar/{0..0}.tar", "tar", ["all"]),
        ("tars", "tar", ["train", "val"]),
        ("shard", "tar", ["all"]),
    ],
)
def test_layouts_are_recognized(sets: Path, name: str, kind: str, splits: list[str]) -> None:
    opened = open_data(str(sets / name))
    assert list(opened) == splits
    assert {images.kind for images in opened.values()} == {kind}
    for images in opened.values():
        assert images.labels.tolist() == [0, 1]
        assert images.pixels(1).shape[2] == 3


def test_a_table_of_something_else_is_no_table(tmp_path: Path) -> None:
    class_folders(tmp_path, {"a": 1, "b": 1})
    (tmp_path / "labels.csv").write_text("time,value\n1,2\n", encoding="utf-8")
    assert open_data(tmp_path)["all"].kind == "folder"


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("none", None, "no such file or folder"),
        ("a\0b", None, "no such file or folder"),
        ("x.zip", b"PK", "a packed archive; unpack it first"),
        ("x.tar.gz", b"\x1f\x8b", "a packed archive; unpack it first"),
        ("x.jpg", picture(0, "JPEG"), "holds no labeled pictures that can be recognized"),
        ("x.csv", b"", "needs a header"),
    ],
)
def test_refusals(tmp_path: Path, name: str, data: bytes | None, message: str) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=message):
        open_data(tmp_path / name)


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="needs a device")
def test_a_device_is_refused() -> None:
    with pytest.raises(DataError, match="/dev/null: neither a folder nor a regular file"):
        open_data("/dev/null")


def test_listing_opens_no_picture(tmp_path: Path) -> None:
    """Files that are none are listed, too, and named when they are read."""
    files(tmp_path, {"a/1.png": b"", "b/1.png": picture()})
    images = open_data(tmp_path)["all"]
    assert len(images) == 2
    with pytest.raises(DataError, match=r"a/1\.png: the file is empty"):
        images.pixels(0)
    (tmp_path / "b/1.png").unlink()
    with pytest.raises(DataError, match=r"b/1\.png: no such file"):
        images.read(1)
