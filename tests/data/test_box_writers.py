"""Boxes written as VOC, COCO and YOLO come back to the last bit; sets are converted whole, and divided fairly."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.data.box_opening import open_boxes
from striate.data.box_set import BoxSet
from striate.data.coco_json import from_coco, to_coco
from striate.data.convert_boxes import convert_boxes
from striate.data.detections import Detections
from striate.data.split_boxes import split_boxes
from striate.data.stores import FileStore
from striate.data.voc_xml import from_voc, to_voc
from striate.data.yolo_text import from_yolo, to_yolo
from striate.errors import ConfigError, DataError
from tests.data.box_layouts import photo, voc_file

NAMES = st.sampled_from(["cat", "a b", "<&>", "\"'", "ü", "日本", "x" * 60, "0", "train"])
# What lies between 0 and a millionth of a pixel is rounding: readers take it for 0.
SHARES = st.floats(0, 1, width=32).map(lambda share: 0.0 if share < 2**-19 else share)


@st.composite
def detections(draw: st.DrawFn, *, scored: bool | None = None) -> Detections:
    h, w = draw(st.integers(1, 5000)), draw(st.integers(1, 5000))
    labels = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    count = draw(st.integers(0, 5))
    boxes = []
    for _ in range(count):
        x, y = sorted((draw(SHARES) * w, draw(SHARES) * w)), sorted((draw(SHARES) * h, draw(SHARES) * h))
        boxes.append([x[0], y[0], x[1], y[1]])
    flags = st.lists(st.booleans(), min_size=count, max_size=count)
    with_scores = draw(st.booleans()) if scored is None else scored
    return Detections.of(
        boxes,
        draw(st.lists(st.integers(0, len(labels) - 1), min_size=count, max_size=count)),
        labels,
        scores=[draw(st.floats(0, 1, width=32)) for _ in range(count)] if with_scores and count else None,
        size=(h, w),
        difficult=draw(flags),
        crowd=draw(flags),
        areas=[draw(st.floats(1, 1e6, width=32)) for _ in range(count)],
    )


def same(a: Detections, b: Detections, *names: str) -> None:
    for name in ("boxes", "classes", *names):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    if a.scores is None:
        assert b.scores is None
    else:
        np.testing.assert_array_equal(a.scores, b.scores)
    assert a.labels == b.labels
    assert a.size == b.size


@given(detections())
@settings(max_examples=60)
def test_voc_there_and_back(truth):
    same(truth, from_voc(to_voc(truth, filename="a & <b>.jpg"), truth.labels), "difficult")


@given(detections())
@settings(max_examples=60)
def test_coco_there_and_back(truth):
    items = json.loads(json.dumps(to_coco(truth, image_id=3)))
    assert [item["id"] for item in items] == list(range(1, len(truth) + 1))
    same(
        truth, from_coco(items, dict(enumerate(truth.labels, start=1)), size=truth.size), "difficult", "crowd", "areas"
    )


@given(detections())
@settings(max_examples=60)
def test_yolo_there_and_back(truth):
    same(truth, from_yolo(to_yolo(truth), truth.labels, truth.size))


def test_whole_pixels_are_written_as_the_devkit_does():
    text = to_voc(Detections.of([[0, 0, 500, 375]], [0], ["chair"], size=(375, 500)), filename="1.jpg")
    assert "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>500</xmax><ymax>375</ymax></bndbox>" in text
    assert "<size><width>500</width><height>375</height><depth>3</depth></size>" in text
    assert "<score>" not in text
    assert to_yolo(Detections.of([[0, 0, 500, 375]], [2], "abc", size=(375, 500))) == (
        "2 0.500000 0.500000 1.000000 1.000000\n"
    )


def test_what_single_files_refuse():
    with pytest.raises(DataError, match=r"the XML, line 1: no <annotation>"):
        from_voc("<a/>")
    with pytest.raises(DataError, match="line 1: 'cat' has no box of four finite numbers"):
        from_voc("<annotation><object><name>cat</name></object></annotation>")
    text = to_voc(Detections.of([[0, 0, 5, 5]], [0], ["cat"]), filename="1.jpg")
    with pytest.raises(DataError, match="line 5: 'cat' is none of the 1 classes"):
        from_voc(text, ["dog"])
    with pytest.raises(DataError, match=r"annotations\[0\]: bbox must be four finite numbers"):
        from_coco([{"bbox": [1, 2, 3], "category_id": 1}], {1: "cat"})
    with pytest.raises(DataError, match=r"annotations\[0\]: category 2 is none of 1"):
        from_coco([{"bbox": [1, 2, 3, 4], "category_id": 2}], {1: "cat"})
    with pytest.raises(DataError, match="the text, line 2: has 2 numbers"):
        from_yolo("0 .5 .5 .1 .1\n0 1\n", ["cat"], (5, 5))
    with pytest.raises(DataError, match="line 1: class 1, but there are 1"):
        from_yolo("1 .5 .5 .1 .1", ["cat"], (5, 5))
    with pytest.raises(DataError, match="give size"):
        to_yolo(Detections.of([[0, 0, 5, 5]], [0], ["cat"]))


def made(root: Path, splits: dict[str, int], seed: int = 0) -> dict[str, BoxSet]:
    """Pictures of any sizes, one turned by EXIF, one without objects; classes not in the order of their names."""
    rng = np.random.default_rng(seed)
    sets = {}
    classes = ("zebra", "ant", "é <&> ü")
    for split, count in splits.items():
        truth, names = [], []
        for number in range(count):
            h, w = (int(side) for side in rng.integers(40, 90, 2))
            photo(root / split / f"{number}.jpg", w, h, 6 if number == 1 else 1)
            h, w = (w, h) if number == 1 else (h, w)
            n = 0 if number == 2 else int(rng.integers(1, 6))
            corners = np.sort(rng.uniform(0, 1, (n, 2, 2)), axis=1).reshape(n, 4) * [w, h, w, h]
            marks = {"difficult": rng.random(n) < 0.3, "crowd": rng.random(n) < 0.3}
            truth.append(Detections.of(corners, rng.integers(0, 3, n), classes, size=(h, w), **marks))
            names.append(f"{split}/{number}.jpg")
        sets[split] = BoxSet(classes, tuple(truth), FileStore(root, tuple(names)), root, "scenes")
    return sets


def converted(sets, out, layout):
    steps = convert_boxes(sets, out, layout)
    while True:
        try:
            done, total = next(steps)
        except StopIteration as stop:
            assert done == total == sum(map(len, sets.values()))
            return stop.value


@pytest.mark.parametrize("splits", [{"all": 5}, {"train": 6, "val": 3, "test": 1}])
def test_from_every_layout_to_every_other(tmp_path, splits):
    sets = made(tmp_path / "photos", splits)
    first = next(iter(sets))
    before, path = sets, tmp_path / "photos"
    for number, layout in enumerate(("coco", "voc", "yolo", "coco", "yolo", "voc", "coco")):
        out = tmp_path / f"{number}-{layout}"
        problems = converted(before, out, layout)
        after = open_boxes(out)
        assert list(after) == list(sets)
        assert after[first].kind == layout
        for split, boxes in sets.items():
            names = [Path(after[split].name(i)).name for i in range(len(boxes))]
            for i in range(len(boxes)):
                j = next(
                    j
                    for j in range(len(boxes))
                    if Path(boxes.name(j)).name.split(".")[0] == names[i].split(".")[0].split("-")[0]
                )
                np.testing.assert_array_equal(after[split].truth[i].boxes, boxes.truth[j].boxes)
                np.testing.assert_array_equal(after[split].truth[i].classes, boxes.truth[j].classes)
                assert after[split].store.read(i) == boxes.store.read(j)
                if number == 0:
                    np.testing.assert_array_equal(after[split].truth[i].difficult, boxes.truth[j].difficult)
                    np.testing.assert_array_equal(after[split].truth[i].crowd, boxes.truth[j].crowd)
        lost = {"coco": [], "voc": ["crowd"], "yolo": ["difficult"]}[layout] if number < 3 else []
        assert [word for problem in problems for word in ("difficult", "crowd") if word in problem.text] == lost
        path, before = out, after
    assert path.exists()


def test_nothing_is_left_behind(tmp_path):
    sets = made(tmp_path / "photos", {"train": 3})
    (tmp_path / "out").mkdir()
    with pytest.raises(DataError, match="exists already"):
        converted(sets, tmp_path / "out", "voc")
    with pytest.raises(DataError, match="lies inside"):
        converted(sets, tmp_path / "photos" / "x", "voc")
    (tmp_path / "photos" / "train" / "1.jpg").unlink()
    with pytest.raises(DataError, match=r"1\.jpg"):
        converted(sets, tmp_path / "new", "yolo")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "photos"]


def test_pictures_of_one_name_in_two_folders(tmp_path):
    for folder in ("a", "b"):
        photo(tmp_path / "in" / folder / "1.jpg")
        voc_file(tmp_path / "in" / folder / "1.xml", [("cat", (1, 1, 9, 9 + len(folder)))])
    photo(tmp_path / "in" / "b" / "1.png")
    voc_file(tmp_path / "in" / "b" / "x.xml", [("dog", (5, 5, 9, 9))])
    (tmp_path / "in" / "b" / "x.xml").write_text(
        (tmp_path / "in" / "b" / "x.xml").read_text().replace("x.jpg", "1.png")
    )
    sets = open_boxes(tmp_path / "in")
    for layout in ("voc", "coco", "yolo"):
        converted(sets, tmp_path / layout, layout)
        assert len(open_boxes(tmp_path / layout)["all"]) == len(sets["all"])


# --- dividing


def scattered(count=300, seed=0, groups=None):
    """Pictures of which a few have a rare class; nothing on disk."""
    rng = np.random.default_rng(seed)
    truth = []
    for number in range(count):
        classes = [0] * int(rng.integers(0, 5)) + [1] * (number % 4 == 0) + [2] * (number % 25 == 0)
        boxes = [[i, i, i + 5, i + 5] for i in range(len(classes))]
        truth.append(Detections.of(boxes, classes, ("a", "b", "rare"), size=(50, 50)))
    names = tuple(f"{number}.jpg" for number in range(count))
    return BoxSet(("a", "b", "rare"), tuple(truth), FileStore(Path("x"), names), Path("x"), "voc", groups=groups)


def test_every_class_is_divided_in_proportion():
    boxes = scattered()
    parts = split_boxes(boxes, {"train": 0.7, "val": 0.2, "test": 0.1}, seed=3)
    assert sum(map(len, parts.values())) == 300
    assert len({name for part in parts.values() for name in part.store.paths}) == 300
    for name, share in {"train": 0.7, "val": 0.2, "test": 0.1}.items():
        np.testing.assert_allclose(parts[name].counts(), share * boxes.counts(), atol=2.5)
        assert abs(len(parts[name]) - 300 * share) <= 12
    again = split_boxes(
        boxes.subset(np.random.default_rng(1).permutation(300)), {"train": 0.7, "val": 0.2, "test": 0.1}, seed=3
    )
    assert {k: sorted(v.store.paths) for k, v in again.items()} == {k: sorted(v.store.paths) for k, v in parts.items()}
    other = split_boxes(boxes, {"train": 0.7, "val": 0.2, "test": 0.1}, seed=4)
    assert sorted(other["val"].store.paths) != sorted(parts["val"].store.paths)


def test_groups_stay_whole():
    groups = tuple(f"g{number // 10}" for number in range(300))
    parts = split_boxes(scattered(groups=groups), {"train": 0.8, "val": 0.2})
    assert not {*parts["train"].groups} & {*parts["val"].groups}
    assert 45 <= len(parts["val"]) <= 75


def test_a_class_too_rare_for_every_part_is_told():
    boxes = scattered(30)
    parts = split_boxes(boxes, {"train": 0.5, "val": 0.25, "test": 0.25})
    kinds = [problem.text for problem in parts["train"].problems]
    assert kinds == ["test has no object of 'rare', of which there are 2"] or len(kinds) == 1
    with pytest.raises(DataError, match="2 pictures cannot be divided into 3 parts"):
        split_boxes(boxes.subset([0, 1]), {"train": 0.5, "val": 0.25, "test": 0.25})
    with pytest.raises(ConfigError, match="must be 1 together"):
        split_boxes(boxes, {"train": 0.5})
