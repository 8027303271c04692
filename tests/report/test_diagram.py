"""The drawing of a network: everything inside the frame, in order, in proportion."""

import re

import pytest

from striate.report.diagram import PICTURE, draw_network, layer_words
from tests.report.samples import sample

NETWORKS = ["squeezenet1_1", "resnet18", "resnet20", "wrn16_4", "googlenet", "lenet5"]


@pytest.mark.parametrize("name", NETWORKS)
def test_everything_is_inside_and_stages_follow_each_other(name):
    summary = sample(name).summary
    drawing = draw_network(summary)
    assert len(drawing.stages) == len(summary.stages)
    edge = PICTURE
    for stage in drawing.stages:
        assert stage.x > edge
        edge = stage.x + stage.width
        for bar in stage.bars:
            assert stage.x - 0.1 <= bar.x <= bar.x + bar.width <= edge + 0.1
            assert 0 <= bar.y <= bar.y + bar.height <= drawing.baseline
        for path in stage.paths:
            numbers = [float(n) for n in re.findall(r"-?\d+\.?\d*", path)]
            assert all(-8 <= n <= max(drawing.width, drawing.height) for n in numbers)
    assert drawing.end < drawing.width


@pytest.mark.parametrize("name", NETWORKS)
def test_bars_of_one_column_do_not_overlap(name):
    for stage in draw_network(sample(name).summary).stages:
        layers = [bar for bar in stage.bars if bar.kind != "join"]
        for i, a in enumerate(layers):
            for b in layers[:i]:
                apart = a.x + a.width <= b.x or b.x + b.width <= a.x or a.y + a.height <= b.y or b.y + b.height <= a.y
                assert apart, (a.title, b.title)


def test_heights_follow_the_square_root_of_the_size_and_shares_add_up():
    summary = sample("resnet18").summary
    drawing = draw_network(summary)
    heights = [max(bar.height for bar in stage.bars) for stage in drawing.stages]
    assert heights == sorted(heights, reverse=True)
    assert heights[0] == pytest.approx(PICTURE * (1 / 2) ** 0.5, abs=0.1)  # 32 of 64
    assert sum(stage.macs_length for stage in drawing.stages) == pytest.approx(72, abs=1)
    assert sum(stage.parameters_length for stage in drawing.stages) == pytest.approx(72, abs=1)


def test_branches_are_drawn_beside_each_other():
    stage = next(s for s in draw_network(sample("googlenet").summary).stages if "inception4" in s.name)
    columns = {}
    for bar in stage.bars:
        if bar.kind != "join":
            columns.setdefault(bar.x, []).append(bar.y)
    assert max(len(set(ys)) for ys in columns.values()) == 4


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("features.0", ("3×3 /2", "64")),
        ("features.2", ("max 3×3 /2", "64")),
        ("features.3.expand1x1", ("1×1", "64")),
    ],
)
def test_layers_in_two_words(address, words):
    assert layer_words(sample().summary.row(address)) == words
