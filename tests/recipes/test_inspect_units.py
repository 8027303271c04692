"""Portraits of units: from a config to a page and files that say the same."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import striate
from striate.errors import ConfigError, DataError, UnknownNameError
from striate.insight import UnitPortraits, read_units, top_patches
from striate.recipes.events import Done, Plan, Progress
from striate.recipes.inspect_units import InspectUnitsConfig, rebuild_page, run
from tests.recipes.test_explain import photo, small_network

FAST = {"steps": 4, "picture_size": 48}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network, a photo and a folder of pictures, one of which is broken."""
    folder = tmp_path_factory.mktemp("inspect")
    small_network(folder)
    photo(folder)
    (folder / "many").mkdir()
    random = np.random.default_rng(0)
    for number in range(6):
        pixels = random.integers(0, 256, (8, 8, 3), dtype=np.uint8).repeat(10, 0).repeat(10, 1)
        Image.fromarray(pixels).save(folder / "many" / f"{number}.png")
    (folder / "many" / "broken.png").write_bytes(b"\x89PNG nothing")
    return folder


def portraits(place: Path, **changes: object) -> tuple[UnitPortraits, Done]:
    settings = {"network": str(place / "small.safetensors"), "units": ("features.3:2",), "out": place / "out", **FAST}
    *events, done = run(InspectUnitsConfig(**{**settings, **changes}))
    assert isinstance(done, Done)
    assert sum(isinstance(event, Plan) for event in events) == 1
    assert all(isinstance(event, Plan | Progress) for event in events)
    return done.result, done


def test_everything_about_a_unit_is_on_one_page(place: Path) -> None:
    found, done = portraits(
        place, units=("features.0:5,features.4:7",), images=place / "many", photo=place / "a photo.png", top=3
    )
    assert found.addresses == ("features.0:5", "features.4:7")
    assert set(found.kernels) == {"features.0:5"}  # only these weights meet colors
    network = striate.load(place / "small.safetensors")
    alone = top_patches(network, place / "many", ["features.0:5", "features.4:7"], k=3)
    for layer in ("features.0", "features.4"):
        np.testing.assert_array_equal(found.patches[layer].values, alone[layer].values)
    x = network.preprocess(place / "a photo.png")
    with torch.inference_mode():
        expected = network.module.features[:5](x)[0, 7].numpy()
    np.testing.assert_allclose(found.view.maps["features.4:7"], expected, atol=1e-5)
    page = done.files["report"].read_text(encoding="utf-8")
    for words in ("Kernel", "Made for it", "On the photo", "What moved it", "features.4:7", "broken.png"):
        assert words in page
    assert page.count('class="portrait"') == 2
    assert 'src="http' not in page


def test_what_was_saved_gives_the_same_page(place: Path) -> None:
    found, done = portraits(place, images=place / "many", photo=place / "a photo.png", top=2)
    again = UnitPortraits.load(done.folder)
    assert again.to_dict() == found.to_dict()
    before = done.files["report"].read_bytes()
    assert rebuild_page(done.folder).read_bytes() == before
    (done.folder / "units.json").unlink()
    with pytest.raises(DataError, match=r"units\.json is missing"):
        UnitPortraits.load(done.folder)


def test_a_layer_stands_for_the_units_that_stand_out(place: Path) -> None:
    found, _ = portraits(place, units=("features.3",), images=place / "many", most=3, pictures=False)
    assert found.addresses == tuple(f"features.3:{c}" for c in found.patches["features.3"].most_selective(3))
    assert found.pictures is None
    bare, _ = portraits(place, units=("features.3",), most=2, pictures=False)
    assert bare.addresses == ("features.3:0", "features.3:1")


@pytest.mark.parametrize(
    ("units", "error", "words"),
    [
        (("features.3:1@2,3",), ConfigError, "features.3:1' instead of 'features.3:1@2,3'"),
        (("features.33:1",), UnknownNameError, "features.3"),
        (("features.3:999",), ConfigError, "channels 0 to"),
        (("",), ConfigError, "name at least one"),
        (("features.3:",), ConfigError, "unit address"),
    ],
)
def test_addresses_that_are_none(
    place: Path, units: tuple[str, ...], error: type[Exception], words: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=words):
        portraits(place, units=units, out=tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_addresses_are_read_from_words() -> None:
    network = striate.load("lenet5.mnist")
    assert [str(unit) for unit in read_units(network, ["c1:2, c3", "c1:2"])] == ["c1:2", "c3"]


def test_gray_networks_and_fully_connected_units(tmp_path: Path) -> None:
    Image.new("L", (28, 28), 200).save(tmp_path / "paper.png")
    *_, done = run(
        InspectUnitsConfig(
            network="lenet5.mnist", units=("c1:0", "f6:3"), photo=tmp_path / "paper.png", out=tmp_path / "o", steps=3
        )
    )
    assert done.result.view.maps["f6:3"].shape == (1, 1)
    assert done.result.kernels["c1:0"].shape[0] == 1
    assert done.files["report"].is_file()
