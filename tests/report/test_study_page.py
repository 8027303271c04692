"""The page of a study: silent, offline, at every width; strangers' words stay words; what is said fits the numbers."""

import re

import numpy as np
import pytest

from striate.draw import encode_png
from striate.insight.human_study import HumanStudy
from striate.insight.human_study_records import StudyPicture, StudySettings
from striate.insight.human_study_result import StudyResult
from striate.report.study_page import build_study_page, shown_pictures
from striate.report.study_words import conclusions, headline
from tests.insight.study_scenes import answer_all
from tests.report.test_browser import Tab, browser  # noqa: F401 - a fixture

HOSTILE = '<img src=x onerror="alert(1)">'


def result(folder, *, people=3, conditions=("clean", "gray+noise=0.2"), each=20, classes=("cat", "dog", HOSTILE)):
    pictures = [
        (StudyPicture(f"{number:016x}", f"{HOSTILE}/{number}.jpg", number % len(classes), conditions[number % 2]), b"")
        for number in range(each * len(conditions))
    ]
    study = HumanStudy.create(folder, StudySettings(f"Study of {HOSTILE}", classes, conditions), pictures)
    generator = np.random.default_rng(0)
    for number in range(people):
        answer_all(study, f"p{number} {HOSTILE}"[:60], wrong=set(generator.choice(40, 12, replace=False).tolist()))
    answer_all(study, "net", wrong=set(generator.choice(40, 16, replace=False).tolist()), kind="network")
    return StudyResult.of(study)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return result(tmp_path_factory.mktemp("study") / "s")


def page_of(found):
    pixels = np.zeros((16, 16, 3), np.uint8)
    return build_study_page(found, dict.fromkeys(shown_pictures(found), pixels))


def test_a_strangers_words_stay_words(found):
    page = page_of(found)
    assert HOSTILE not in page
    assert "&lt;img src=x" in page
    assert "<script src" not in page


def test_what_is_said_fits_the_numbers(found):
    assert headline(found).startswith("Wrong answers: people 30\u00a0%, net 40\u00a0%.")
    said = conclusions(found)
    mixed = found.group("mixed")
    assert any("cannot be said" in line for line in said) is (mixed.low <= 0 <= mixed.high)
    assert "3 people took part. Intervals are about other pictures of this kind, not about other people." in said
    assert any("With 20 pictures a condition" in line for line in said)


def test_one_person_and_one_network_that_never_err(tmp_path):
    pictures = [(StudyPicture(f"{n:016x}", f"{n}.jpg", n % 2, "clean"), b"") for n in range(8)]
    study = HumanStudy.create(tmp_path / "s", StudySettings("t", ("a", "b")), pictures)
    answer_all(study, "p1", count=6)
    answer_all(study, "net", kind="network")
    found = StudyResult.of(study)
    said = " ".join(conclusions(found))
    assert "One person took part. Nothing here is about people in general." in said
    assert "Under “clean” p1 and net made no mistake" in said
    assert "Not all of the 8 pictures were answered by p1 (6)." in said
    page = build_study_page(found)
    assert "no value" in page
    assert not re.search(r"[>\s(]nan\b", page[page.index("<main") :])


def test_people_alone_are_a_study_too(tmp_path):
    pictures = [
        (StudyPicture(f"{n:016x}", f"{n}.jpg", n % 2, "clean"), encode_png(np.zeros((4, 4, 3), np.uint8)))
        for n in range(8)
    ]
    study = HumanStudy.create(tmp_path / "s", StudySettings("t", ("a", "b")), pictures)
    answer_all(study, "p1", wrong={1})
    found = StudyResult.of(study)
    assert shown_pictures(found) == []
    assert "Agreement" not in build_study_page(found)


@pytest.mark.browser
def test_every_width_and_theme_and_two_sheets(browser, found, tmp_path):  # noqa: F811 - the fixture
    path = tmp_path / "page.html"
    path.write_text(page_of(found), encoding="utf-8")
    for width in (360, 900, 1600):
        for theme in ("light", "dark"):
            tab = Tab(browser, path.as_uri(), width=width, theme=theme)
            assert tab.page.evaluate("document.documentElement.scrollWidth") <= width
            assert tab.said == []
            assert [url for url in tab.asked if not url.startswith("data:")] == [path.as_uri()]
            tab.context.close()
