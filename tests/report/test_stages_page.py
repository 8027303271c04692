"""The page of a photo's way through a detector: what it says, hostile names, nothing found, every width."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from striate.data import Labels
from striate.data.augment.cut import Cut
from striate.data.detections import Detections
from striate.detection.looking import PictureStages, look_at_picture
from striate.models import Network
from striate.report import stage_parts, stages_of
from striate.report.stage_parts import Easel, of_each, plural
from striate.report.stages_of import build_stages
from striate.report.stages_page import build_stages_page
from tests.detection.shapes import CLASSES
from tests.detection.test_looking import WINDOWS, look, small_network
from tests.report.samples import HOSTILE
from tests.report.test_browser import Tab, browser  # noqa: F401 - a fixture


@pytest.fixture(autouse=True)
def small_drawings(monkeypatch, request):
    """Drawings of 256 px take a tenth of the time."""
    if "cell" in request.node.name or "close_up" in request.node.name:
        return  # these count pixels
    for module in (stage_parts, stages_of):
        monkeypatch.setattr(module, "SIDE_PX", 256)


def words(page):
    text = re.sub(r"<(style|script)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text)).replace("&nbsp;", " ").replace("\u00a0", " ")


def page_of(kind, **more):
    network, looked = look(kind, **more)
    return build_stages_page(build_stages(looked, network, photo_name="a.png", provenance={"command": "striate …"}))


def test_faster_rcnn_says_how_many_of_everything():
    network, looked = look("faster_rcnn")
    report = build_stages(looked, network, photo_name="a.png")
    text = words(build_stages_page(report))
    anchors = sum(one.objectness.numel() for one in looked.stages.maps)
    assert f"{anchors:,} in all" in text
    for title in ("What the network sees", "Anchors that learn", "Objectness", "Proposals", "Regions"):
        assert title in text
    assert f"{len(looked.stages.proposals.boxes):,} proposals" in text
    assert f"{len(looked.answer):,} boxes found" in text
    positive = int((looked.anchors.objects >= 0).sum())
    assert f"{positive} anchor" in text
    assert "RoI align" in text
    assert "background" in text


@pytest.mark.parametrize("kind", ["fast_rcnn", "rcnn"])
def test_proposals_from_outside_are_named(kind):
    text = words(page_of(kind))
    assert "Sliding windows lay boxes" in text
    assert "Anchors" not in text
    if kind == "rcnn":
        assert "Warped crops" in text
        assert "3 support vector machines" in text
        assert "2 px on each side" in text
    else:
        assert "RoI pooling" in text


def test_yolo_without_truth_has_no_responsible_cells():
    assert "Who is responsible" in words(page_of("yolo"))
    blind = words(page_of("yolo", truth=None))
    assert "Who is responsible" not in blind
    assert "Nobody said what is on the photo" in blind
    assert "4 × 4 cells of 16 × 16 px" in blind


@pytest.mark.parametrize("kind", ["yolo", "fast_rcnn", "faster_rcnn", "rcnn"])
def test_nothing_found_still_has_a_page(kind):
    network = small_network(kind)
    if kind == "rcnn":
        network.module.svm_slope.fill_(1)
        network.module.svm_bias.fill_(-1e4)
    photo = np.full((40, 90, 3), 127, dtype=np.uint8)
    nothing = Detections.of([], [], CLASSES, size=(40, 90))
    proposals = WINDOWS if network.module.takes_proposals else None
    looked = look_at_picture(network, photo, truth=nothing, score=1.0, proposals=proposals)
    report = build_stages(looked, network, photo_name="gray.png")
    text = words(build_stages_page(report))
    assert "0 boxes found" in text
    assert "none became a box with a score of at least 1.00" in text
    assert "0 of 0 objects" in text
    assert "nan" not in text.lower().replace("provenance", "")


def test_hostile_names_stay_text():
    network = small_network("faster_rcnn")
    network = Network(HOSTILE, network.module, network.preprocessing, Labels((HOSTILE, "b", "c")))
    photo = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    looked = look_at_picture(network, photo, score=0.01)
    page = build_stages_page(build_stages(looked, network, photo_name=HOSTILE, provenance={"command": HOSTILE}))
    assert "<img src=x" not in page
    assert page.count("</script>") == 2


def test_a_class_of_the_answer_is_the_first_bar():
    network, looked = look("fast_rcnn", score=0.01)
    report = build_stages(looked, network, photo_name="a.png")
    [regions] = [stage for stage in report.stages if stage.key == "regions"]
    for one in regions.regions:
        scores = [bar.score for bar in one.bars if bar.name != "background"]
        assert scores == sorted(scores, reverse=True)
        assert one.bars[0].first
        assert not any(bar.first for bar in one.bars[1:])


def canvas_of(photo, *, size, filled):
    _, looked = look("yolo")
    scale = photo.shape[1] / filled[1]
    cut = Cut((0.0, 0.0, size[1] * scale, size[0] * scale), size)
    return Easel(replace(looked, photo=photo, cut=cut, size=filled, truth=None))


def test_a_cell_map_lies_where_its_cells_do():
    easel = canvas_of(np.full((60, 120, 3), 128, np.uint8), size=(96, 96), filled=(48, 96))
    assert easel.photo.shape == (480, 960, 3)
    values = np.zeros((6, 6))
    values[1, 4] = 1.0
    for offset in (0.0, 3.0, -5.0):
        drawn = easel.cell_map(values, stride=(16, 16), offset=offset, limits=(0, 1)).astype(int)
        bright = drawn.sum(2) > drawn.sum(2)[0, 0] + 60
        rows, columns = np.flatnonzero(bright.any(1)), np.flatnonzero(bright.any(0))
        top, left = (16 + offset) * 10, (64 + offset) * 10
        assert (rows[0], rows[-1] + 1) == (top, top + 160)
        assert (columns[0], columns[-1] + 1) == (left, left + 160)
    # beyond the first and the last cell every pixel takes the nearest one
    edge = np.zeros((3, 6))
    edge[0, 0] = edge[-1, -1] = 1.0
    drawn = easel.cell_map(edge, stride=(16, 16), offset=4.0, limits=(0, 1)).astype(int).sum(2)
    assert drawn[0, 0] == drawn[100, 100] > drawn[300, 300]
    assert drawn[-1, -1] == drawn[400, 900]


def test_a_close_up_shows_the_box_and_moves_points_with_it():
    photo = np.zeros((96, 96, 3), np.uint8)
    photo[40:60, 70:90] = 255
    easel = canvas_of(photo, size=(96, 96), filled=(96, 96))
    near = easel.close_up([70, 40, 90, 60])
    x0, y0, x1, y1 = near.points(np.array([[70, 40, 90, 60]]))[0]
    assert near.pixels.shape[0] <= 400
    bright = near.pixels[..., 0] > 127
    assert np.flatnonzero(bright.any(1))[[0, -1]].tolist() == pytest.approx([y0, y1], abs=8)
    assert np.flatnonzero(bright.any(0))[[0, -1]].tolist() == pytest.approx([x0, x1], abs=8)
    whole = easel.close_up(torch.tensor([0.0, 0, 96, 96]))
    assert whole.corner == (0, 0)


def test_words():
    assert plural(0, "box", "boxes") == "0 boxes"
    assert of_each(Detections.of([], [], ("a",))) == ""


@pytest.mark.browser
@pytest.mark.parametrize("kind", ["faster_rcnn", "yolo"])
def test_every_width_without_sideways_scrolling(browser, tmp_path, kind):  # noqa: F811 - the fixture
    path = tmp_path / "report.html"
    path.write_text(page_of(kind), encoding="utf-8")
    for width in (360, 900, 1600):
        one = Tab(browser, path.as_uri(), width=width, theme="dark" if width == 900 else "light")
        assert one.page.evaluate("document.documentElement.scrollWidth") <= width
        assert one.page.locator("main img").evaluate_all("all => all.every((one) => one.naturalWidth > 0)")
        one.context.close()
        assert one.said == []


def test_the_photo_fills_only_its_part():
    network, looked = look("yolo")
    assert isinstance(looked, PictureStages)
    photo = np.zeros((30, 120, 3), np.uint8)
    wide = look_at_picture(network, photo)
    easel = Easel(wide)
    assert easel.photo.shape[1] / easel.photo.shape[0] == pytest.approx(4, rel=0.05)
