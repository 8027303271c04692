"""VOC, COCO and YOLO read: every layout, every fault with file and line, and never a good box lost to a bad one."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from striate.data.box_opening import find_box_layout, open_boxes
from striate.data.voc_boxes import read_voc_boxes
from striate.errors import ConfigError, DataError
from tests.data.box_layouts import coco, photo, voc_file, voc_kit, yolo
from tests.data.layouts import class_folders

GOOD = ("cat", (11, 11, 20, 30))


def boxes_of(images, index=0):
    return [(images.truth[index].label(i), *box) for i, box in enumerate(images.truth[index].boxes.tolist())]


def told(images, kind=None):
    return [str(problem) for problem in images.problems if kind in {None, problem.kind}]


def kinds(images):
    return sorted({problem.kind for problem in images.problems})


# --- VOC


def test_a_development_kit_with_two_years(tmp_path):
    kit = tmp_path / "VOCdevkit"
    voc_kit(kit / "VOC2007", {"train": {"a": [GOOD]}, "test": {"b": [("dog", (1, 1, 64, 48))]}})
    voc_kit(kit / "VOC2012", {"train": {"2008_1": [("dog", (5, 5, 9, 9)), GOOD]}, "val": {"2008_2": []}})
    sets = open_boxes(kit)
    assert {split: len(images) for split, images in sets.items()} == {"train": 2, "val": 1, "test": 1}
    assert sets["train"].classes == ("cat", "dog")
    assert sets["train"].name(0) == "VOC2007/JPEGImages/a.jpg"
    assert boxes_of(sets["train"]) == [("cat", 10, 10, 20, 30)]  # 1-based, both corners inside: x = xmin − 1
    assert boxes_of(sets["test"]) == [("dog", 0, 0, 64, 48)]
    assert len(sets["val"].truth[0]) == 0
    assert sets["train"].truth[0].size == (48, 64)
    assert not told(sets["train"])
    assert open_boxes(tmp_path)["train"].counts().tolist() == [2, 1]  # the folder around the kit
    assert len(open_boxes(kit / "VOC2012")["train"]) == 1


def test_trainval_counts_where_there_is_no_train(tmp_path):
    kit = voc_kit(tmp_path, {"trainval": {"a": [GOOD]}, "test": {"b": [GOOD]}})
    (kit / "ImageSets" / "Main" / "cat_train.txt").write_text("a -1\n")
    assert {split: len(images) for split, images in open_boxes(kit).items()} == {"train": 1, "test": 1}


def test_what_lists_of_a_kit_get_wrong(tmp_path):
    kit = voc_kit(tmp_path, {"train": {"a": [GOOD], "b": [GOOD]}, "val": {"c": [GOOD]}})
    lists = kit / "ImageSets" / "Main"
    lists.joinpath("train.txt").write_text("a\n\nnone\na\n")
    sets = open_boxes(kit)
    assert told(sets["train"], "unlabeled") == [
        f"{lists}/train.txt, line 3: 'none' has no file Annotations/none.xml; left out"
    ]
    assert f"{lists}/train.txt, line 4" in told(sets["train"], "duplicate-line")[0]
    assert "1 of 3 XML files are in no list" in told(sets["train"], "not-listed")[0]


@pytest.mark.parametrize(
    "places",
    [
        ("a.jpg", "a.xml"),
        ("train/a.jpg", "train/a.xml"),
        ("images/a.jpg", "annotations/a.xml"),
        ("images/val/a.jpg", "annotations/val/a.xml"),
        ("deep/er/a.jpg", "else/a.xml"),
    ],
)
def test_plain_folders(tmp_path, places):
    photo(tmp_path / places[0])
    voc_file(tmp_path / places[1], [GOOD])
    assert find_box_layout(tmp_path) == "voc"
    ((split, images),) = open_boxes(tmp_path).items()
    assert split == ("train" if "train" in places[0] else "val" if "val" in places[0] else "all")
    assert boxes_of(images) == [("cat", 10, 10, 20, 30)]
    assert not told(images)


def test_every_fault_of_a_voc_file_is_named_and_costs_nothing_else(tmp_path):
    photo(tmp_path / "a.jpg")
    nan = float("nan")
    voc_file(
        tmp_path / "a.xml",
        [
            GOOD,
            ("cat", (30, 5, 20, 25)),  # inverted across
            ("cat", (nan, 5, 20, 25)),
            ("cat", (float("inf"), 5, 20, 25)),
            ("cat", (6, 6, 5, 10)),  # xmin − 1 = xmax
            ("dog", (60, 40, 90, 90)),  # reaches beyond
            ("dog", (100, 100, 120, 120)),  # outside
            ("dog", (65535, 2, 30, 9)),  # −1 in 16 bits
            ("dog", (4294967295, 4294967295, 30, 19)),
            ("dog", ("x", 1, 5, 5)),
            ("", (1, 1, 5, 5)),
            GOOD,  # twice
            ("dog", GOOD[1]),  # another class
            ("dog", (7, 7, 7, 7)),  # one pixel
        ],
    )
    images = open_boxes(tmp_path)["all"]
    assert boxes_of(images) == [
        ("cat", 10, 10, 20, 30),
        ("cat", 20, 4, 29, 25),
        ("dog", 59, 39, 64, 48),
        ("dog", 0, 1, 30, 9),
        ("dog", 0, 0, 30, 19),
        ("dog", 10, 10, 20, 30),
        ("dog", 6, 6, 7, 7),
    ]
    lines = {kind: [int(text.split("line ")[1].split(":")[0]) for text in told(images, kind)] for kind in kinds(images)}
    assert lines == {
        "bad-box": [6, 7, 8, 10, 13],
        "box-conflict": [16],
        "clipped-box": [9],
        "duplicate-box": [15],
        "inverted-box": [5],
        "unknown-class": [14],
        "unsigned-wrap": [11, 12],
    }
    assert all(f"{tmp_path}/a.xml, line" in text for text in told(images))


def test_pixels_counted_from_zero_are_seen_and_told(tmp_path):
    for number, corners in enumerate([(0, 0, 10, 10), (0, 5, 30, 9), (7, 7, 20, 20)]):
        photo(tmp_path / f"{number}.jpg")
        voc_file(tmp_path / f"{number}.xml", [("cat", corners)])
    images = open_boxes(tmp_path)["all"]
    assert boxes_of(images, 2) == [("cat", 7, 7, 20, 20)]
    assert "counted from 0 here" in told(images, "counted-from-0")[0]
    assert boxes_of(read_voc_boxes(tmp_path, first_pixel=1)["all"], 2) == [("cat", 6, 6, 20, 20)]
    assert "clipped-box" in kinds(read_voc_boxes(tmp_path, first_pixel=1)["all"])
    with pytest.raises((ConfigError, TypeCheckError), match="first_pixel"):
        read_voc_boxes(tmp_path, first_pixel=2)


def test_hostile_and_damaged_xml(tmp_path):
    for name in "abcdefg":
        photo(tmp_path / f"{name}.jpg")
    voc_file(tmp_path / "a.xml", [GOOD])
    bomb = "<!DOCTYPE a [<!ENTITY x 'y'>" + "".join(f"<!ENTITY x{n} '{'&x;' * 10}'>" for n in range(9)) + "]>"
    (tmp_path / "b.xml").write_text(f"<?xml version='1.0'?>{bomb}<annotation>&x8;</annotation>")
    (tmp_path / "c.xml").write_text("<annotation>\n<object>\n<name>cat")
    (tmp_path / "d.xml").write_text("")
    (tmp_path / "e.xml").write_bytes(b"\x00\xff\x00garbage")
    (tmp_path / "f.xml").write_text("<annotation>" + "<a>" * 100_000)
    (tmp_path / "g.xml").write_text(
        '<!DOCTYPE a [<!ENTITY f SYSTEM "file:///etc/passwd">]><annotation>&f;</annotation>'
    )
    (tmp_path / "h.xml").write_text("<svg/>")
    images = open_boxes(tmp_path)["all"]
    assert len(images) == 1
    bad = told(images, "bad-annotation")
    assert len(bad) == 6
    assert f"{tmp_path}/c.xml, line 3: no well-formed XML (no element found). The picture was left out." in bad
    assert "entities are not read" in "".join(bad)
    assert "h.xml" in told(images, "other-file")[0]


def test_a_name_that_differs_between_splits_is_named_with_file_and_line(tmp_path):
    kit = voc_kit(tmp_path, {"train": {"a": [GOOD]}, "val": {"b": [("Cat", (1, 1, 9, 9)), GOOD]}})
    sets = open_boxes(kit)
    (text,) = told(sets["train"], "class-not-in-train")
    assert text.startswith(f"{kit}/Annotations/b.xml, line 4: 'Cat' is a class that train does not have (val has it).")
    assert text.endswith("Nearest: 'cat'. It was left out")
    assert boxes_of(sets["val"]) == [("cat", 10, 10, 20, 30)]


def test_missing_unreadable_and_unlabeled_pictures(tmp_path):
    photo(tmp_path / "a.jpg")
    photo(tmp_path / "lonely.jpg")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    for name in ("a", "gone", "broken"):
        voc_file(tmp_path / f"{name}.xml", [GOOD])
    images = open_boxes(tmp_path)["all"]
    assert len(images) == 1
    assert told(images, "missing") == [f"{tmp_path}/gone.xml: its picture ('gone.jpg') is not there; left out"]
    assert "broken.jpg" in told(images, "unreadable")[0]
    assert told(images, "unlabeled") == [f"{tmp_path}/lonely.jpg: has no XML file; left out"]


@pytest.mark.parametrize(
    ("orientation", "mapped"), [(6, (18, 10, 38, 20)), (8, (10, 44, 30, 54)), (3, (44, 18, 54, 38))]
)
def test_boxes_on_the_lying_picture_are_turned(tmp_path, orientation, mapped):
    photo(tmp_path / "a.jpg", 64, 48, orientation)
    voc_file(tmp_path / "a.xml", [("cat", (11, 11, 20, 30))], (64, 48))
    images = open_boxes(tmp_path)["all"]
    if orientation == 3:  # the same size either way: nobody can tell
        assert boxes_of(images) == [("cat", 10, 10, 20, 30)]
        assert kinds(images) == ["exif-unclear"]
        return
    assert boxes_of(images) == [("cat", *mapped)]
    assert kinds(images) == ["exif-turned"]
    assert images.truth[0].size == (64, 48)
    voc_file(tmp_path / "a.xml", [("cat", (11, 11, 20, 30))], (48, 64))  # marked on the upright one
    assert boxes_of(open_boxes(tmp_path)["all"]) == [("cat", 10, 10, 20, 30)]
    assert not told(open_boxes(tmp_path)["all"])


def test_sizes_that_are_not_the_pictures(tmp_path):
    for name, size in {"half": (128, 96), "other": (100, 100), "zero": (0, 0), "none": None}.items():
        photo(tmp_path / f"{name}.jpg")
        voc_file(tmp_path / f"{name}.xml", [("cat", (21, 21, 40, 40))], size)
    images = open_boxes(tmp_path)["all"]
    found = {images.name(i): boxes_of(images, i)[0][1:] for i in range(4)}
    assert found == {
        "half.jpg": (10, 10, 20, 20),
        "none.jpg": (20, 20, 40, 40),
        "other.jpg": (20, 20, 40, 40),
        "zero.jpg": (20, 20, 40, 40),
    }
    assert len(told(images, "size-mismatch")) == 3


def test_five_thousand_objects_on_one_picture(tmp_path):
    photo(tmp_path / "a.png", 1000, 1000)
    rng = np.random.default_rng(0)
    corners = rng.integers(1, 900, (5000, 2))
    voc_file(tmp_path / "a.xml", [("cat", (x, y, x + 30, y + 40)) for x, y in corners.tolist()], (1000, 1000))
    start = time.perf_counter()
    images = open_boxes(tmp_path)["all"]
    assert time.perf_counter() - start < 5
    assert len(images.truth[0]) + len(told(images, "duplicate-box")) == 5000


def test_nothing_to_learn_is_refused(tmp_path):
    photo(tmp_path / "a.jpg")
    voc_file(tmp_path / "a.xml", [])
    with pytest.raises(DataError, match="no object on any of the pictures"):
        open_boxes(tmp_path)
    (tmp_path / "classes.txt").write_text("cat\n")
    assert len(open_boxes(tmp_path)["all"].truth[0]) == 0
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(
        DataError, match=r"no picture with boxes that can be read\. The first that was left out: .*a\.xml"
    ):
        open_boxes(tmp_path)


# --- COCO


def image(number, name, w=64, h=48):
    return {"id": number, "file_name": name, "width": w, "height": h}


def mark(number, image_id, bbox, category_id=1, **more):
    return {"id": number, "image_id": image_id, "category_id": category_id, "bbox": bbox, **more}


@pytest.mark.parametrize(
    ("file", "folder", "split"),
    [
        ("annotations/instances_train2017.json", "train2017", "train"),
        ("annotations/instances_val2017.json", "images/val2017", "val"),
        ("train/_annotations.coco.json", "train", "train"),
        ("labels.json", "images", "all"),
        ("annotations/instances_default.json", "images", "all"),
    ],
)
def test_cocos_folders(tmp_path, file, folder, split):
    photo(tmp_path / folder / "a.jpg")
    photo(tmp_path / folder / "b.jpg")
    coco(tmp_path / file, [image(7, "a.jpg"), image(9, "b.jpg")], [mark(1, 7, [10, 10, 10, 20], area=77, iscrowd=1)])
    assert find_box_layout(tmp_path) == "coco"
    for path in (tmp_path, tmp_path / file):
        ((name, images),) = open_boxes(path).items()
        assert name == (split if path == tmp_path else "all")
        assert boxes_of(images) == [("cat", 10, 10, 20, 30)]
        assert images.truth[0].areas.tolist() == [77]
        assert images.truth[0].crowd.tolist() == [True]
        assert len(images.truth[1]) == 0  # a picture without objects: the format says so
        assert not told(images)


def test_every_fault_of_a_coco_file(tmp_path):
    photo(tmp_path / "a.jpg")
    photo(tmp_path / "b.jpg")
    coco(
        tmp_path / "x.json",
        [image(1, "a.jpg"), image(2, "gone.jpg"), image(1, "b.jpg"), {"id": 5}, image(6, "a.jpg"), "x"],
        [
            mark(0, 1, [10, 10, 10, 20]),
            mark(1, 1, [10, 10, -5, 20]),
            mark(1, 1, [5, 5, 0, 20]),
            mark(3, 1, [5, 5, 9]),
            mark(4, 1, [float("nan"), 5, 9, 9]),
            mark(5, 1, [1, 1, 5, 5], category_id=9),
            mark(6, 77, [1, 1, 5, 5]),
            mark(7, 1, [60, 40, 10, 4]),
            mark(8, 6, [0, 0, 3, 3], category_id=2),  # the same picture under another number
            mark(9, 1, None, segmentation=[[1, 2, 7, 2, 7, 8]]),
            mark(10, 1, [1, 1, 10**400, 5]),
        ],
        [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}, {"id": 2, "name": "cow"}, {"name": "x"}],
    )
    images = open_boxes(tmp_path)["all"]
    assert len(images) == 1
    assert boxes_of(images) == [
        ("cat", 10, 10, 20, 30),
        ("cat", 5, 10, 10, 30),
        ("cat", 60, 40, 64, 44),
        ("cat", 1, 2, 7, 8),
        ("dog", 0, 0, 3, 3),
    ]
    lines = {kind: [int(text.split("line ")[1].split(":")[0]) for text in told(images, kind)] for kind in kinds(images)}
    assert {kind: sorted(numbers) for kind, numbers in lines.items()} == {
        "bad-box": [12, 13, 14, 20],
        "bad-line": [5, 7, 16, 26],
        "clipped-box": [17],
        "duplicate-id": [4, 12, 25],
        "duplicate-line": [6],
        "id-0": [10],
        "inverted-box": [11],
        "missing": [3],
        "unknown-class": [15],
    }


def test_categories_are_matched_by_name(tmp_path):
    for split in ("train", "val"):
        photo(tmp_path / split / "a.jpg")
    coco(tmp_path / "train.json", [image(1, "a.jpg")], [mark(1, 1, [1, 1, 5, 5], 3)], [{"id": 3, "name": "cat"}])
    coco(
        tmp_path / "val.json",
        [image(1, "a.jpg")],
        [mark(1, 1, [1, 1, 5, 5], 8), mark(2, 1, [9, 9, 5, 5], 9)],
        [{"id": 8, "name": "cat"}, {"id": 9, "name": "Cat"}],
    )
    sets = open_boxes(tmp_path)
    assert sets["val"].classes == ("cat",)
    assert boxes_of(sets["val"]) == [("cat", 1, 1, 6, 6)]
    found = told(sets["train"], "class-not-in-train")
    assert found[0].startswith(f"{tmp_path}/val.json, line 10: val has the category 'Cat'")
    assert found[1].startswith(f"{tmp_path}/val.json, line 6: 'Cat' is a class that train does not have")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"images": [\n{"id": 1},\n{"id" 2}]}', r"x\.json, line 3: no well-formed JSON"),
        ('{"images": [{"id": 1}', r"x\.json, line 1: no well-formed JSON"),
        ('{"images": [],\n"annotations": [], "categories": []}', "the list of images is missing or empty"),
        ('{"images": ' + "[" * 100_000, "JSON"),
        ('{"images": [' + "9" * 5000 + "]}", "JSON that cannot be read"),
    ],
)
def test_damaged_json_is_refused_with_its_line(tmp_path, text, words):
    from striate.data.coco_boxes import read_coco_boxes

    (tmp_path / "x.json").write_text(text)
    with pytest.raises(DataError, match=words):
        read_coco_boxes(tmp_path / "x.json")


def test_a_test_file_without_annotations_is_left_out(tmp_path):
    photo(tmp_path / "a.jpg")
    coco(tmp_path / "train.json", [image(1, "a.jpg")], [mark(1, 1, [1, 1, 5, 5])])
    (tmp_path / "image_info_test.json").write_text(
        json.dumps({"images": [image(1, "a.jpg")], "categories": [{"id": 1, "name": "cat"}]})
    )
    sets = open_boxes(tmp_path)
    assert list(sets) == ["train"]
    assert "has no annotations" in told(sets["train"], "unlabeled")[0]


def test_two_files_of_one_split_are_refused(tmp_path):
    for name in ("train_a", "train_b"):
        coco(tmp_path / f"{name}.json", [image(1, "a.jpg")], [])
    with pytest.raises(DataError, match=r"both train_a\.json and train_b\.json are of train"):
        open_boxes(tmp_path)


# --- YOLO


def test_yolos_folders(tmp_path):
    text = "0 0.25 0.5 0.25 0.5\n1 0.5 0.5 1 1\n"
    root = yolo(tmp_path / "a", {"images/train/1": text, "images/val/2": ""}, "names: {0: cat, 1: dog}")
    assert find_box_layout(root) == "yolo"
    for path in (root, root / "data.yaml"):
        sets = open_boxes(path)
        assert boxes_of(sets["train"]) == [("cat", 8, 12, 24, 36), ("dog", 0, 0, 64, 48)]
        assert len(sets["val"].truth[0]) == 0
        assert not told(sets["train"])
    (root / "data.yaml").unlink()
    sets = open_boxes(root)  # without a list of names
    assert sets["train"].classes == ("0", "1")
    assert kinds(sets["train"]) == ["class-numbers"]
    (root / "classes.txt").write_text("cat\ndog\n")
    assert open_boxes(root)["val"].classes == ("cat", "dog")


def test_roboflows_and_darknets_and_labeling_tools_folders(tmp_path):
    text = "1 0.5 0.5 0.5 0.5\n"
    robo = tmp_path / "robo"
    photo(robo / "train" / "images" / "a.jpg")
    (robo / "train" / "labels").mkdir()
    (robo / "train" / "labels" / "a.txt").write_text(text)
    (robo / "data.yaml").write_text("train: ../train/images\nval: ../train/images\nnc: 2\nnames: ['cat', 'dog']\n")
    assert boxes_of(open_boxes(robo)["train"]) == [("dog", 16, 12, 48, 36)]
    dark = tmp_path / "dark"
    photo(dark / "obj" / "a.jpg")
    (dark / "obj" / "a.txt").write_text(text)
    (dark / "obj.names").write_text("cat\ndog\n")
    (dark / "train.txt").write_text("obj/a.jpg\nobj/gone.jpg\n")
    (dark / "obj.data").write_text("classes = 2\ntrain = train.txt\nnames = obj.names\n")
    sets = open_boxes(dark)
    assert boxes_of(sets["train"]) == [("dog", 16, 12, 48, 36)]
    assert told(sets["train"], "missing") == [f"{dark}/train.txt, line 2: obj/gone.jpg does not exist; left out"]
    tool = tmp_path / "tool"
    photo(tool / "a.jpg")
    (tool / "a.txt").write_text(text)
    (tool / "classes.txt").write_text("cat\ndog\n")
    assert boxes_of(open_boxes(tool)["all"]) == [("dog", 16, 12, 48, 36)]


def test_every_fault_of_a_yolo_file(tmp_path):
    lines = [
        "0 0.25 0.5 0.25 0.5",
        "0 0.25 0.5 0.25",
        "x 0.25 0.5 0.25 0.5",
        "5 0.25 0.5 0.25 0.5",
        "0 nan 0.5 0.25 0.5",
        "0 0.95 0.5 0.25 0.5",
        "0 320 240 100 100",
        "0 0.5 0.5 0 0.5",
        "0 0.5 0.5 -0.5 0.5",
        "",
        "1 0.1 0.1 0.5 0.1 0.5 0.5",  # an outline
        "1 0.5 0.5 0.1 0.1 0.93",  # with a score
        "-1 0.5 0.5 0.1 0.1",
        "0 0.25 0.5 0.25 0.5",
        "1 0.1 0.1 0.5 0.1 0.5 0.5 0.7",
    ]
    root = yolo(tmp_path, {"images/train/1": "\n".join(lines)})
    photo(root / "images" / "train" / "2.jpg")
    images = open_boxes(root)["train"]
    assert len(images) == 2
    np.testing.assert_allclose(
        images.truth[0].boxes,
        [[8, 12, 24, 36], [52.8, 12, 64, 36], [16, 12, 48, 36], [6.4, 4.8, 32, 24], [28.8, 21.6, 35.2, 26.4]],
        rtol=1e-5,
    )
    at = {
        kind: [int(text.split("line ")[1].split(":")[0]) for text in told(images, kind) if "line " in text]
        for kind in kinds(images)
    }
    assert at == {
        "bad-box": [7, 5, 8],
        "bad-line": [2, 3, 13, 15],
        "clipped-box": [6],
        "duplicate-box": [14],
        "inverted-box": [9],
        "no-label-file": [],
        "outlines": [],
        "unknown-class": [4],
    }


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("train: images/train\nnames: [cat, cat]\n", "the class 'cat' stands there twice"),
        ("train: images/train\nnames: {0: cat, 2: dog}\n", "must be 0 to 1, each once"),
        ("train: images/none\nnames: [cat]\n", "'images/none' does not exist"),
        ("train: [images/train\nnames: [cat]\n", r"data\.yaml, line \d: no well-formed YAML"),
        ("train: images/train\nnames: cat.txt\n", "the list of names 'cat.txt' does not exist"),
        ("train: images/train\nnames: 3\n", "names must be a list"),
    ],
)
def test_settings_that_cannot_be(tmp_path, settings, words):
    from striate.data.yolo_boxes import read_yolo_boxes

    root = yolo(tmp_path, {"images/train/1": ""})
    (root / "data.yaml").write_text(settings)
    with pytest.raises(DataError, match=words):
        read_yolo_boxes(root)


def test_a_split_without_any_text_file_is_refused(tmp_path):
    root = yolo(tmp_path, {"images/train/1": "", "images/val/2": ""})
    (root / "labels" / "val" / "2.txt").unlink()
    with pytest.raises(DataError, match="none of the 1 pictures of val has a text file"):
        open_boxes(root)


# --- telling them apart


def test_classification_data_is_not_taken_for_boxes(tmp_path):
    folders = class_folders(tmp_path / "folders", {"train/cat": 2, "train/dog": 2, "val/cat": 1, "val/dog": 1})
    (folders / "classes.txt").write_text("cat\ndog\n")
    assert find_box_layout(folders) is None
    (tmp_path / "labels.csv").write_text("path,label\n")
    assert find_box_layout(tmp_path / "labels.csv") is None
    assert find_box_layout(tmp_path / "nothing") is None
    (tmp_path / "report.json").write_text("{}")
    assert find_box_layout(tmp_path / "report.json") is None
    with pytest.raises(DataError, match="no such file or folder"):
        open_boxes(tmp_path / "nothing")
    with pytest.raises(DataError, match="no boxes that can be recognized"):
        open_boxes(folders)


def test_damaged_settings_of_something_else_hide_nothing(tmp_path):
    photo(tmp_path / "images" / "a.jpg")
    coco(tmp_path / "all.json", [image(1, "a.jpg")], [mark(1, 1, [1, 1, 5, 5])])
    (tmp_path / "config.yaml").write_text("a: [1,\n")
    assert find_box_layout(tmp_path) == "coco"
    root = yolo(tmp_path / "yolo", {"images/train/1": "0 .5 .5 .1 .1"})
    (root / "data.yaml").write_text("train: [images/train\nnames: [cat]\n")
    with pytest.raises(DataError, match=r"data\.yaml, line \d: no well-formed YAML"):
        open_boxes(root)


def test_links_that_lead_back_end(tmp_path):
    photo(tmp_path / "a.jpg")
    voc_file(tmp_path / "a.xml", [GOOD])
    (tmp_path / "loop").symlink_to(tmp_path)
    assert len(open_boxes(tmp_path)["all"]) == 1
    assert Path(open_boxes(tmp_path)["all"].where(0)) == tmp_path / "a.jpg"


def test_parts_of_people_are_no_objects(tmp_path):
    photo(tmp_path / "a.jpg")
    box = "<bndbox><xmax>{}</xmax><xmin>{}</xmin><ymax>40</ymax><ymin>1</ymin></bndbox>"  # in any order, as in VOC2012
    part = f"<part><name>head</name>{box.format(9, 3)}</part>"
    text = f"<object>{part}<name> person </name>{box.format('44.5', '12.25')}{part}<truncated>1</truncated></object>"
    (tmp_path / "a.xml").write_text(f"<annotation><segmented>0</segmented>{text}</annotation>")
    images = open_boxes(tmp_path)["all"]
    assert images.classes == ("person",)
    assert boxes_of(images) == [("person", 11.25, 0, 44.5, 40)]


def test_files_in_another_encoding(tmp_path):
    for name, encoding in {"a": "latin-1", "b": "utf-16", "c": "utf-8-sig"}.items():
        photo(tmp_path / f"{name}.jpg")
        voc_file(tmp_path / f"{name}.xml", [("café", (1, 1, 9, 9))])
        text = (tmp_path / f"{name}.xml").read_text()
        declared = f'<?xml version="1.0" encoding="{encoding}"?>' if name == "a" else ""
        (tmp_path / f"{name}.xml").write_bytes((declared + text).encode(encoding))
    images = open_boxes(tmp_path)["all"]
    assert len(images) == 3
    assert images.classes == ("café",)
    assert not told(images)


def test_one_class_and_pictures_without_objects(tmp_path):
    from striate.data.check_boxes import check_boxes

    for number in range(4):
        photo(tmp_path / f"{number}.jpg", 60 + number)
        voc_file(tmp_path / f"{number}.xml", [("cat", (5, 5, 30, 40))] if number == 2 else [], (60 + number, 48))
    report = check_boxes(open_boxes(tmp_path), workers=1)
    assert not [problem for problem in report.pictures.problems if "leak" in problem.kind or "class" in problem.kind]
    statistics = report.splits["all"]
    assert (statistics.pictures, statistics.empty, statistics.objects, statistics.most) == (4, 3, (1,), 1)
    assert statistics.sides == (30.5941,) * 5
    assert statistics.by_area == (1, 0, 0)
    assert report.class_rows() == [("cat", (1,))]


def test_a_picture_of_thirty_megapixels_costs_its_header(tmp_path):
    from io import BytesIO

    from PIL import Image

    buffer = BytesIO()
    Image.new("L", (7680, 4320)).save(buffer, "PNG")
    (tmp_path / "a.png").write_bytes(buffer.getvalue())
    voc_file(tmp_path / "a.xml", [("cat", (7000, 4000, 7680, 4320))], (7680, 4320))
    images = open_boxes(tmp_path)["all"]
    assert boxes_of(images) == [("cat", 6999, 3999, 7680, 4320)]
    (tmp_path / "a.png").write_bytes(buffer.getvalue()[:200])  # the pixels are gone, the header is not
    assert len(open_boxes(tmp_path)["all"]) == 1
