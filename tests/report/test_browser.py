"""The page in a browser: silent, offline, right under the pointer, usable by keyboard, at every width, on paper."""

import re
import shutil
from importlib.resources import files

import numpy as np
import pytest

from striate.draw import SIGNED, UNSIGNED, colorize, limits_of, overlay
from striate.insight.occlusion import spread_windows
from striate.report import build_report
from striate.report.numbers import format_percent, format_value
from tests.report.samples import sample

pytestmark = pytest.mark.browser
sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser():
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("needs chromium")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(build_report(sample("resnet18")), encoding="utf-8")
    return path.as_uri()


class Tab:
    """One tab that remembers everything it said and asked for."""

    def __init__(self, browser, address, *, width=1280, theme="light", javascript=True):
        self.context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=theme,
            java_script_enabled=javascript,
            reduced_motion="reduce",
        )
        self.page = self.context.new_page()
        self.said, self.asked = [], []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(address)
        if javascript:
            self.page.wait_for_selector(":root[data-ready]", state="attached", timeout=30_000)

    def hover(self, selector, x, y, height, width):
        """Put the pointer on the middle of one pixel of a picture."""
        picture = self.page.locator(selector)
        picture.scroll_into_view_if_needed()
        box = picture.bounding_box()
        self.page.mouse.move(box["x"] + (x + 0.5) * box["width"] / width, box["y"] + (y + 0.5) * box["height"] / height)

    def words(self, selector):
        return self.page.locator(selector).inner_text()


@pytest.fixture
def tab(browser, address):
    tabs = []

    def opened(**options):
        tabs.append(Tab(browser, address, **options))
        return tabs[-1]

    yield opened
    for one in tabs:
        one.context.close()
        assert one.said == []
        assert [url for url in one.asked if not url.startswith("data:")] == one.asked[:1]
        assert one.asked[0].startswith("file://")


@pytest.mark.parametrize("width", [360, 900, 1600])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_width_without_sideways_scrolling(tab, width, theme):
    one = tab(width=width, theme=theme)
    assert one.page.evaluate("document.documentElement.scrollWidth") <= width
    color = one.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert color == {"light": "rgb(251, 250, 248)", "dark": "rgb(19, 20, 22)"}[theme]
    one.page.locator("#open-all").click()
    assert one.page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_numbers_under_the_pointer_are_the_data(tab):
    one, found = tab(), sample("resnet18")
    values, grid = found.occlusion.values[0], found.occlusion.grid[0]
    rows, columns = grid.shape[:2]
    for x, y in ((5, 9), (31, 40), (60, 63)):
        one.hover("[data-map=occlusion] .picture", x, y, *values.shape)
        told = one.words("#occlusion-value")
        assert told.startswith(f"{format_value(float(values[y, x]))} at row {y}, column {x}.")
        row = min(max(int((y + 0.5 - 8) / 12 + 0.5), 0), rows - 1)
        column = min(max(int((x + 0.5 - 8) / 12 + 0.5), 0), columns - 1)
        here = [format_percent(float(p)) for p in grid[row, column]]
        assert told.endswith(f"With the patch here: {here[0]}.")
        assert f"row {row * 12}, column {column * 12}" in one.words("#patch-value")
        assert one.page.locator(".classes .number").all_inner_texts() == here
        saliency = format_value(float(found.saliency.values[0, y, x]))
        assert one.words("#saliency-value") == f"{saliency} at row {y}, column {x}."
    one.page.mouse.move(2, 2)
    base = [format_percent(float(p)) for p in found.occlusion.baseline[0]]
    assert one.page.locator(".classes .number").all_inner_texts() == base
    assert one.words("#occlusion-value").startswith("Largest: ")


def canvas(tab, selector):
    """The pixels of a canvas, `h w 4`."""
    width, height, data = tab.page.evaluate(
        """(selector) => {
            const c = document.querySelector(selector);
            return [c.width, c.height, [...c.getContext("2d").getImageData(0, 0, c.width, c.height).data]];
        }""",
        selector,
    )
    return np.array(data, np.uint8).reshape(height, width, 4)


def test_another_class_is_drawn_as_python_draws_it(tab):
    one, found = tab(), sample("resnet18")
    one.page.locator("input[name=class]").nth(2).check()
    one.page.wait_for_selector("[data-map=occlusion] canvas.tint")
    assert one.words("[data-map=occlusion] h3").endswith(found.occlusion_labels[2])
    drop = found.occlusion.baseline[0, 2] - found.occlusion.grid[0, :, :, 2].astype(np.float64)
    starts = [12 * i for i in range(drop.shape[0])]
    values = spread_windows(drop, tops=starts, lefts=starts, window=(16, 16), size=found.seen.shape[:2])
    limits = limits_of(values, signed=True)
    for name, expected in (
        ("tint", overlay(found.seen, values, colormap=SIGNED, limits=limits)),
        ("raw", colorize(values, colormap=SIGNED, limits=limits)),
    ):
        drawn = canvas(one, f"[data-map=occlusion] canvas.{name}")
        assert (drawn[..., 3] == 255).all()
        off = np.abs(drawn[..., :3].astype(int) - expected)
        assert np.mean(off.max(axis=2) <= 2) > 0.99  # a value on the edge of two colors may fall on either side
        assert off.mean() < 0.5
    ticks = one.page.locator("#occlusion-scale .ticks span").all_inner_texts()
    assert ticks == [format_value(limits[0]), "0", format_value(limits[1])]
    one.page.locator("input[name=class]").nth(0).check()
    assert one.page.locator("[data-map=occlusion] img.tint").is_visible()
    assert not one.page.locator("[data-map=occlusion] canvas.tint").is_visible()


def test_keys_move_the_pointer_and_show_the_map_alone(tab):
    one, found = tab(), sample("resnet18")
    values = found.saliency.values[0]
    y, x = (int(n) for n in np.unravel_index(int(values.argmax()), values.shape))
    one.page.locator("[data-map=saliency] .picture").focus()
    one.page.keyboard.press("Home")
    assert one.words("#saliency-value") == f"{format_value(float(values[y, x]))} at row {y}, column {x}."
    key, step = ("ArrowLeft", -1) if x else ("ArrowRight", 1)
    one.page.keyboard.press(key)
    assert f"row {y}, column {x + step}." in one.words("#saliency-value")
    raw = one.page.locator("[data-map=saliency] img.raw")
    assert not raw.is_visible()
    one.page.keyboard.press("r")
    assert raw.is_visible()
    assert one.page.locator("#raw").get_attribute("aria-pressed") == "true"
    one.page.keyboard.press("r")
    assert not raw.is_visible()
    one.page.keyboard.press("Escape")
    assert one.words("#saliency-value").startswith("Largest: ")


def test_opacity_and_theme_switches(tab):
    one = tab()
    one.page.locator("#evidence [data-opacity]").fill("30")
    opacity = "getComputedStyle(document.querySelector('[data-map=saliency] .tint')).opacity"
    assert float(one.page.evaluate(opacity)) == pytest.approx(0.3)
    button = one.page.locator("#theme")
    assert button.inner_text() == "Dark"
    button.click()
    assert button.inner_text() == "Light"
    assert one.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(19, 20, 22)"


def test_a_unit_opens_over_the_photo_and_tells_what_it_sees(tab):
    one, found = tab(), sample("resnet18")
    stage = found.activations[1]
    maps, field = stage.maps, found.summary.row(stage.address).field
    one.page.locator('[data-stage="1"][data-unit="0"]').click()
    sheet = one.page.locator("#unit-sheet")
    assert sheet.is_visible()
    address = f"{stage.address}:{stage.channels[0]}"
    y, x = (int(n) for n in np.unravel_index(int(maps[0].argmax()), maps[0].shape))
    assert one.words("#unit-address") == address
    assert one.words("#unit-value").split() == [format_value(float(maps[0, y, x])), f"{address}@{y},{x}"]
    key, down = ("ArrowUp", -1) if y else ("ArrowDown", 1)
    one.page.keyboard.press(key)
    y += down
    assert one.words("#unit-value").split() == [format_value(float(maps[0, y, x])), f"{address}@{y},{x}"]
    (top, bottom), (left, right) = field.box(y, x)
    height, width = found.seen.shape[:2]
    rows, columns = (max(top, 0), min(bottom, height) - 1), (max(left, 0), min(right, width) - 1)
    assert f"rows {rows[0]}–{rows[1]} and columns {columns[0]}–{columns[1]}" in one.words("#unit-facts")
    drawn = canvas(one, "#unit-sheet canvas.raw")
    scale = limits_of(np.array([stage.minimum, stage.maximum]), signed=False)
    center = [int(field.start[i] + field.size[i] / 2 + field.stride[i] * (y, x)[i]) for i in range(2)]
    expected = colorize(maps[0], colormap=UNSIGNED, limits=scale)[y, x]
    assert np.abs(drawn[center[0], center[1], :3].astype(int) - expected).max() <= 6  # one color of 256 further
    one.page.locator("#unit-sheet [data-step='1']").click()
    assert one.words("#unit-address") == f"{stage.address}:{stage.channels[1]}"
    one.page.keyboard.press("Escape")
    assert not sheet.is_visible()


def test_cards_tell_the_number_under_the_pointer(tab):
    one, found = tab(), sample("resnet18")
    maps = found.activations[1].maps
    one.hover('[data-stage="1"][data-unit="2"]', 3, 4, *maps[2].shape)
    card = one.page.locator(".unit:has([data-stage='1'][data-unit='2']) output")
    assert card.inner_text() == f"{format_value(float(maps[2, 4, 3]))} @4,3"
    one.page.mouse.move(2, 2)
    assert card.inner_text() == f"max {format_value(float(maps[2].max()))}"


def test_the_table_opens_from_stages_to_blocks_to_layers(tab):
    one = tab()
    rows = one.page.locator("#rows-2 tr[data-level]")
    visible = "rows => rows.filter(r => r.checkVisibility()).map(r => r.dataset.level)"
    assert rows.evaluate_all(visible) == []
    one.page.locator("#layers-2 .fold").click()
    assert rows.evaluate_all(visible) == ["1", "2", "2"]
    one.page.locator("#rows-2 tr[data-level='2'] .fold").first.click()
    assert "3" in rows.evaluate_all(visible)
    one.page.locator("#open-all").click()
    assert len(rows.evaluate_all(visible)) == rows.count()
    assert one.words("#open-all") == "Close all"
    one.page.locator("#open-all").click()
    assert rows.evaluate_all(visible) == []
    one.page.locator(".diagram a").nth(2).click()
    assert rows.evaluate_all(visible) != []


def test_without_script_everything_can_be_read(tab):
    one = tab(javascript=False)
    for selector in ("[data-map=occlusion] img.tint", "#seen", ".kernels img.shared >> nth=0", ".unit img >> nth=0"):
        assert one.page.locator(selector).is_visible()
    assert one.page.locator("tr[data-level='3']").first.is_visible()
    assert not one.page.locator("#theme").is_visible()
    assert one.words("#occlusion-value").startswith("Largest: ")


def test_paper_takes_two_pages(tab):
    one = tab(theme="dark")
    paper = one.page.pdf(format="A4", print_background=True, prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", paper)) == 2


def test_the_script_says_numbers_as_python_does(browser):
    page = browser.new_page()
    page.add_script_tag(content=files("striate.report").joinpath("web", "decode.js").read_text(encoding="utf-8"))
    rng = np.random.default_rng(0)
    values = [
        0.0,
        1.0,
        -1.0,
        9.996,
        0.00099949,
        9999.4,
        9999.6,
        1e-12,
        *rng.normal(size=300) * 10 ** rng.uniform(-6, 6, 300),
    ]
    shares = [0.0, 1.0, 0.0995, 0.99, 0.9995, 1e-5, *rng.random(300), *(rng.random(100) ** 8)]
    assert page.evaluate("values => values.map(number)", [float(v) for v in values]) == [
        format_value(float(v)) for v in values
    ]
    assert page.evaluate("values => values.map(percent)", [float(p) for p in shares]) == [
        format_percent(float(p)) for p in shares
    ]
    page.close()
