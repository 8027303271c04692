"""The default network on photos that it must know, and a planted wrong preprocessing that must be caught."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import striate
from striate.data import Labels, Preprocessing, read_image
from striate.errors import ConfigError, UnknownNameError, WeightsError
from striate.models import Network, create_model


@pytest.fixture(scope="module")
def network() -> Network:
    return striate.load("efficientnet_lite0")


@pytest.fixture(scope="module")
def photos() -> dict[str, NDArray[np.uint8]]:
    data = Path(pytest.importorskip("skimage").__file__).parent / "data"
    from sklearn.datasets import load_sample_images

    found = {name: read_image(data / f"{name}.png") for name in ("coffee", "camera", "chelsea")}
    return {**found, "china": load_sample_images().images[0]}


# Answers seen with these weights when the project was planned, to two digits.
SEEN = {
    "coffee": ("espresso", 0.94),
    "camera": ("tripod", 0.95),
    "chelsea": ("Egyptian cat", 0.38),
    "china": ("palace", 0.30),
}


def test_real_photos_get_their_real_names(network: Network, photos: dict[str, NDArray[np.uint8]]) -> None:
    for name, (label, probability) in SEEN.items():
        ((best, *_),) = network.classify(photos[name])
        assert best.label == label, name
        assert best.probability == pytest.approx(probability, abs=0.02), name


WRONG = {
    "channels in the wrong order": {"channels": "BGR"},
    "ImageNet's mean and deviation on 0..1": {
        "scale": 1.0,
        "mean": (0.485, 0.456, 0.406),
        "std": (0.229, 0.224, 0.225),
    },
    "0..255 never scaled": {"mean": (0.0,) * 3, "std": (1.0,) * 3},
    "0..1 never shifted": {"scale": 1.0, "mean": (0.0,) * 3, "std": (1.0,) * 3},
    "half the size": {"input_size": (112, 112), "resize": 112},
}


@pytest.mark.parametrize("fault", WRONG)
def test_a_planted_wrong_preprocessing_is_caught(
    fault: str, network: Network, photos: dict[str, NDArray[np.uint8]]
) -> None:
    planted = replace(network, preprocessing=replace(network.preprocessing, **WRONG[fault]))
    off = []
    for name, (label, probability) in SEEN.items():
        answered = planted.logits(photos[name]).softmax(1)[0, network.labels.find(label)]
        off.append(abs(float(answered) - probability))
    assert max(off) > 0.02, "the check of the real answers would not notice"


def test_answers_are_sorted_and_add_up(network: Network, photos: dict[str, NDArray[np.uint8]]) -> None:
    (answers,) = network.classify(photos["coffee"], top=1000)
    probabilities = [a.probability for a in answers]
    assert probabilities == sorted(probabilities, reverse=True)
    assert sum(probabilities) == pytest.approx(1, abs=1e-12)
    assert sorted(a.index for a in answers) == list(range(1000))
    assert all(a.label == network.labels[a.index] for a in answers)


def test_several_photos_answer_as_each_alone(network: Network, photos: dict[str, NDArray[np.uint8]]) -> None:
    many = list(photos.values())
    together = network.logits(many)
    apart = torch.cat([network.logits(photo) for photo in many])
    torch.testing.assert_close(together, apart, atol=1e-3, rtol=1e-4)


def test_features_of_any_layer_are_building_blocks(network: Network, photos: dict[str, NDArray[np.uint8]]) -> None:
    got = network.features(photos["coffee"], layers=["blocks.2", "conv_head"])
    assert {k: tuple(v.shape) for k, v in got.items()} == {"blocks.2": (1, 40, 28, 28), "conv_head": (1, 1280, 7, 7)}
    with pytest.raises(UnknownNameError, match=r"no layer 'conv_haed'.*'conv_head'"):
        network.features(photos["coffee"], layers=["conv_haed"])


def test_the_table_is_the_catalogues(network: Network) -> None:
    table = network.summary()
    entry = striate.models.find_entry("efficientnet_lite0")
    assert (table.parameters, table.macs) == (entry.parameters, entry.macs)
    assert network.summary((320, 256)).input_size == (1, 3, 320, 256)


def test_top_below_one_is_refused(network: Network, photos: dict[str, NDArray[np.uint8]]) -> None:
    with pytest.raises(ConfigError, match="top must be at least 1; got 0"):
        network.classify(photos["coffee"], top=0)


def test_a_trunk_without_classes_says_so_and_still_gives_features() -> None:
    module = create_model("vgg16_features").eval()
    trunk = Network("vgg16_features", module, Preprocessing(input_size=(64, 64), resize=64), Labels(()))
    photo = np.full((80, 90, 3), 128, np.uint8)
    with pytest.raises(ConfigError, match="'vgg16_features' ends at its features and has no classes"):
        trunk.classify(photo)
    assert trunk.features(photo, layers=["features.29"])["features.29"].shape == (1, 512, 4, 4)


def test_scores_that_are_no_numbers_are_refused() -> None:
    module = create_model("squeezenet1_1", num_classes=3).eval()
    module.classifier[1].bias.data.fill_(float("nan"))
    broken = Network("squeezenet1_1", module, Preprocessing(input_size=(64, 64), resize=64), Labels(("a", "b", "c")))
    with pytest.raises(WeightsError, match=r"'squeezenet1_1' answers with numbers that are not finite"):
        broken.classify(np.full((80, 90, 3), 128, np.uint8))


@pytest.mark.parametrize("device", ["meta", "cuda:99", "nonsense"])
def test_devices_that_cannot_answer_are_refused(device: str) -> None:
    network = Network("n", torch.nn.Conv2d(3, 1, 1), Preprocessing(), Labels(()))
    with pytest.raises(ConfigError, match=f"^device.*'{device}'"):
        network.to(device)
