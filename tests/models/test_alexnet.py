"""AlexNet against torchvision, and the network of 2012 against the paper's numbers and formulas."""

import numpy as np
import pytest
import torch
from torch import nn

from striate.errors import ConfigError, ShapeError
from striate.models.alexnet import AlexNet, build_alexnet
from striate.models.catalogue import find_entry
from tests.oracles.foreign import load_torchvision
from tests.oracles.networks import (
    assert_behaves,
    assert_catalogue_entry_is_true,
    relative_difference,
    same_weights,
)


@pytest.fixture(scope="module")
def paper() -> AlexNet:
    """The network of 2012, with random weights; read only."""
    torch.manual_seed(0)
    return build_alexnet(num_classes=1000, in_channels=3, variant="2012").eval()


@pytest.mark.parametrize(
    ("name", "parameters", "gmacs"), [("alexnet", 61_100_840, 0.714), ("alexnet_2012", 60_965_224, 0.724)]
)
def test_catalogue(name: str, parameters: int, gmacs: float) -> None:
    network = assert_catalogue_entry_is_true(name)
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert round(find_entry(name).macs / 1e9, 3) == gmacs == find_entry(name).published_gmacs


def test_equals_torchvision() -> None:
    torchvision = load_torchvision()
    torch.manual_seed(0)
    theirs = torchvision.models.alexnet(num_classes=10).eval()
    torch.manual_seed(0)
    ours = build_alexnet(num_classes=10, in_channels=3).eval()
    # Same seed, same weights: the initialization is theirs too.
    for (name, mine), yours in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert torch.equal(mine, yours), name
    same_weights(ours, theirs)
    for size in ((224, 224), (63, 63), (131, 97)):
        x = torch.randn(2, 3, *size)
        assert relative_difference(ours(x), theirs(x)) < 1e-5
    torch.manual_seed(1)
    trained = theirs.train()(x)
    torch.manual_seed(1)
    assert relative_difference(ours.train()(x), trained) < 1e-5


def test_behaves() -> None:
    torch.manual_seed(0)
    assert_behaves(build_alexnet(num_classes=5, in_channels=1).eval(), torch.randn(2, 1, 80, 63))


def test_2012_behaves() -> None:
    torch.manual_seed(0)
    network = build_alexnet(num_classes=5, in_channels=3, variant="2012").eval()
    # Half of the 2012 initialization is biases of 1; a few larger weights let every parameter matter at 67 pixels.
    assert_behaves(network, 50 * torch.randn(2, 3, 99, 67))


def test_2012_shapes_are_the_papers(paper: AlexNet) -> None:
    x = torch.zeros(1, 3, 227, 227)
    seen = {}
    for name, layer in paper.features.named_children():
        x = layer(x)
        seen[name] = tuple(x.shape[1:])
    assert {name: seen[name] for name in ("conv1", "pool1", "conv2", "pool2", "conv3", "conv4", "conv5", "pool5")} == {
        "conv1": (96, 55, 55),
        "pool1": (96, 27, 27),
        "conv2": (256, 27, 27),
        "pool2": (256, 13, 13),
        "conv3": (384, 13, 13),
        "conv4": (384, 13, 13),
        "conv5": (256, 13, 13),
        "pool5": (256, 6, 6),
    }
    # Section 3.5: 256 kernels of 5×5×48, 384 of 3×3×256, 384 of 3×3×192, 256 of 3×3×192.
    kernels = [tuple(paper.get_parameter(f"features.conv{i}.weight").shape) for i in range(1, 6)]
    assert kernels == [(96, 3, 11, 11), (256, 48, 5, 5), (384, 256, 3, 3), (384, 192, 3, 3), (256, 192, 3, 3)]
    assert list(seen)[:4] == ["conv1", "relu1", "norm1", "pool1"]
    assert [name for name in seen if name.startswith("norm")] == ["norm1", "norm2"]


def test_2012_normalization_is_the_papers_formula(paper: AlexNet) -> None:
    a = 20 * np.random.default_rng(0).random((7, 3, 2))
    expected = np.zeros_like(a)
    for i in range(7):
        near = a[max(0, i - 2) : min(6, i + 2) + 1]
        expected[i] = a[i] / (2 + 1e-4 * (near**2).sum(axis=0)) ** 0.75
    norm = paper.features.get_submodule("norm1")
    torch.testing.assert_close(norm(torch.from_numpy(a)[None])[0], torch.from_numpy(expected))


def test_2012_initialization_is_the_papers(paper: AlexNet) -> None:
    ones = {"features.conv2", "features.conv4", "features.conv5", "classifier.fc6", "classifier.fc7"}
    layers = {name: layer for name, layer in paper.named_modules() if isinstance(layer, nn.Conv2d | nn.Linear)}
    assert len(layers) == 8
    for name, layer in layers.items():
        assert (layer.bias == (1.0 if name in ones else 0.0)).all(), name
        assert layer.weight.std().item() == pytest.approx(0.01, rel=0.02), name
        assert layer.weight.mean().abs() < 4 * 0.01 / layer.weight.numel() ** 0.5, name


def test_2012_is_its_own_layers_at_227(paper: AlexNet) -> None:
    x = 100 * torch.randn(1, 3, 227, 227)
    with torch.no_grad():
        expected = paper.classifier(paper.features(x).flatten(1))
        torch.testing.assert_close(paper(x), expected, rtol=0, atol=0)
    assert [name for name, _ in paper.classifier.named_children()] == [
        *("fc6", "relu6", "drop6", "fc7", "relu7", "drop7", "fc8")
    ]


def test_refuses(paper: AlexNet) -> None:
    with pytest.raises(ShapeError, match=r"AlexNet needs images of at least 67×67 pixels .* got 66×80"):
        paper(torch.zeros(1, 3, 66, 80))
    with pytest.raises(ConfigError, match=r"variant has no choice '2014'\. Nearest: '2012'"):
        build_alexnet(num_classes=10, in_channels=3, variant="2014")
