"""Unit cards."""

from dataclasses import replace

import numpy as np

from striate.report.embed import unpack
from striate.report.numbers import format_value
from striate.report.units import MOST_UNITS, build_units
from tests.report.samples import sample


def test_every_stage_has_its_strongest_channels_by_address():
    found = sample()
    stages = build_units(found)
    assert [stage.address for stage in stages] == [stage.address for stage in found.activations]
    for stage, activations in zip(stages, found.activations, strict=True):
        assert found.summary.stages[stage.place - 1].address == stage.address
        assert [card.channel for card in stage.cards] == list(activations.channels)
        card = stage.cards[0]
        assert card.address == f"{activations.address}:{activations.channels[0]}"
        y, x = map(int, card.at.split(","))
        assert activations.maps[0, y, x] == activations.maps[0].max()
        assert card.strongest == format_value(float(activations.maps[0].max()))
        np.testing.assert_allclose(unpack(stage.data["maps"]), activations.maps, atol=stage.data["maps"]["step"])


def test_one_scale_a_stage_signed_where_values_are():
    found = sample()
    first = found.activations[0]
    below = replace(first, minimum=-3.0, maximum=2.0)
    stages = build_units(replace(found, activations=(first, below)))
    assert stages[0].scale.colormap == "inferno"
    assert stages[0].scale.limits == (0.0, first.maximum)
    assert stages[1].scale.colormap == "RdBu_r"
    assert stages[1].scale.limits == (-3.0, 3.0)


def test_the_receptive_field_is_in_words_and_numbers():
    found = sample()
    stage = build_units(found)[0]
    field = found.summary.row(stage.address).field
    assert stage.data["field"]["size"] == list(field.size)
    assert f"{field.size[0]}\u00a0×\u00a0{field.size[1]}\u00a0px" in stage.field
    unknown = build_units(replace(found, activations=(replace(found.activations[0], address="nowhere"),)))[0]
    assert unknown.field == "receptive field not known"
    assert unknown.data["field"] is None


def test_silent_channels_are_counted():
    first = sample().activations[0]
    words = build_units(replace(sample(), activations=(replace(first, silent=5),)))[0].silent
    assert words == "5 of 64 channels are nowhere above 0"


def test_very_large_maps_are_thinned_and_it_is_said():
    first = sample().activations[0]
    maps = np.random.default_rng(0).random((6, 700, 500), dtype=np.float32)
    large = replace(first, maps=maps, shape=(64, 700, 500), minimum=0.0, maximum=1.0)
    stage = build_units(replace(sample(), activations=(large,)))[0]
    every = stage.data["every"]
    assert every == 3
    assert "one unit in 3 along each side is drawn" in stage.field
    shown = unpack(stage.data["maps"])
    assert shown[0].size <= MOST_UNITS
    np.testing.assert_allclose(shown, maps[: len(shown), ::3, ::3], atol=stage.data["maps"]["step"])
    assert len(stage.cards) == len(shown) >= 4
