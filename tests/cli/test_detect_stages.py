"""`striate detect PHOTO --stages`: what is printed, what is JSON, and what is refused."""

import json
from pathlib import Path

import pytest
from PIL import Image

from striate.data.voc_xml import to_voc
from striate.recipes import detect_stages
from striate.report import stage_parts, stages_of
from tests.detection.shapes import shape_picture
from tests.detection.test_looking import small_network


@pytest.fixture(autouse=True)
def small_drawings(monkeypatch):
    """Drawings of 256 px take a tenth of the time."""
    for module in (stage_parts, stages_of):
        monkeypatch.setattr(module, "SIDE_PX", 256)


@pytest.fixture
def photo(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(detect_stages, "load", lambda _: small_network("yolo"))
    pixels, truth = shape_picture(3, side=96)
    Image.fromarray(pixels).save(tmp_path / "cat.png")
    (tmp_path / "cat.xml").write_text(to_voc(truth, filename="cat.png"), encoding="utf-8")
    return "cat.png"


def test_it_says_what_is_left_and_where_the_page_is(run_cli, photo):
    done = run_cli("detect", photo, "--network", "small", "--stages", "--score", "0.01")
    assert done.code == 0, done.err
    lines = [line.split() for line in done.out.splitlines()]
    assert ["boxes", "32", "2", "of", "each", "of", "4", "×", "4", "cells"] in lines
    page = Path("striate-out/detect/cat-small-stages/report.html")
    assert page.is_file()
    assert str(page) in done.out
    assert done.out.splitlines()[-1].endswith("--stages --truth BOXES.xml")


def test_json_with_truth(run_cli, photo):
    done = run_cli("detect", photo, "--network", "small", "--stages", "--truth", "cat.xml", "--out", "x", "--json")
    document = done.json
    assert document["objects"] >= 1
    assert "responsible" in [stage["key"] for stage in document["stages"]]
    saved = json.loads(Path("x/stages.json").read_text(encoding="utf-8"))
    assert saved["remaining"] == document["remaining"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a.png", "b.png", "--stages"], "give one image file"),
        ([".", "--stages"], "give one image file"),
        (["cat.png", "--stages", "--every", "2"], "leave out --every"),
        (["cat.png", "--stages", "--format", "voc"], "leave out --format"),
        (["cat.png", "--truth", "cat.xml"], "add --stages, or leave it out"),
        (["gone.png", "--stages"], "gone.png"),
    ],
)
def test_refusals(run_cli, photo, words, said):
    done = run_cli("detect", *words, "--network", "small")
    assert done.code != 0
    assert said in done.err
