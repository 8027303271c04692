"""Layouts into each other: nothing lost, nothing overwritten, whole or not at all."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from striate.data import write_files
from striate.data.convert import Layout, convert_sets
from striate.data.image_set import ImageSet
from striate.data.opening import open_data
from striate.data.problem import Problem
from striate.data.splitting import split_set
from striate.errors import DataError
from tests.data.layouts import class_folders, files, picture

LAYOUTS: tuple[Layout, ...] = ("folder", "csv", "npz", "idx", "tar")


def convert(sets: dict[str, ImageSet], out: Path, layout: Layout) -> tuple[Problem, ...]:
    converting = convert_sets(sets, out, layout)
    while True:
        try:
            next(converting)
        except StopIteration as stop:
            return stop.value


def content(sets: dict[str, ImageSet]) -> dict[str, set[tuple[str, bytes]]]:
    return {
        split: {(images.label(i), images.pixels(i).tobytes()) for i in range(len(images))}
        for split, images in sets.items()
    }


def target(folder: Path, layout: str) -> Path:
    return folder / (f"out-{layout}" + (".npz" if layout == "npz" else ""))


@pytest.mark.parametrize(("first", "second"), list(itertools.product(LAYOUTS, LAYOUTS)))
def test_every_layout_comes_back_from_every_other(tmp_path: Path, first: Layout, second: Layout) -> None:
    class_folders(tmp_path / "set", {"train/Größe": 3, "train/a b": 2, "val/a b": 2, "test/Größe": 1})
    sets = open_data(tmp_path / "set")
    assert convert(sets, target(tmp_path, first), first) == ()
    once = open_data(target(tmp_path, first))
    convert(once, target(tmp_path / "again", second), second)
    twice = open_data(target(tmp_path / "again", second))
    assert content(once) == content(twice) == content(sets)
    assert {images.classes for images in twice.values()} == {("Größe", "a b")}


@pytest.mark.parametrize("layout", ["folder", "csv", "tar"])
def test_bytes_are_copied(tmp_path: Path, layout: Layout) -> None:
    original = picture(1, "JPEG", quality=40)
    files(tmp_path / "set", {"a/1.jpg": original, "b/1.jpg": b"\xff\xd8\xff not a picture"})
    convert(open_data(tmp_path / "set"), tmp_path / "out", layout)
    images = open_data(tmp_path / "out")["all"]
    assert images.read(0) == original
    assert images.read(1) == b"\xff\xd8\xff not a picture"  # not ours to judge


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_order_of_classes_and_empty_ones_are_kept(tmp_path: Path, layout: Layout) -> None:
    class_folders(tmp_path / "set", {"b": 2, "a": 2, "c": 1})
    (tmp_path / "set/classes.txt").write_text("c\na\nb\n", encoding="utf-8")
    convert(open_data(tmp_path / "set"), target(tmp_path, layout), layout)
    assert open_data(target(tmp_path, layout))["all"].classes == ("c", "a", "b")


@pytest.mark.parametrize("layout", ["csv", "npz", "tar"])
def test_groups_are_kept(tmp_path: Path, layout: Layout) -> None:
    class_folders(tmp_path / "set", {"a": 3, "b": 3})
    lines = [f"set/{c}/{n}.png,{c},{'g' if n else ''}" for c in "ab" for n in range(3)]
    (tmp_path / "labels.csv").write_text("\n".join(["path,label,group", *lines]), encoding="utf-8")
    sets = open_data(tmp_path / "labels.csv")
    convert(sets, target(tmp_path, layout), layout)
    groups = open_data(target(tmp_path, layout))["all"].groups
    assert groups is not None
    assert groups.count("g") == 4
    assert len(set(groups)) == 3


def test_lost_groups_are_told(tmp_path: Path) -> None:
    class_folders(tmp_path / "set", {"a": 2, "b": 2})
    images = open_data(tmp_path / "set")["all"]
    grouped = ImageSet(images.classes, images.labels, images.store, images.source, "folder", groups=("x",) * 4)
    assert [p.kind for p in convert({"all": grouped}, tmp_path / "out", "folder")] == ["groups-lost"]


def test_files_of_one_name_keep_apart(tmp_path: Path) -> None:
    files(tmp_path / "set", {"a/x/1.png": picture(1), "a/y/1.PNG": picture(2), "b/1.png": picture(3)})
    for layout in ("folder", "csv", "tar"):
        convert(open_data(tmp_path / "set"), tmp_path / layout, layout)
        assert content(open_data(tmp_path / layout)) == content(open_data(tmp_path / "set"))


def test_unreadable_pictures_cannot_be_arrays_and_are_named(tmp_path: Path) -> None:
    class_folders(tmp_path / "set", {"a": 2, "b": 2})
    files(tmp_path / "set", {"a/broken.png": b"x"})
    (problem,) = convert(open_data(tmp_path / "set"), tmp_path / "out.npz", "npz")
    assert problem.kind == "unreadable"
    assert problem.where.endswith("a/broken.png")
    assert len(open_data(tmp_path / "out.npz")["all"]) == 4


def test_large_sets_get_several_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from striate.data import write_shards

    class_folders(tmp_path / "set", {"a": 5, "b": 5})
    monkeypatch.setattr(
        "striate.data.convert.write_shards", lambda sets, out: write_shards.write_shards(sets, out, shard_bytes=20_000)
    )
    convert(open_data(tmp_path / "set"), tmp_path / "out", "tar")
    assert len(list((tmp_path / "out").glob("*.tar"))) > 1
    assert content(open_data(tmp_path / "out")) == content(open_data(tmp_path / "set"))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_nothing_is_overwritten_and_nothing_half_done_stays(tmp_path: Path, layout: Layout) -> None:
    class_folders(tmp_path / "set", {"a": 2, "b": 2})
    sets = open_data(tmp_path / "set")
    out = target(tmp_path, layout)
    out.mkdir()
    with pytest.raises(DataError, match="exists already and is not overwritten"):
        convert(sets, out, layout)
    out.rmdir()
    (tmp_path / "set/b/1.png").unlink()  # gone while we write
    before = sorted(tmp_path.iterdir())
    if layout in {"npz", "idx"}:
        assert [p.kind for p in convert(sets, out, layout)] == ["unreadable"]
        return
    with pytest.raises(DataError, match=r"b/1\.png: no such file"):
        convert(sets, out, layout)
    assert sorted(tmp_path.iterdir()) == before


def test_a_stopped_conversion_leaves_nothing(tmp_path: Path) -> None:
    class_folders(tmp_path / "set", {"a": 2, "b": 2})
    converting = convert_sets(open_data(tmp_path / "set"), tmp_path / "out", "folder")
    for _ in range(3):
        next(converting)
    assert any(path.name.endswith(".part") for path in tmp_path.iterdir())
    converting.close()  # what Ctrl-C comes to
    assert list(tmp_path.iterdir()) == [tmp_path / "set"]


@pytest.mark.parametrize(
    ("counts", "layout", "message"),
    [
        ({"a": 1, ".b": 1}, "folder", "cannot be the name of a folder"),
        ({"a/b": 1, "c": 1}, "folder", "cannot be the name of a folder"),
        ({str(n): 1 for n in range(257)}, "idx", "there are 257 classes; use npz or tar"),
    ],
)
def test_what_a_layout_cannot_hold_is_refused(tmp_path: Path, counts: dict, layout: Layout, message: str) -> None:
    labels = np.array(list(counts))
    images = np.random.default_rng(0).integers(0, 256, (len(labels), 4, 4), dtype=np.uint8)
    np.savez(tmp_path / "set.npz", images=images, labels=labels)
    sets = open_data(tmp_path / "set.npz")
    with pytest.raises(DataError, match=message):
        convert(sets, tmp_path / "out", layout)
    assert list(tmp_path.iterdir()) == [tmp_path / "set.npz"]
    convert(sets, tmp_path / "csv", "csv")
    assert content(open_data(tmp_path / "csv")) == content(sets)


def test_what_does_not_come_back_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class_folders(tmp_path / "set", {"a": 2, "b": 2})
    sets = open_data(tmp_path / "set")
    swapped = {"all": sets["all"].subset([0, 1, 2])}
    monkeypatch.setattr("striate.data.convert.write_folder", lambda _, out: write_files.write_folder(swapped, out))
    with pytest.raises(DataError, match="all would not come back with the same classes"):
        convert(sets, tmp_path / "out", "folder")
    assert list(tmp_path.iterdir()) == [tmp_path / "set"]


def test_a_class_may_be_called_like_a_split(tmp_path: Path) -> None:
    class_folders(tmp_path / "set", {"train": 2, "test": 2})
    convert(open_data(tmp_path / "set"), tmp_path / "out", "folder")
    assert content(open_data(tmp_path / "out")) == content(open_data(tmp_path / "set"))


def test_pictures_of_two_sizes_are_no_array(tmp_path: Path) -> None:
    files(tmp_path / "set", {"a/1.png": picture(1), "b/1.png": picture(2)[:0] + _other_size()})
    with pytest.raises(DataError, match=r"b/1.png has 9 × 8 pixels, .*a/1.png 48 × 40; .* Use folder, csv or tar"):
        convert(open_data(tmp_path / "set"), tmp_path / "out.npz", "npz")


def test_a_place_inside_the_source_is_refused(tmp_path: Path) -> None:
    class_folders(tmp_path, {"a": 1, "b": 1})
    with pytest.raises(DataError, match="lies inside"):
        convert(open_data(tmp_path), tmp_path / "out", "folder")


def test_a_split_set_is_written_with_its_splits(tmp_path: Path) -> None:
    class_folders(tmp_path / "set", {"a": 8, "b": 8})
    parts = split_set(open_data(tmp_path / "set")["all"], {"train": 0.75, "val": 0.25})
    for layout in LAYOUTS:
        convert(parts, target(tmp_path, layout), layout)
        assert content(open_data(target(tmp_path, layout))) == content(parts)


def _other_size() -> bytes:
    from tests.data.layouts import pixels
    from tests.data.samples import saved

    return saved(pixels(3, 8, 9), "PNG")
