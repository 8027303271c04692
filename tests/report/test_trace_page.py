"""The page of a trace: self-contained, and in a browser every number is where Python put it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from striate.arithmetic import NetworkTrace, parse_layers, trace_network
from striate.errors import ConfigError
from striate.report.trace_page import build_trace_page

HOSTILE = "</script><img src=x onerror=alert(1)>"


def _trace() -> NetworkTrace:
    x = np.random.default_rng(0).integers(0, 10, (2, 6, 6))
    return trace_network(x, parse_layers("conv f=3 p=1 n=3; relu; maxpool f=2; flatten; fc n=4"))


def test_the_page_holds_the_trace_and_asks_for_nothing() -> None:
    trace = _trace()
    page = build_trace_page(trace, title=HOSTILE)
    data = json.loads(re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)[0])
    assert data == json.loads(json.dumps(trace.to_dict()))
    assert HOSTILE not in page
    assert "default-src 'none'" in page
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page)


def test_refuses_a_trace_without_layers() -> None:
    with pytest.raises(ConfigError, match="trace must hold at least one layer to step through, got none"):
        build_trace_page(trace_network([[1]], ()))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    arguments = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=_chromium(), args=arguments.split())
        yield chromium
        chromium.close()


def _chromium() -> str:
    import shutil

    return shutil.which("chromium") or ""


@pytest.fixture
def traced() -> NetworkTrace:
    """What the page is of; a test that needs another one gives it as a parameter."""
    return _trace()


@pytest.fixture
def page(browser: Any, tmp_path: Path, traced: NetworkTrace) -> Iterator[Any]:
    path = tmp_path / "trace.html"
    path.write_text(build_trace_page(traced), encoding="utf-8")
    opened = browser.new_page(viewport={"width": 900, "height": 900})
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    opened.goto(path.as_uri())
    yield opened
    opened.close()
    assert faults == []


def _say(value: float) -> str:
    return f"{int(value)}".replace("-", "−")


@pytest.mark.browser
def test_stepping_shows_each_sum(page: Any) -> None:
    conv = _trace().layers[0]
    outputs = conv.output.ravel()
    assert page.inner_text("#sentence b") == _say(outputs[0])
    for place in range(1, 8):
        page.keyboard.press("ArrowRight")
        assert page.inner_text("#sentence b") == _say(outputs[place])
    page.click("#back")
    assert page.inner_text("#sentence b") == _say(outputs[6])
    assert page.inner_text("#count") == "7 of 108"
    assert page.locator("#steps li[aria-current=step]").inner_text().startswith("Add up the products")


@pytest.mark.browser
def test_scrubbing_choosing_and_clicking(page: Any) -> None:
    conv = _trace().layers[0]
    page.evaluate("const s = document.querySelector('#place'); s.value = 50; s.dispatchEvent(new Event('input'))")
    assert page.inner_text("#sentence b") == _say(conv.output.ravel()[50])
    assert page.input_value("#filter") == "1"
    page.select_option("#filter", "2")
    assert page.inner_text("#sentence b") == _say(conv.output[2, 0, 0])
    page.locator(".board").last.locator("rect.hit").nth(9).dispatch_event("click")
    assert page.inner_text("#sentence b") == _say(conv.output[2, 1, 3])
    assert page.locator(".board").first.locator("rect.under").count() == 2 * 9


@pytest.mark.browser
def test_every_layer_to_the_logits(page: Any) -> None:
    trace = _trace()
    for number, layer in enumerate(trace.layers):
        page.locator("#layers button").nth(number).click()
        assert page.inner_text("#name").startswith(layer.name)
        page.keyboard.press("End")
        assert page.inner_text("#count").endswith(f"of {layer.output.size}")
    assert page.inner_text("#sentence b") == _say(trace.logits[-1])
    bars = page.locator(".logits .number").all_inner_texts()
    assert bars == [f"{100 * p:.1f} %" for p in trace.probabilities]


@pytest.mark.browser
@pytest.mark.parametrize("traced", [trace_network(np.full((4, 4), 3), parse_layers("lppool f=2"))])
def test_input_and_output_of_a_pooling_share_one_scale(page: Any) -> None:
    # A norm of 2×2 threes is 6: the input is half as strong as the output, which is drawn at the full strength.
    tones = [board.locator("rect.tone").first.get_attribute("opacity") for board in page.locator(".board").all()]
    assert tones == ["0.310", "0.620"]


@pytest.mark.browser
@pytest.mark.parametrize(
    "traced", [trace_network(np.arange(16).reshape(4, 4), parse_layers("avgpool f=3 s=2 p=1 ceil"))]
)
def test_a_mean_says_the_padding_that_it_counts(page: Any) -> None:
    assert page.inner_text("#sentence").startswith("mean(0, 1, 4, 5 and 5 zeros of the padding) = 1.11,")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#sentence").startswith("mean(1, 2, 3, 5, 6, 7 and 3 zeros of the padding) = 2.67,")
    page.keyboard.press("End")  # hangs over: one row and one column are padding, the others are nothing
    assert page.inner_text("#sentence").startswith("mean(15 and 3 zeros of the padding) = 3.75,")


@pytest.mark.browser
@pytest.mark.parametrize("traced", [trace_network([[6]], parse_layers("avgpool f=2 d=2 s=1 p=2"))])
def test_a_mean_of_padding_alone_says_so(page: Any) -> None:
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#sentence").startswith("mean(4 zeros of the padding) = 0,")


@pytest.mark.browser
@pytest.mark.parametrize("traced", [trace_network([[-2.5e-9]], parse_layers("relu"))])
def test_small_numbers_have_true_minus_signs_too(page: Any) -> None:
    assert page.locator(".board").first.locator("title").text_content() == "(0, 0): −2.5e−9"


@pytest.mark.browser
def test_the_same_layer_as_a_matrix_product(page: Any) -> None:
    conv = _trace().layers[0]
    page.click("#linear")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#count") == "2 of 36"
    assert page.inner_text("#sentence b") == ", ".join(_say(v) for v in conv.output[:, 0, 1])
    assert f"plus the bias {', '.join(_say(v) for v in conv.bias)}, give" in page.inner_text("#sentence")
    patches = page.locator(".board").first.locator("text").all_text_contents()
    assert patches[:18] == [_say(v) for v in conv.as_linear().patches[0]]


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 900, 1600])
def test_no_width_overflows(page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    for number in range(5):
        page.locator("#layers button").nth(number).click()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    # The last layer is open: the logits as bars, whole numbers at the end of them.
    assert page.evaluate("(s => s.scrollWidth <= s.clientWidth)(document.querySelector('#stage'))")


@pytest.mark.browser
@pytest.mark.parametrize("traced", [trace_network(np.full((3, 12, 20), 100), parse_layers("conv f=3 p=1 n=1"))])
def test_channels_without_room_for_numbers_stand_side_by_side(page: Any) -> None:
    page.set_viewport_size({"width": 1200, "height": 900})
    boxes = [svg.bounding_box() for svg in page.locator(".board").first.locator("svg").all()]
    assert len(boxes) == 3
    assert len({box["y"] for box in boxes}) == 1


@pytest.mark.browser
def test_playing_moves_and_stops(page: Any) -> None:
    page.locator("#layers button").nth(4).click()
    page.click("#play")
    expect = pytest.importorskip("playwright.sync_api").expect
    expect(page.locator("#count")).to_have_text("4 of 4", timeout=20_000)
    expect(page.locator("#play")).to_have_text("Play", timeout=20_000)
