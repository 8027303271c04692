"""WebDataset shards: keys, labels, splits; nothing unpacked, nothing unpickled."""

from pathlib import Path

import numpy as np
import pytest

from striate.data.tar_shards import expand_braces, read_tar_shards
from striate.errors import DataError
from tests.data.layouts import picture, pixels, tar


def test_pictures_with_labels_of_every_kind(tmp_path: Path) -> None:
    path = tar(
        tmp_path / "a.tar",
        [
            ("x/1.jpg", picture(1, "JPEG")),
            ("x/1.cls", b"dog\n"),
            ("2.PNG", picture(2)),
            ("2.txt", b"cat"),
            ("3.png", picture(3)),
            ("3.json", b'{"label": "dog", "group": "g"}'),
            ("4.webp", picture(4, "WEBP")),
            ("4.json", b'{"class": "eel"}'),
            ("4.pyd", b"cos\nsystem\n(S'false'\ntR."),
            ("4.seg.png", picture(9)),
        ],
    )
    images = read_tar_shards(path)["all"]
    assert images.problems == ()  # what another kind of reader needs is no problem
    assert images.classes == ("cat", "dog", "eel")
    assert [images.name(i) for i in range(4)] == ["a.tar/x/1.jpg", "a.tar/2.PNG", "a.tar/3.png", "a.tar/4.webp"]
    assert images.labels.tolist() == [1, 0, 1, 2]
    assert images.groups is not None
    assert images.groups[2] == "g"
    assert images.groups[0] != images.groups[1]
    np.testing.assert_array_equal(images.pixels(2), pixels(3))
    np.testing.assert_array_equal(images.subset([3, 2]).pixels(1), pixels(3))
    assert images.where(1) == f"{path}: 2.PNG"


def test_numbers_are_positions_in_classes_txt(tmp_path: Path) -> None:
    tar(tmp_path / "a.tar", [("1.png", picture()), ("1.cls", b"1"), ("2.png", picture(1)), ("2.txt", b"b")])
    assert read_tar_shards(tmp_path)["all"].classes == ("1", "b")
    (tmp_path / "classes.txt").write_text("z\nb\n", encoding="utf-8")
    images = read_tar_shards(tmp_path)["all"]
    assert images.classes == ("z", "b")
    assert images.labels.tolist() == [1, 1]


def test_shards_in_order_and_splits_by_their_names(tmp_path: Path) -> None:
    for number, name in enumerate(("set-train-1", "set-train-0", "set-val-0")):
        label = [("1.png", picture(number)), ("1.cls", b"x")]
        tar(tmp_path / f"{name}.tar", label)
    sets = read_tar_shards(tmp_path)
    assert {split: len(images) for split, images in sets.items()} == {"train": 2, "val": 1}
    assert [sets["train"].name(i) for i in (0, 1)] == ["set-train-0.tar/1.png", "set-train-1.tar/1.png"]
    np.testing.assert_array_equal(sets["train"].pixels(0), pixels(1))
    pattern = read_tar_shards(tmp_path / "set-train-{0..1}.tar")
    assert len(pattern["train"]) == 2
    with pytest.raises(DataError, match=r"set-train-2.tar: no such shard .and 1 more of 4."):
        read_tar_shards(tmp_path / "set-train-{0..3}.tar")
    tar(tmp_path / "more.tar", [("1.png", picture())])
    with pytest.raises(DataError, match=r"'more\.tar' is neither train, val nor test by its name"):
        read_tar_shards(tmp_path)


def test_what_cannot_be_used_is_named(tmp_path: Path) -> None:
    path = tar(
        tmp_path / "a.tar",
        [
            ("1.png", picture()),
            ("1.cls", b"x"),
            ("1.jpg", picture()),
            ("2.png", picture()),
            ("3.cls", b"x"),
            ("4.png", picture()),
            ("4.json", b'{"label": [1, 2]}'),
            ("5.png", picture()),
            ("5.cls", b"\xff\xfe"),
            ("6.png", picture()),
            ("6.cls", b""),
        ],
    )
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 512 * 512 - 10240 + 3000])
    images = read_tar_shards(path)["all"]
    assert len(images) == 1
    found = {(p.kind, p.where.rpartition(" ")[2]) for p in images.problems}
    assert found >= {("duplicate-key", "1.jpg"), ("unlabeled", "2.png"), ("missing", "3"), ("bad-label", "4.png")}


def test_a_cut_shard_is_used_as_far_as_it_goes(tmp_path: Path) -> None:
    members = [(f"{n}.{e}", d) for n in range(3) for e, d in (("cls", b"x"), ("png", picture(n)))]
    path = tar(tmp_path / "a.tar", members)
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"2.png\0") + 512 + 100])
    images = read_tar_shards(path)["all"]
    assert len(images) == 2
    assert [p.kind for p in images.problems] == ["cut-shard", "missing"]
    path.write_bytes(data[: images.store.offset[1]])  # type: ignore[attr-defined]
    with pytest.raises(DataError, match="has become shorter"):
        images.read(1)


def test_an_archive_without_labels_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", [("cat/1.png", picture())])
    with pytest.raises(DataError, match=r"no picture with a label .*class folders is to be unpacked"):
        read_tar_shards(path)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("a{0..2.tar", "a brace is not closed"),
        ("a{5..2}.tar", "must rise"),
        ("{0..9999}{0..9999}.tar", "stands for 100,000,000 names"),
    ],
)
def test_patterns_that_are_refused(pattern: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        expand_braces(pattern)
