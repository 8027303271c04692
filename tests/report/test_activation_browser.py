"""The page of all activations in a browser: silent, offline, by pointer and by keyboard, at every width."""

import pytest

from striate.report import build_activation_sheet
from tests.report.test_activation_sheet import activations
from tests.report.test_browser import Tab, browser  # noqa: F401 - a fixture

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    path = tmp_path_factory.mktemp("sheet") / "sheet.html"
    path.write_text(build_activation_sheet(activations()), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def tab(browser, address):  # noqa: F811 - the fixture
    tabs = []

    def opened(**options):
        tabs.append(Tab(browser, address, **options))
        return tabs[-1]

    yield opened
    for one in tabs:
        one.context.close()
        assert one.said == []
        assert [url for url in one.asked if not url.startswith("data:")] == one.asked[:1]


@pytest.mark.parametrize("width", [360, 900, 1600])
def test_every_width_without_sideways_scrolling(tab, width):
    for theme, color in (("light", "rgb(251, 250, 248)"), ("dark", "rgb(19, 20, 22)")):
        one = tab(width=width, theme=theme)
        one.page.wait_for_selector("html[data-ready]")
        assert one.page.evaluate("document.documentElement.scrollWidth") <= width
        assert one.page.evaluate("getComputedStyle(document.body).backgroundColor") == color


def test_layers_channels_and_numbers(tab):
    page, found = tab(width=1200).page, activations()
    page.wait_for_selector("html[data-ready]")
    assert page.inner_text("#name") == "0"
    assert page.locator(".tile").count() == 40
    page.keyboard.press("ArrowDown")
    page.wait_for_selector("[data-layer='1'][aria-current='true']")
    page.locator(".tile").nth(7).click()
    best = found["1"].maps[7]
    y, x = divmod(int(best.argmax()), best.shape[1])
    value, unit = page.inner_text("#unit-value").split()
    assert float(value) == pytest.approx(float(best.max()), abs=float(found["1"].maps.max()) / 255)
    assert unit == f"1:7@{y},{x}"
    assert page.evaluate("location.hash") == f"#1:7@{y},{x}"
    page.keyboard.press("ArrowLeft" if x else "ArrowRight")
    assert page.evaluate("location.hash") == f"#1:7@{y},{x - 1 if x else 1}"
    page.keyboard.press("Escape")
    page.select_option("#order", "maximum")
    order = sorted(range(40), key=lambda c: -float(f"{found['1'].maximum[c]:.5g}"))
    assert page.locator(".tile b").first.inner_text() == str(order[0])
    page.evaluate("location.hash = '#4:2'")
    page.wait_for_selector("dialog[open]")
    assert page.inner_text("#unit-address") == "4:2"
