"""Both maps with their words, checks and numbers."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from striate.data import Preprocessing
from striate.report.embed import unpack
from striate.report.evidence import SALIENCY_PERCENTILE, build_evidence, patch_color
from striate.report.numbers import format_percent, format_value
from tests.report.samples import explain, network, photo, sample


def test_the_numbers_for_the_pointer_are_the_data():
    found = sample()
    data = build_evidence(found).data
    for key, heatmap in (("occlusion", found.occlusion), ("saliency", found.saliency)):
        values = unpack(data["maps"][key])
        assert np.abs(values - heatmap.values[0]).max() <= data["maps"][key]["step"] * 0.5001
    np.testing.assert_allclose(unpack(data["grid"]), found.occlusion.grid[0], atol=data["grid"]["step"])
    np.testing.assert_allclose(data["baseline"], found.occlusion.baseline[0], rtol=1e-6)
    assert data["labels"][data["place"]] == found.target.label
    assert data["window"] == [16, 16]
    assert data["stride"] == [12, 12]


def test_classes_come_with_their_probability():
    found = sample()
    choices = build_evidence(found).classes
    assert [choice.label for choice in choices] == list(found.occlusion_labels)
    assert [choice.chosen for choice in choices] == [True, False, False, False, False]
    for choice, share in zip(choices, found.occlusion.baseline[0], strict=True):
        assert choice.percent == format_percent(float(share))
        assert choice.width == pytest.approx(100 * share, abs=0.01)


def test_scales_say_where_they_end():
    found = sample()
    section = build_evidence(found)
    assert section.occlusion.scale.colormap == "RdBu_r"
    low, high = section.occlusion.scale.limits
    assert low == -high == pytest.approx(-np.abs(found.occlusion.values).max())
    assert section.saliency.scale.colormap == "inferno"
    assert section.saliency.scale.limits[0] == 0
    assert section.saliency.scale.limits[1] == pytest.approx(np.percentile(found.saliency.values, SALIENCY_PERCENTILE))
    assert format_value(float(found.saliency.values.max())) in section.saliency.scale.note


def test_the_largest_value_and_its_place_are_told():
    found = sample()
    figure = build_evidence(found).occlusion
    assert found.occlusion.values[0][figure.at] == found.occlusion.values.max()
    assert figure.largest == format_value(float(found.occlusion.values.max()))


def test_parameters_stand_beside_the_map():
    words = build_evidence(sample()).occlusion.what
    rows, columns = sample().occlusion.parameters["windows"]
    assert "16\u00a0×\u00a016\u00a0px" in words
    assert f"{rows * columns} places" in words
    assert "12\u00a0px apart" in words


def test_the_checks_are_computed():
    found = sample()
    grid, base = found.occlusion.grid[0].astype(float), found.occlusion.baseline[0]
    score = grid[..., 0]
    checks = " ".join(build_evidence(found).checks)
    y, x = np.unravel_index(score.argmin(), score.shape)
    assert f"row {y * 12} and column {x * 12}" in checks
    assert format_value(float(base[0] - score.min())) in checks or format_percent(float(score.min())) in checks
    lost = int((grid.max(-1) > score).sum())
    assert (f"changes the answer at {lost} of {score.size}" in checks) == (lost > 0)
    means = [
        found.saliency.values[0][i * 12 : i * 12 + 16, j * 12 : j * 12 + 16].mean()
        for i in range(score.shape[0])
        for j in range(score.shape[1])
    ]
    expected = spearmanr((base[0] - score).ravel(), means).statistic
    assert f"rank correlation {expected:.2f}".replace("-", "−") in checks


def test_a_place_that_speaks_against_the_class_is_named_when_it_weighs_more():
    found = sample()
    grid = np.array(found.occlusion.grid)
    base = float(found.occlusion.baseline[0][0])
    grid[0, 1, 2, 0] = base + 0.9 * (1 - base)
    words = f"Hiding the place at row 12 and column 24 does more: it raises it to {format_percent(grid[0, 1, 2, 0])}"
    assert words in " ".join(build_evidence(replace(found, occlusion=replace(found.occlusion, grid=grid))).checks)
    grid[0, ..., 0] = np.minimum(grid[0, ..., 0], base)
    found = replace(found, occlusion=replace(found.occlusion, grid=grid))
    assert "speaks against" not in " ".join(build_evidence(found).checks)


def test_a_map_without_drops_says_so():
    found = sample()
    grid = np.broadcast_to(found.occlusion.baseline[:, None, None], found.occlusion.grid.shape)
    flat = replace(found.occlusion, values=found.occlusion.values * 0, grid=grid)
    checks = build_evidence(replace(found, occlusion=flat)).checks
    assert checks[0] == "No patch of this size lowers the probability."
    assert not any("Mind the scale" in check or "correlation" in check for check in checks)


def test_small_drops_are_called_small():
    found = sample()
    weak = replace(found, occlusion=replace(found.occlusion, values=found.occlusion.values * 0 + np.float32(0.001)))
    assert any("Mind the scale" in check and "0.100" in check for check in build_evidence(weak).checks)
    strong = replace(found, occlusion=replace(found.occlusion, values=found.occlusion.values * 0 + np.float32(0.5)))
    assert not any("Mind the scale" in check for check in build_evidence(strong).checks)


@pytest.mark.parametrize(
    ("fill", "preprocessing", "color"),
    [
        ("mean color", Preprocessing(mean=(0.2, 0.4, 0.6), std=(1, 1, 1)), [51, 102, 153]),
        ("mean color", Preprocessing(channels="BGR", scale=255, mean=(104, 117, 123), std=(1, 1, 1)), [123, 117, 104]),
        ("mean color", Preprocessing(channels="L", mean=(0.5,), std=(1,)), [128, 128, 128]),
        (0.0, Preprocessing(), [0, 0, 0]),
        ([1.0, 0.5, 0.0], Preprocessing(), [255, 128, 0]),
    ],
)
def test_the_patch_is_shown_in_its_color(fill, preprocessing, color):
    found = sample()
    changed = replace(found.occlusion, parameters={**found.occlusion.parameters, "fill": fill})
    assert patch_color(replace(found, occlusion=changed, preprocessing=preprocessing)) == color


def test_large_inputs_are_read_in_blocks():
    found = explain(network("squeezenet1_1", Preprocessing(input_size=(64, 64), resize=72)), photo())
    tall, wide = 900, 700
    values = np.random.default_rng(0).random((1, tall, wide), dtype=np.float32)
    large = replace(
        found,
        seen=photo(tall, wide),
        saliency=replace(found.saliency, values=values),
        occlusion=replace(found.occlusion, values=values),
    )
    section = build_evidence(large)
    assert section.data["block"] == 2
    assert section.data["maps"]["saliency"]["shape"] == [450, 350]
    assert unpack(section.data["maps"]["saliency"])[0, 0] == pytest.approx(values[0, :2, :2].max(), abs=1e-4)
    assert "blocks of 2" in section.saliency.what


def test_logits_are_said_as_numbers():
    found = sample()
    settings = {**found.occlusion.parameters, "score": "logit"}
    section = build_evidence(replace(found, occlusion=replace(found.occlusion, parameters=settings)))
    assert section.classes[0].percent == format_value(float(found.occlusion.baseline[0, 0]))
    assert "how much the logit of the class falls" in section.occlusion.what
