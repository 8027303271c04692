"""The page of all activations: everything inside, every number within half a step."""

import json
import re

import numpy as np
import pytest
import torch
from torch import nn

from striate.errors import ConfigError
from striate.insight import LayerActivations, layer_activations
from striate.report import activation_sheet as module
from striate.report import build_activation_sheet
from striate.report.embed import unpack


def activations() -> LayerActivations:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 40, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(40, 3)
    )
    return layer_activations(net, torch.rand(1, 3, 48, 48))[0]


def data_of(page: str) -> dict:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_every_value_is_in_the_page() -> None:
    found = activations()
    page = build_activation_sheet(found)
    data = data_of(page)
    assert [one["address"] for one in data["layers"]] == list(found.layers)
    for one, layer in zip(data["layers"], found.layers.values(), strict=True):
        assert one["every"] == 1
        np.testing.assert_allclose(unpack(one["maps"]), layer.maps, atol=0.51 * one["maps"]["step"] + 1e-9)
        np.testing.assert_allclose(one["maximum"], layer.maximum, rtol=1e-4)
    assert "http" not in re.sub(r"http-equiv|http://www\.w3\.org/2000/svg", "", page)
    assert "default-src 'none'" in page


def test_large_layers_are_thinned_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_VALUES", 20_000)
    found = activations()
    data = data_of(build_activation_sheet(found))
    first = data["layers"][0]
    assert first["every"] > 1
    assert f"one unit in {first['every']} along each side is drawn" in first["facts"]
    thin = found["0"].maps[:, :: first["every"], :: first["every"]]
    np.testing.assert_allclose(unpack(first["maps"]), thin, atol=first["maps"]["step"])
    assert sum(np.prod(one["maps"]["shape"]) for one in data["layers"]) <= 20_000


def test_names_are_escaped() -> None:
    page = build_activation_sheet(activations(), title="</script><b>hostile")
    assert "<b>hostile" not in page


def test_refusals() -> None:
    found = activations()
    with pytest.raises(ConfigError, match="at least one layer"):
        build_activation_sheet(LayerActivations({}, found.seen))
