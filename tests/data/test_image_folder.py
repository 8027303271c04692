"""Class folders: torchvision's order, and a sentence for everything that was left out."""

import importlib
import os
from pathlib import Path

import numpy as np
import pytest

from striate.data.image_folder import read_image_folder
from striate.errors import DataError
from tests.data.layouts import class_folders, files, picture, pixels
from tests.oracles.foreign import load_torchvision


def kinds(images) -> list[str]:
    return sorted(problem.kind for problem in images.problems)


def test_order_of_classes_and_pictures_is_torchvisions(tmp_path: Path) -> None:
    files(
        tmp_path,
        {f"{c}/{n}": picture() for c in ("b", "B", "10", "9", "a b") for n in ("2.png", "10.JPG", "x/0.png")},
    )
    images = read_image_folder(tmp_path)["all"]
    load_torchvision()
    theirs = importlib.import_module("torchvision.datasets").ImageFolder(tmp_path)
    assert list(images.classes) == theirs.classes == ["10", "9", "B", "a b", "b"]
    assert [(str(tmp_path / images.name(i)), int(images.labels[i])) for i in range(len(images))] == theirs.samples


def test_pixels_and_bytes_come_from_the_named_file(tmp_path: Path) -> None:
    files(tmp_path, {"cat/1.png": picture(1), "dog/2.png": picture(2)})
    images = read_image_folder(tmp_path)["all"]
    assert images.name(1) == "dog/2.png"
    assert images.read(1) == picture(2)
    np.testing.assert_array_equal(images.pixels(1), pixels(2))
    assert images.subset([1]).name(0) == "dog/2.png"
    assert images.subset([1]).label(0) == "dog"
    assert images.counts().tolist() == [1, 1]


@pytest.mark.parametrize("name", ["val", "valid", "validation", "VAL"])
def test_splits_share_the_classes_of_train(tmp_path: Path, name: str) -> None:
    class_folders(tmp_path, {"train/cat": 2, "train/dog": 2, f"{name}/dog": 1, "test/cat": 1})
    sets = read_image_folder(tmp_path)
    assert list(sets) == ["train", "val", "test"]
    assert {images.classes for images in sets.values()} == {("cat", "dog")}
    assert sets["val"].labels.tolist() == [1]  # torchvision, reading val alone, would call the dog number 0
    assert kinds(sets["val"]) == ["class-not-in-split"]


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    class_folders(tmp_path, {"bus": 1, "car": 1, "train": 2})
    assert read_image_folder(tmp_path)["all"].classes == ("bus", "car", "train")


def test_a_class_that_train_lacks_is_refused_by_name(tmp_path: Path) -> None:
    class_folders(tmp_path, {"train/cat": 1, "train/dog": 1, "val/cats": 1})
    with pytest.raises(DataError, match=r"val has the class 'cats', which train does not have. Nearest: 'cat'"):
        read_image_folder(tmp_path)


def test_two_folders_for_one_split_are_refused(tmp_path: Path) -> None:
    class_folders(tmp_path, {"train/cat": 1, "val/cat": 1, "validation/cat": 1})
    with pytest.raises(DataError, match="both 'val' and 'validation' mean val"):
        read_image_folder(tmp_path)


def test_everything_left_out_is_named(tmp_path: Path) -> None:
    files(
        tmp_path,
        {
            "cat/1.png": picture(),
            "cat/notes.txt": b"x",
            "cat/IMG.HEIC": b"x",
            "cat/.hidden.png": b"x",
            "cat/deep/er/2.PNG": picture(1),
            "dog/1.jpeg": picture(2, "JPEG"),
            ".git/config": b"x",
            "loose.png": picture(3),
        },
    )
    (tmp_path / "empty").mkdir()
    images = read_image_folder(tmp_path)["all"]
    assert images.classes == ("cat", "dog")
    assert [images.name(i) for i in range(len(images))] == ["cat/1.png", "cat/deep/er/2.PNG", "dog/1.jpeg"]
    found = {(problem.kind, Path(problem.where).name) for problem in images.problems}
    assert found == {
        ("other-file", "notes.txt"),
        ("foreign-image", "IMG.HEIC"),
        ("nested", "cat"),
        ("unlabeled", "loose.png"),
        ("empty-class", "empty"),
    }


@pytest.mark.skipif(os.name != "posix", reason="needs links and pipes")
def test_links_are_followed_but_neither_up_nor_in_circles_nor_to_nothing(tmp_path: Path) -> None:
    files(tmp_path, {"set/cat/1.png": picture(), "set/dog/1.png": picture(1), "far/2.png": picture(2)})
    (tmp_path / "set/cat/far").symlink_to(tmp_path / "far")
    (tmp_path / "set/cat/up").symlink_to("..")
    (tmp_path / "set/cat/self").symlink_to(".")
    (tmp_path / "set/dog/gone.png").symlink_to("nowhere.png")
    os.mkfifo(tmp_path / "set/dog/pipe.png")
    images = read_image_folder(tmp_path / "set")["all"]
    assert [images.name(i) for i in range(len(images))] == ["cat/1.png", "cat/far/2.png", "dog/1.png"]
    assert kinds(images) == ["link-loop", "link-loop", "missing", "nested", "other-file"]


def test_accents_are_one_class_however_a_file_system_writes_them(tmp_path: Path) -> None:
    composed, separate = "caf\u00e9", "cafe\u0301"
    class_folders(tmp_path, {f"train/{separate}": 1, "train/x": 1, f"val/{composed}": 1})
    sets = read_image_folder(tmp_path)
    assert sets["train"].classes == sets["val"].classes == (composed, "x")
    sets["train"].pixels(0)  # the file keeps its own name


def test_classes_txt_decides(tmp_path: Path) -> None:
    class_folders(tmp_path, {"cat": 1, "dog": 1, "eel": 0})
    (tmp_path / "classes.txt").write_text("dog\ncat\neel\n", encoding="utf-8")
    images = read_image_folder(tmp_path)["all"]
    assert images.classes == ("dog", "cat", "eel")
    assert images.label(0) == "dog"
    assert images.counts().tolist() == [1, 1, 0]
    (tmp_path / "classes.txt").write_text("dog\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"classes.txt does not name the class 'cat'"):
        read_image_folder(tmp_path)
    (tmp_path / "classes.txt").write_text("dog\ncat\ndog\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"classes.txt, line 3: the class 'dog' stands in line 1"):
        read_image_folder(tmp_path)


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ({}, "no class folder in it"),
        ({"1.png": b"x", "2.png": b"x"}, "2 pictures, but no class folder"),
        ({"cat/note.txt": b"x"}, "no picture in any folder below it"),
    ],
)
def test_nothing_to_open_is_refused_with_the_way_out(tmp_path: Path, contents: dict, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_image_folder(files(tmp_path, contents))
    assert str(caught.value).startswith(str(tmp_path))
    assert "class" in str(caught.value).partition(";")[2]


def test_the_order_does_not_depend_on_the_file_system(tmp_path: Path) -> None:
    names = [f"{c}/{n:02d}.png" for c in "abc" for n in range(12)]
    one = read_image_folder(files(tmp_path / "one", dict.fromkeys(names, b"")))["all"]
    other = read_image_folder(files(tmp_path / "other", dict.fromkeys(reversed(names), b"")))["all"]
    assert one.store.paths == other.store.paths
