"""Whatever bytes the files hold: boxes that can be used, or a `DataError`; never anything else."""

import json
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from striate.data.box_opening import find_box_layout, open_boxes
from striate.data.box_rules import Mark, MarkedPicture, settle_marks
from striate.data.coco_boxes import read_coco_boxes
from striate.data.picture_header import PictureHeader
from striate.data.voc_xml import parse_voc
from striate.data.yolo_boxes import read_yolo_boxes
from striate.errors import DataError
from tests.data.box_layouts import photo, voc_file

ANY = st.floats(allow_nan=True, allow_infinity=True)
NUMBERS = st.one_of(ANY, st.integers(-5, 80).map(float), st.sampled_from([65535.0, 65534.0, 4294967295.0, -0.0]))
SIZES = st.one_of(st.none(), st.tuples(st.integers(0, 100), st.integers(0, 100)))

JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), ANY, st.text(max_size=3)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.tuples(*[NUMBERS] * 4)), max_size=8),
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.integers(1, 8),
    SIZES,
)
@settings(max_examples=120)
def test_what_is_kept_can_be_used_and_what_is_not_is_told(objects, stored, orientation, told):
    header = PictureHeader(stored, orientation)
    marks = [Mark(name, corners, line) for line, (name, corners) in enumerate(objects)]
    problems = []
    kept = settle_marks(MarkedPicture("a", header, marks, told, "line {}".format, "a.xml"), problems)
    h, w = header.upright
    for mark in kept:
        x1, y1, x2, y2 = mark.corners
        assert 0 <= x1 < x2 <= w
        assert 0 <= y1 < y2 <= h
    assert len({(mark.label, mark.corners) for mark in kept}) == len(kept)
    lost = {mark.at for mark in marks} - {mark.at for mark in kept}
    named = {problem.where for problem in problems}
    assert {f"line {line}" for line in lost} <= named


@given(st.binary(max_size=300))
@settings(max_examples=100)
def test_any_bytes_as_xml(data):
    with pytest.raises(DataError, match="the file"):
        parse_voc(data, "the file")
    with suppress(DataError):
        parse_voc(b"<annotation>" + data + b"</annotation>", "the file")


@given(
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            ("id", "image_id", "category_id", "bbox", "area", "iscrowd", "segmentation", "ignore"), JSON
        ),
    ),
    JSON,
    JSON,
)
@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_any_values_in_coco(item, image, category):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        photo(root / "a.jpg")
        document = {
            "images": [
                {"id": 1, "file_name": "a.jpg", "width": 64, "height": image},
                image,
                {"id": image, "file_name": image},
            ],
            "annotations": [
                item,
                {**item, "image_id": 1},
                {"id": 5, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]},
            ],
            "categories": [{"id": 1, "name": "cat"}, category, {"id": category, "name": "dog"}],
        }
        (root / "a.json").write_text(json.dumps(document))
        (images,) = read_coco_boxes(root / "a.json").values()
        boxes = images.truth[0].boxes
        assert [1, 2, 4, 6] in boxes.tolist()
        assert np.isfinite(boxes).all()


@given(st.lists(st.lists(st.one_of(NUMBERS.map(str), st.text(max_size=4)), max_size=9).map(" ".join), max_size=6))
@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_any_lines_in_yolo(lines):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        photo(root / "a.jpg")
        (root / "a.txt").write_text("\n".join(["0 0.5 0.5 0.5 0.5", *lines]), encoding="utf-8")
        (root / "obj.names").write_text("cat\ndog\n")
        (images,) = read_yolo_boxes(root).values()
        assert [16, 12, 48, 36] in images.truth[0].boxes.tolist()
        assert np.isfinite(images.truth[0].boxes).all()


def test_names_of_files_that_are_no_text(tmp_path):
    for name in ("new\nline", "ü ñ", "a" * 200):
        photo(tmp_path / f"{name}.jpg")
        voc_file(tmp_path / f"{name}.xml", [("cat", (1, 1, 900, 9))])
    images = open_boxes(tmp_path)["all"]
    assert len(images) == 3
    assert all(str(problem).isprintable() for problem in images.problems)


@given(st.dictionaries(st.sampled_from(["train", "val", "names", "path", "nc"]), JSON), st.booleans())
@settings(max_examples=40, deadline=None)
def test_any_settings_of_yolo(values, layout):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        photo(root / "images" / "a.jpg")
        (root / "labels").mkdir()
        (root / "labels" / "a.txt").write_text("0 0.5 0.5 0.5 0.5\n")
        (root / "data.yaml").write_text(json.dumps(values))
        if layout:
            assert find_box_layout(root) in {"yolo", None}
            return
        with suppress(DataError):
            read_yolo_boxes(root)
