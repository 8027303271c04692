"""The page as a whole: complete, self-contained, safe, readable."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files

import numpy as np
import pytest

from striate.data import Preprocessing
from striate.insight import Explanation
from striate.report import build_report
from striate.report.templates import embed_json
from tests.report.samples import HOSTILE, explain, network, photo, sample

VOID = {"meta", "link", "img", "input", "br", "wbr", "hr"}
SVG_SHAPES = {"path", "rect", "circle", "image"}


class Page(HTMLParser):
    """Checks that elements are closed in order, and collects them."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.words, self.faults = [], [], [], []
        self.feed(text)
        self.close()
        self.faults += [f"<{name}> is not closed" for name in self.open]

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if len({name for name, _ in attrs}) != len(attrs):
            self.faults.append(f"<{tag}> has an attribute twice")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes something else")

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("script", "style"):
            self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words)).replace("\u00a0", " ")

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def html():
    return build_report(sample())


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


@pytest.mark.parametrize("name", ["squeezenet1_1", "resnet18", "googlenet", "lenet5"])
def test_elements_are_nested_and_ids_are_unique(name):
    page = Page(build_report(sample(name)))
    assert page.faults == []
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    known = set(ids)
    for _, attributes in page.elements:
        for name_ in ("aria-labelledby", "aria-describedby", "aria-controls"):
            assert set((attributes.get(name_) or "").split()) <= known
        if (attributes.get("href") or "").startswith("#"):
            assert attributes["href"][1:] in known


def test_nothing_is_fetched(html, page):
    policy = next(m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "http" not in policy
    for tag, attributes in page.elements:
        for name in ("src", "href", "xlink:href", "srcset", "data", "action", "poster"):
            value = attributes.get(name) or "#"
            assert value.startswith(("data:", "#")), (tag, name, value[:60])
    assert not re.search(r"url\((?!\s*[\"']?data:)", re.sub(r"base64,[^\"')]*", "", html))
    assert "@import" not in html


def test_everything_that_was_found_is_there(page):
    found = sample()
    for answer in found.answers:
        assert re.sub(r"\s+", " ", answer.label) in page.text
    sections = [attributes["id"] for attributes in page.all("section") if "id" in attributes]
    assert sections == ["answer", "evidence", "view", "kernels", "activations", "network", "provenance"]
    for words in (
        "disk.png",
        "180 × 120",
        "74.9",
        "|d logit / d input|",
        "probability drop",
        "features.0",
        "Apache-2.0",
        "ab" * 32,
        "striate explain disk.png",
        "Enlarged without smoothing",
        "nowhere above 0",
    ):
        assert words in page.text, words
    for stage in found.activations:
        assert f"{stage.address}" in page.text
    for row in found.summary.rows:
        if row.leaf:
            assert row.address in {a.get("title") for a in page.all("code")}
    assert f"{found.summary.macs:,}" in {a.get("title") for a in page.all("span")}


def test_every_picture_has_words_and_every_map_is_reachable_by_keyboard(page):
    assert all("alt" in attributes for attributes in page.all("img"))
    maps = [a for _, a in page.elements if a.get("aria-roledescription") == "map"]
    assert len(maps) == 4
    assert all(a["tabindex"] == "0" and a["aria-label"] and a["aria-describedby"] for a in maps)
    assert all(a.get("aria-label") for a in page.all("button") if "data-unit" in a)
    assert next(a for a in page.all("html"))["lang"] == "en"


@pytest.mark.parametrize("name", ["squeezenet1_1", "googlenet"])
def test_the_file_is_small(name):
    assert len(build_report(sample(name)).encode()) < 2_000_000


def test_even_a_large_noisy_photo_fed_as_it_is_stays_below_five_megabytes():
    rng = np.random.default_rng(0)
    found = explain(network("squeezenet1_1", Preprocessing(resize=None)), photo(64, 64))
    grain = rng.integers(-24, 25, (1200, 1600, 3))
    noise = np.clip(photo(1200, 1600) + grain, 0, 255).astype(np.uint8)
    values = rng.random((1, 1200, 1600), dtype=np.float32)
    maps = rng.random((12, 600, 800), dtype=np.float32)
    large = replace(
        found,
        photo=noise,
        photo_size=(1200, 1600),
        seen=noise,
        saliency=replace(found.saliency, values=values),
        occlusion=replace(found.occlusion, values=values.repeat(8, 1).repeat(8, 2)[:, :1200, :1600]),
        activations=tuple(
            replace(stage, maps=maps[:, :: 2**n, :: 2**n], channels=tuple(range(12)))
            for n, stage in enumerate(found.activations)
        ),
    )
    assert len(build_report(large).encode()) < 5_000_000


def test_words_of_strangers_stay_words():
    found = sample()
    hostile = replace(
        found,
        photo_name=HOSTILE,
        network=HOSTILE,
        answers=tuple(replace(answer, label=HOSTILE) for answer in found.answers),
        target=replace(found.target, label=HOSTILE),
        occlusion_labels=(HOSTILE,) * len(found.occlusion_labels),
        weights={**found.weights, "license": HOSTILE, "source": HOSTILE},
        provenance={"command": HOSTILE, "settings": {HOSTILE: HOSTILE}, "versions": {HOSTILE: HOSTILE}},
    )
    html = build_report(hostile)
    page = Page(html)
    assert page.faults == []
    assert not any("onerror" in attributes for _, attributes in page.elements)
    assert len(page.all("script")) == 2
    assert "49" not in html.split("<title>")[1].split("</title>")[0]
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)[1])
    assert data["evidence"]["labels"][0] == HOSTILE


def test_json_cannot_end_its_element():
    text = str(embed_json({"a": HOSTILE}))
    assert "<" not in text
    assert text.isascii()
    assert json.loads(text) == {"a": HOSTILE}


def test_no_number_that_json_lacks_is_written():
    found = sample()
    values = found.saliency.values.copy()
    values[0, 0, 0] = np.nan
    html = build_report(replace(found, saliency=replace(found.saliency, values=values)))
    data = re.search(r'id="data">(.*?)</script>', html, re.DOTALL)[1]
    json.loads(data, parse_constant=lambda word: pytest.fail(f"{word} in the data"))


def test_saved_data_give_the_same_page(tmp_path, html):
    sample().save(tmp_path)
    assert build_report(Explanation.load(tmp_path)) == html


def test_parts_that_are_missing_leave_no_hole():
    bare = replace(sample(), kernels=None, activations=(), provenance={}, weights={})
    page = Page(build_report(bare))
    assert page.faults == []
    sections = [attributes["id"] for attributes in page.all("section") if "id" in attributes]
    assert sections == ["answer", "evidence", "view", "network", "provenance"]


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 400), (400, 2)])
def test_photos_of_any_shape(height, width):
    assert Page(build_report(explain(network(), photo(height, width)))).faults == []


# Colors: the style sheet's own palette, in both themes.


def palette():
    css = files("striate.report").joinpath("web", "report.css").read_text(encoding="utf-8")
    pairs = re.findall(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", css)
    return {name: (light, dark) for name, light, dark in pairs}


def contrast(a, b):
    def luminance(color):
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        r, g, b_ = (x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b_

    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def test_the_palette_is_the_agreed_one():
    colors = palette()
    assert colors["paper"] == ("#fbfaf8", "#131416")
    assert colors["ink"] == ("#17181a", "#e9e7e2")
    assert colors["accent"] == ("#b4632a", "#e0935a")


@pytest.mark.parametrize("theme", [0, 1])
def test_text_can_be_read(theme):
    colors = {name: pair[theme] for name, pair in palette().items()}
    for text in ("ink", "quiet"):
        for ground in ("paper", "wash"):
            assert contrast(colors[text], colors[ground]) >= 4.5
    # The accent is for marks and for the answer, which is set large: WCAG asks 3 of both.
    assert contrast(colors["accent"], colors["paper"]) >= 3
    assert contrast(colors["bar"], colors["wash"]) >= 1.5


def test_themes_print_and_motion_are_provided_for(html):
    for rule in (
        "color-scheme: light dark",
        '[data-theme="dark"]',
        "@media print",
        "size: A4",
        "prefers-reduced-motion",
        "image-rendering: pixelated",
        ":focus-visible",
    ):
        assert rule in html
