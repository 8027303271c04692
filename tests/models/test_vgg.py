"""VGG against torchvision. The full layers are 120 million numbers, so most comparisons share one pair of networks."""

import pytest
import torch
from torch import nn

from striate.errors import ConfigError, ShapeError
from striate.models.catalogue import find_entry
from striate.models.vgg import VGG, build_vgg, build_vgg_features
from tests.oracles.foreign import load_torchvision
from tests.oracles.networks import (
    assert_behaves,
    assert_catalogue_entry_is_true,
    forget_statistics,
    relative_difference,
    same_weights,
    smallest_size,
)

# Published by torchvision: parameters and GMACs at 224.
PUBLISHED = {
    "vgg11": (132_863_336, 7.609),
    "vgg11_bn": (132_868_840, 7.609),
    "vgg13": (133_047_848, 11.308),
    "vgg13_bn": (133_053_736, 11.308),
    "vgg16": (138_357_544, 15.470),
    "vgg16_bn": (138_365_992, 15.470),
    "vgg19": (143_667_240, 19.632),
    "vgg19_bn": (143_678_248, 19.632),
}


def build(name: str, num_classes: int = 10) -> VGG:
    return build_vgg(num_classes=num_classes, in_channels=3, **find_entry(name).options).eval()


@pytest.mark.parametrize("name", [*PUBLISHED, "vgg16_features"])
def test_catalogue(name: str) -> None:
    network = assert_catalogue_entry_is_true(name)
    parameters, gmacs = PUBLISHED.get(name, (14_714_688, None))
    assert sum(p.numel() for p in network.parameters()) == parameters
    if gmacs:
        assert round(find_entry(name).macs / 1e9, 3) == gmacs == find_entry(name).published_gmacs


@pytest.mark.parametrize("name", PUBLISHED)
def test_convolutions_equal_torchvisions(name: str) -> None:
    torchvision = load_torchvision()
    with torch.device("meta"):
        theirs = getattr(torchvision.models, name)(num_classes=10, init_weights=False)
        ours = build(name)
    whole = [(key, t.shape, t.dtype) for key, t in theirs.state_dict().items()]
    assert [(key, t.shape, t.dtype) for key, t in ours.state_dict().items()] == whole
    torch.manual_seed(0)
    for layer in theirs.features.to_empty(device="cpu").modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.normal_(layer.bias)
    forget_statistics(theirs.features)
    for counter in (layer.num_batches_tracked for layer in theirs.features if isinstance(layer, nn.BatchNorm2d)):
        counter.zero_()
    same_weights(ours.features, theirs.features)
    theirs.features.eval()
    x = torch.randn(2, 3, 71, 45)
    assert relative_difference(ours.features(x), theirs.features(x)) < 1e-5


@pytest.mark.parametrize("name", ["vgg11_bn"])
def test_equals_torchvision(name: str) -> None:
    torchvision = load_torchvision()
    torch.manual_seed(0)
    theirs = getattr(torchvision.models, name)(num_classes=10).eval()
    torch.manual_seed(0)
    ours = build(name)
    # Same seed, same weights: the initialization is theirs too.
    for (key, mine), yours in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert torch.equal(mine, yours), key
    forget_statistics(theirs)
    same_weights(ours, theirs)
    for size in ((224, 224), (32, 32), (100, 61)):
        x = torch.randn(1 + (size[0] < 224), 3, *size)
        with torch.no_grad():
            assert relative_difference(ours(x), theirs(x)) < 1e-5
    torch.manual_seed(1)
    with torch.no_grad():
        trained = theirs.train()(x)
        torch.manual_seed(1)
        assert relative_difference(ours.train()(x), trained) < 1e-5


def test_behaves() -> None:
    torch.manual_seed(0)
    network = build_vgg_features(num_classes=0, in_channels=3, configuration="A", batch_norm=True)
    assert_behaves(network.eval(), torch.randn(2, 3, 40, 64))


@pytest.mark.parametrize("name", ["vgg11", "vgg19_bn"])
def test_exports_without_storage(name: str) -> None:
    with torch.device("meta"):
        exported = torch.export.export(build(name), (torch.empty(2, 3, 224, 224),))
        assert exported.module()(torch.empty(2, 3, 224, 224)).shape == (2, 10)


def test_features_are_those_of_the_whole_network() -> None:
    torch.manual_seed(0)
    network = build_vgg_features(num_classes=0, in_channels=3, configuration="D").eval()
    assert len(network.features) == 31
    with torch.device("meta"):
        whole = build("vgg16").state_dict()
    for key, tensor in network.state_dict().items():
        assert whole[key].shape == tensor.shape
    x = torch.randn(1, 3, 64, 96)
    torch.testing.assert_close(network(x), nn.functional.max_pool2d(network.features[:30](x), 2))
    assert network(x).shape == (1, 512, 2, 3)
    assert isinstance(network.features[28], nn.Conv2d)
    assert isinstance(network.features[29], nn.ReLU)


def test_features_have_no_classes() -> None:
    with pytest.raises(ConfigError, match=r"num_classes must be 0, .* but is 1000\. .* 'vgg16'"):
        build_vgg_features(num_classes=1000, in_channels=3, configuration="D")


def test_other_channels_and_classes() -> None:
    with torch.device("meta"):
        network = build_vgg(num_classes=7, in_channels=5, configuration="B", batch_norm=True)
        assert network(torch.empty(2, 5, 64, 64)).shape == (2, 7)
        assert smallest_size(network, 5) == 32


def test_refuses() -> None:
    with torch.device("meta"):
        network = build("vgg11")
        with pytest.raises(ShapeError, match=r"VGG needs images of at least 32×32 pixels .* got 31×224"):
            network(torch.empty(1, 3, 31, 224))
    with pytest.raises(ConfigError, match=r"configuration has no choice 'C'\. Known: 'A', 'B', 'D', 'E'\."):
        build_vgg(num_classes=10, in_channels=3, configuration="C")
