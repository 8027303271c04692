"""The pages of a detector and of several: what they say, hostile names, nothing to say, every width, two sheets."""

import re
from dataclasses import replace

import numpy as np
import pytest

from striate.detection import Contestant, DetectorFacts, TrainingStage, compare_detectors, evaluate_boxes
from striate.detection.box_mistakes import crop_mistake
from striate.report import build_detection_page, build_detectors_page
from tests.detection.predicted import BOX, FAR, NASTY, answers, random_answers
from tests.report.samples import HOSTILE
from tests.report.test_browser import Tab, browser  # noqa: F401 - a fixture


def evaluation(predictions, **options):
    found = evaluate_boxes(predictions, resamples=50, **options)
    pixels = np.random.default_rng(0).integers(0, 255, (240, 240, 3)).astype(np.uint8)
    return replace(found, crops={i: crop_mistake(predictions, m, pixels) for i, m in enumerate(found.gallery)})


def words(page):
    text = re.sub(r"<(style|script)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text)).replace("&nbsp;", " ").replace("\u00a0", " ")


def test_it_says_the_answer_first():
    many = answers(
        [[(BOX, 0, 0.9), (FAR, 0, 0.3)], [(BOX, 1, 0.8)]],
        [[(BOX, 0)], [(BOX, 1), (FAR, 0)]],
        facts={"model": "yolo_v1", "data": "scenes/test", "score_threshold": 0.01},
    )
    page = words(build_detection_page(evaluation(many)))
    assert page.index("75.0 % mAP") < page.index("Precision against recall")
    assert "Of 3 objects on 2 pictures of test, yolo_v1 finds 2 with 0 false alarms" in page
    assert "1 of 3 classes have no objects here" in page
    assert "This cat was not found" not in page  # the gallery names the class only
    assert "All 1 missed objects" in page


def test_hostile_names_stay_text():
    many = answers([[(BOX, 0, 0.9)]], [[(FAR, 0)]], labels=(HOSTILE, "dog"), facts={"model": HOSTILE, "data": HOSTILE})
    page = build_detection_page(evaluation(many))
    assert "<img src=x" not in page
    assert "49" not in words(page)[:2000]


@pytest.mark.parametrize("name", NASTY)
def test_nasty_cases_have_a_page(name):
    page = build_detection_page(evaluate_boxes(NASTY[name], resamples=5))
    assert "nan" not in words(page).lower().replace("provenance", "")
    assert "Infinity" not in page


@pytest.mark.parametrize("classes", [1, 12, 45])
def test_many_classes(classes):
    page = build_detection_page(evaluation(random_answers(2, pictures=60, classes=classes)))
    assert page.count("<tr>") >= classes


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(build_detection_page(evaluation(random_answers(2, pictures=80, classes=10))), encoding="utf-8")
    return path.as_uri()


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 900, 1600])
def test_every_width_without_sideways_scrolling(browser, address, width):  # noqa: F811 - the fixture
    for theme in ("light", "dark"):
        one = Tab(browser, address, width=width, theme=theme)
        assert one.page.evaluate("document.documentElement.scrollWidth") <= width
        one.page.locator("#classes thead button").nth(2).click()
        assert one.page.locator("th[aria-sort]").count() == 1
        one.context.close()
        assert one.said == []


@pytest.mark.browser
def test_it_prints_on_two_sheets(browser, address, tmp_path):  # noqa: F811 - the fixture
    one = Tab(browser, address)
    data = one.page.pdf(path=tmp_path / "page.pdf", prefer_css_page_size=True)
    one.context.close()
    assert len(re.findall(rb"/Type\s*/Page[^s]", data)) <= 2


@pytest.fixture(scope="module")
def beside(tmp_path_factory):
    """Four detectors, of which one has been measured in nothing."""
    stages = (TrainingStage("features", 411.0), TrainingStage("support vector machines", 122.0))
    facts = [
        DetectorFacts("rcnn", "rcnn", test_seconds=8.4, proposal_seconds=1.5, stages=stages, mean_ap=0.5),
        DetectorFacts("fast_rcnn", "fast_rcnn", test_seconds=0.2, mean_ap=0.6, mean_ap_low=0.5, mean_ap_high=0.7),
        DetectorFacts("faster_rcnn", "faster_rcnn", test_seconds=0.1, mean_ap=0.7, notes=("A note.",)),
        DetectorFacts("yolo_v1", "yolo"),
    ]
    named = [Contestant(f"a long name of a run, {one.model}", "runs/x", one, random_answers(3)) for one in facts]
    path = tmp_path_factory.mktemp("page") / "compare.html"
    path.write_text(build_detectors_page(compare_detectors(named)), encoding="utf-8")
    return path.as_uri()


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 900, 1600])
def test_detectors_beside_each_other_at_every_width(browser, beside, width):  # noqa: F811 - the fixture
    one = Tab(browser, beside, width=width)
    assert one.page.evaluate("document.documentElement.scrollWidth") <= width
    assert one.page.locator("#numbers thead th").count() == 4
    assert one.page.locator("#speed circle").count() == 3
    one.context.close()
    assert one.said == []


@pytest.mark.browser
def test_they_print_on_two_sheets(browser, beside, tmp_path):  # noqa: F811 - the fixture
    one = Tab(browser, beside)
    data = one.page.pdf(path=tmp_path / "page.pdf", prefer_css_page_size=True)
    one.context.close()
    assert len(re.findall(rb"/Type\s*/Page[^s]", data)) <= 2
