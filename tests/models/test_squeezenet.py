"""SqueezeNet against torchvision."""

import pytest
import torch
from torch import nn

from striate.errors import ConfigError, ShapeError
from striate.models.catalogue import find_entry
from striate.models.squeezenet import Fire, SqueezeNet, build_squeezenet
from tests.oracles.foreign import load_torchvision
from tests.oracles.networks import (
    assert_behaves,
    assert_catalogue_entry_is_true,
    relative_difference,
    same_weights,
)

VERSIONS = {"squeezenet1_0": "1.0", "squeezenet1_1": "1.1"}


def build(version: str, num_classes: int = 1000, in_channels: int = 3) -> SqueezeNet:
    torch.manual_seed(0)
    return build_squeezenet(num_classes=num_classes, in_channels=in_channels, version=version).eval()


@pytest.mark.parametrize(
    ("name", "parameters", "gmacs"), [("squeezenet1_0", 1_248_424, 0.819), ("squeezenet1_1", 1_235_496, 0.349)]
)
def test_catalogue(name: str, parameters: int, gmacs: float) -> None:
    network = assert_catalogue_entry_is_true(name)
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert round(find_entry(name).macs / 1e9, 3) == gmacs == find_entry(name).published_gmacs


@pytest.mark.parametrize("name", VERSIONS)
def test_equals_torchvision(name: str) -> None:
    torchvision = load_torchvision()
    torch.manual_seed(0)
    theirs = getattr(torchvision.models, name)().eval()
    ours = build(VERSIONS[name])
    # Same seed, same weights: the initialization is theirs too.
    for (key, mine), yours in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert torch.equal(mine, yours), key
    for key, parameter in theirs.named_parameters():
        if key.endswith("bias"):
            nn.init.normal_(parameter, std=0.1)
    same_weights(ours, theirs)
    smallest = find_entry(name).min_size
    for size in ((224, 224), (227, 227), (smallest, smallest), (140, 67)):
        x = torch.randn(2, 3, *size)
        assert relative_difference(ours(x), theirs(x)) < 1e-5
    torch.manual_seed(1)
    trained = theirs.train()(x)
    torch.manual_seed(1)
    assert relative_difference(ours.train()(x), trained) < 1e-5


@pytest.mark.parametrize("version", VERSIONS.values())
def test_behaves(version: str) -> None:
    network = build(version, num_classes=5, in_channels=2)
    with torch.no_grad():
        network.classifier[1].bias.fill_(1.0)  # the ReLU behind it would stop the gradients of dark classes
    assert_behaves(network, torch.randn(2, 2, 60, 75))


def test_exports_with_any_batch_and_size() -> None:
    network = build("1.1", num_classes=5)
    sizes = {0: torch.export.Dim("n"), 2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO}
    exported = torch.export.export(network, (torch.randn(2, 3, 96, 80),), dynamic_shapes=(sizes,))
    x = torch.randn(3, 3, 61, 224)
    torch.testing.assert_close(exported.module()(x), network(x))


def test_fire_puts_1x1_before_3x3() -> None:
    fire = Fire(4, 2, 3)
    x = torch.randn(1, 4, 5, 6)
    squeezed = fire.squeeze(x).relu()
    torch.testing.assert_close(fire(x)[:, :3], fire.expand1x1(squeezed).relu())
    torch.testing.assert_close(fire(x)[:, 3:], fire.expand3x3(squeezed).relu())


def test_logits_are_the_mean_of_maps_that_are_never_negative() -> None:
    network = build("1.1")
    x = torch.randn(1, 3, 99, 130)
    maps = network.classifier[:3](network.features(x))
    assert maps.shape[1:] == (1000, 6, 8)
    assert maps.min() >= 0
    torch.testing.assert_close(network(x), maps.mean(dim=(2, 3)))


def test_refuses() -> None:
    with pytest.raises(ShapeError, match=r"SqueezeNet needs images of at least 21×21 pixels .* got 20×21"):
        build("1.0")(torch.zeros(1, 3, 20, 21))
    with pytest.raises(ConfigError, match=r"version has no choice '1\.2'\. Nearest: '1\.1', '1\.0'\."):
        build("1.2")
