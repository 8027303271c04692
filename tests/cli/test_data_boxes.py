"""`striate data check|split|convert|show` of pictures with boxes."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.data.box_opening import open_boxes
from tests.data.box_layouts import photo, voc_file, voc_kit, yolo

GOOD = [("cat", (5, 5, 20, 30)), ("dog", (20, 10, 60, 40))]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train = {f"t{number}": GOOD for number in range(8)}
    voc_kit(
        tmp_path / "kit", {"train": train, "val": {"v0": GOOD[:1], "v1": [*GOOD, ("dog", (1, 1, 4, 40))], "v2": []}}
    )
    return tmp_path


def test_a_clean_kit_is_counted_and_measured(here, run_cli):
    result = run_cli("data", "check", "kit")
    assert result.code == 0
    plan = "Check kit: 11 pictures (train 8, val 3) with 20 objects of 2 classes, as VOC."
    assert result.err.splitlines()[0] == plan
    lines = [line.split() for line in result.out.splitlines()]
    assert ["class", "train", "val"] in lines
    assert ["cat", "8", "2"] in lines
    assert ["dog", "8", "2"] in lines
    assert "val     3 pictures, 1 without objects, at most 3 on one" in result.out
    assert "√area 20.4 to 35.7 px" in result.out
    assert "tiny boxes: 0" not in result.out
    assert result.out.splitlines()[-1].startswith("Next    striate train kit --model faster_rcnn")


def test_what_is_wrong_has_file_and_line(here, run_cli):
    voc_file(here / "kit" / "Annotations" / "t0.xml", [*GOOD, ("cat", (90, 5, 99, 9)), ("cat", (7, 5, 9, 30))])
    (here / "kit" / "JPEGImages" / "v0.jpg").write_bytes((here / "kit" / "JPEGImages" / "t1.jpg").read_bytes())
    (here / "kit" / "JPEGImages" / "t2.jpg").write_bytes((here / "kit" / "JPEGImages" / "t2.jpg").read_bytes()[:600])
    voc_file(here / "kit" / "Annotations" / "v1.xml", [("Cat", (5, 5, 20, 30))])
    result = run_cli("data", "check", "kit", "--out", "report.json")
    assert result.code == 1
    text = result.out
    assert (
        "Annotations/t0.xml, line 6: 'cat' lies outside of the 64 × 48 picture (89, 4, 99, 9); it was left out" in text
    )
    assert "JPEGImages/v0.jpg: in val, and the same file is in train" in text
    assert "JPEGImages/t2.jpg: the JPEG data cannot be decoded" in text
    assert "Annotations/v1.xml, line 4: 'Cat' is a class that train does not have (val has it). Nearest: 'cat'." in text
    assert "'cat' is 3 × 26 pixels: next to nothing can be seen" in text
    report = json.loads(Path("report.json").read_text(encoding="utf-8"))
    assert report["splits"]["train"]["objects"] == [8, 7]
    assert report["errors"] == 4
    assert run_cli("data", "check", "kit", "--json").json["splits"]["val"]["pictures"] == 3


def test_round_about_all_layouts(here, run_cli):
    for source, to in (("kit", "coco"), ("kit-coco", "yolo"), ("kit-coco-yolo", "voc")):
        result = run_cli("data", "convert", source, "--to", to)
        assert result.code == 0
        assert f"Data    {source}-{to}" in result.out
    first, last = open_boxes("kit"), open_boxes("kit-coco-yolo-voc")
    for split, boxes in first.items():
        assert [truth.boxes.tolist() for truth in last[split].truth] == [truth.boxes.tolist() for truth in boxes.truth]
    result = run_cli("data", "convert", "kit", "--to", "npz")
    assert result.code == 2
    assert "kit has boxes, for which npz has no place; use voc, coco or yolo" in result.err
    result = run_cli("data", "convert", "nothing", "--to", "voc")
    assert "nothing: no such file or folder" in result.err


def test_what_a_layout_cannot_keep_is_said(here, run_cli):
    file = here / "kit" / "Annotations" / "t0.xml"
    file.write_text(file.read_text().replace("<difficult>0", "<difficult>1", 1))
    result = run_cli("data", "convert", "kit", "--to", "yolo")
    assert "yolo has no place for marks 'difficult'; 1 were not kept" in result.out
    assert run_cli("data", "convert", "kit", "--to", "coco", "--json").json["problems"] == []


@pytest.mark.parametrize("inside", [True, False])
def test_a_split_names_the_pictures_where_they_are(here, run_cli, inside):
    (here / "kit" / "ImageSets" / "Main" / "val.txt").unlink()
    out = here / "parts" if inside else here / "else" / "where" / "parts"
    result = run_cli("data", "split", "kit", "--val", "0.25", "--out", out)
    assert result.code == 0
    assert f"Data    {out}" in result.out
    sets = open_boxes(out)
    assert {name: len(boxes) for name, boxes in sets.items()} == {"train": 6, "val": 2}
    assert {Path(sets["val"].where(i)).resolve().parent for i in range(2)} == {here / "kit" / "JPEGImages"}
    assert sets["val"].truth[0].boxes.tolist() == open_boxes("kit")["train"].truth[0].boxes.tolist()
    assert sets["val"].pixels(0).shape == (48, 64, 3)
    assert "exists already" in run_cli("data", "split", "kit", "--val", "0.25", "--out", out).err
    assert "must name a folder" in run_cli("data", "split", "kit", "--val", "0.25", "--out", "a.csv").err
    assert "has val already" in run_cli("data", "split", out, "--val", "0.25").err


def test_groups_of_files_stay_together(here, run_cli):
    root = here / "plain"
    for number in range(12):
        photo(root / f"p{number // 3}-{number}.jpg")
        voc_file(root / f"p{number // 3}-{number}.xml", GOOD)
    assert run_cli("data", "split", "plain", "--val", "0.25", "--group", r"p\d").code == 0
    val = open_boxes("plain-split")["val"]
    assert len({Path(val.name(i)).name[:2] for i in range(len(val))}) == 1
    assert len(val) == 3


def test_a_sheet_of_what_a_detector_sees(here, run_cli):
    for words in (
        ("--augment", "strong"),
        ("--augment", "yolo", "--fit", "stretch"),
        ("--fit", "shorter", "--size", "96"),
    ):
        result = run_cli("data", "show", "kit", "--pictures", "1", "--out", "sheet.png", *words)
        assert result.code == 0, result.err
        assert np.asarray(Image.open("sheet.png")).std() > 10
    assert "shorter side to 96 px" in result.out
    result = run_cli("data", "show", "kit", "--pictures", "1", "--out", "sheet.png", "--model", "yolo_v1")
    assert "stretched to 448 × 448, mirrored in 50 % of cases; exposure by up to 1.5" in result.out
    document = run_cli("data", "show", "kit", "--pictures", "2", "--augment", "none", "--out", "a.png", "--json").json
    assert document["pictures"][0]["objects"] == ["cat", "dog"]
    assert document["pictures"][0]["seen"] == [2, 2, 2, 2]
    again = run_cli("data", "show", "kit", "--pictures", "2", "--augment", "none", "--out", "b.png", "--json")
    assert again.code == 0
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()


def test_refusals_of_the_sheet(here, run_cli):
    for words, what in (
        (("--augment", "yollo"), "Nearest: 'yolo'"),
        (("--mixup", "0.2"), "mixup and cutmix mix labels"),
        (("--part", "test"), "has no part 'test'; it has train, val"),
        (("--model", "resnet18"), "resnet18 names whole pictures, and these have boxes"),
    ):
        result = run_cli("data", "show", "kit", *words)
        assert result.code == 2
        assert what in result.err


def test_yolo_is_checked_too(here, run_cli):
    yolo(here / "y", {"images/train/a": "0 0.5 0.5 0.5 0.5\n7 0.5 0.5 0.2 0.2\n"})
    result = run_cli("data", "check", "y")
    assert result.code == 1
    assert "labels/train/a.txt, line 2: class 7, but there are 2, counted from 0; the box was left out" in result.out
    assert "no object of the class 'dog'" in result.out
