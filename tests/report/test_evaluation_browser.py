"""The pages of evaluation and comparison in a browser: silent, offline, sortable, at every width, on two sheets."""

import re

import pytest

from striate.report import build_comparison_page, build_evaluation_page
from tests.report.test_browser import Tab, browser  # noqa: F401 - a fixture
from tests.report.test_evaluation_page import comparison, evaluation, predictions

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def addresses(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    long = predictions(120, ("a rather long name of a class", "dog", *(f"class {i}" for i in range(10))))
    pages = {"evaluation": build_evaluation_page(evaluation(long)), "comparison": build_comparison_page(comparison())}
    for name, text in pages.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: (folder / f"{name}.html").as_uri() for name in pages}


@pytest.fixture
def tab(browser, addresses):  # noqa: F811 - the fixture
    tabs = []

    def opened(page, **options):
        tabs.append(Tab(browser, addresses[page], **options))
        return tabs[-1]

    yield opened
    for one in tabs:
        one.context.close()
        assert one.said == []
        assert [url for url in one.asked if not url.startswith("data:")] == one.asked[:1]


@pytest.mark.parametrize("width", [360, 900, 1600])
@pytest.mark.parametrize("page", ["evaluation", "comparison"])
def test_every_width_without_sideways_scrolling(tab, page, width):
    for theme, color in (("light", "rgb(251, 250, 248)"), ("dark", "rgb(19, 20, 22)")):
        one = tab(page, width=width, theme=theme)
        assert one.page.evaluate("document.documentElement.scrollWidth") <= width
        assert one.page.evaluate("getComputedStyle(document.body).backgroundColor") == color


def test_the_table_sorts_by_numbers_and_by_names(tab):
    one = tab("evaluation")

    def column(number):
        return one.page.locator(f"#classes tbody tr > :nth-child({number})").all_inner_texts()

    heads = one.page.locator("#classes thead button")
    heads.nth(1).click()  # pictures, the most first
    counts = [int(text) for text in column(2)]
    assert counts == sorted(counts, reverse=True)
    heads.nth(1).click()
    assert [int(text) for text in column(2)] == sorted(counts)
    heads.nth(0).click()
    names = column(1)
    assert names[:4] == ["a rather long name of a class", "class 0", "class 1", "class 2"]
    assert names[-1] == "dog"  # and not class 10 before class 2
    assert one.page.locator("th[aria-sort]").count() == 1


def test_the_cell_under_the_pointer_is_said(tab):
    one = tab("evaluation")
    cell = one.page.locator(".cell rect").first
    cell.hover()
    told = one.words("#cell")
    assert re.search(r"\d+ of \d+", told)
    assert told == cell.locator("title").text_content()


@pytest.mark.parametrize("page", ["evaluation", "comparison"])
def test_the_page_prints_on_two_sheets(tab, page, tmp_path):
    one = tab(page)
    data = one.page.pdf(path=tmp_path / "page.pdf", prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page[^s]", data)) <= 2


def test_without_a_script_everything_can_be_read(tab):
    one = tab("evaluation", javascript=False)
    assert one.page.locator("#classes tbody tr").count() == 12
    assert one.page.locator("#cell").is_hidden()
