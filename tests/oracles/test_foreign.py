"""The foreign oracles import beside any build of torch, or skip the test with a reason."""

import importlib.util

import pytest

from tests.oracles.foreign import load_timm, load_torchvision


def test_torchvision_is_imported_once_with_its_networks() -> None:
    torchvision = load_torchvision()
    assert torchvision is load_torchvision()
    network = torchvision.models.squeezenet1_1(weights=None)
    assert sum(parameter.numel() for parameter in network.parameters()) == 1_235_496


def test_timm_is_imported_with_its_networks() -> None:
    assert "resnet50" in load_timm().list_models("resnet50*")


@pytest.mark.parametrize("load", [load_torchvision, load_timm])
def test_without_the_package_the_test_is_skipped(load: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(pytest.skip.Exception, match="is not installed"):
        load()  # type: ignore[operator]
