import numpy as np
import pytest
import torch
from torch import nn

from striate.errors import ConfigError, UnknownNameError
from striate.insight import kernels, stage_activations


def network() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(3, 5, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(5, 7, 3, padding=1),
        nn.Flatten(),
        nn.Linear(112, 2),
    )


def test_strongest_channels_of_every_stage_come_first() -> None:
    net, x = network(), torch.randn(2, 3, 8, 8)
    found = stage_activations(net, x, top=3)
    with torch.no_grad():
        relu, last = net[:2](x), net[:4](x)
    for n in range(2):
        assert [s.address for s in found[n]] == ["1", "3"]
        for stage, full in zip(found[n], (relu[n], last[n]), strict=True):
            peaks = full.amax((1, 2)).tolist()
            assert list(stage.channels) == sorted(range(len(peaks)), key=lambda c: -peaks[c])[:3]
            np.testing.assert_allclose(stage.maps, full[list(stage.channels)].numpy(), rtol=1e-6)
            assert stage.shape == tuple(full.shape)
            assert stage.silent == sum(p <= 0 for p in peaks)
            np.testing.assert_allclose((stage.minimum, stage.maximum), (float(full.min()), float(full.max())))


def test_a_network_without_maps_has_no_stages() -> None:
    assert stage_activations(nn.Sequential(nn.Flatten(), nn.Linear(192, 2)), torch.randn(2, 3, 8, 8)) == [[], []]
    with pytest.raises(ConfigError, match="top must be at least 1"):
        stage_activations(network(), torch.randn(1, 3, 8, 8), top=0)


def test_kernels_of_the_first_and_of_a_named_convolution() -> None:
    net = network()
    first, deep = kernels(net), kernels(net, layer="3")
    assert (first.address, first.channels, deep.channels) == ("0", "RGB", "maps")
    np.testing.assert_array_equal(first.weights, net[0].weight.detach().numpy())
    assert first.draw().shape == (5, 1, 3, 3, 3)
    assert deep.draw().shape == (7, 5, 3, 3, 3)
    first.weights[:] = 0
    assert net[0].weight.abs().sum() > 0  # a copy, so that editing the picture's data cannot harm the network


def test_what_has_no_kernels_is_said() -> None:
    with pytest.raises(UnknownNameError, match="no 2-D convolution"):
        kernels(nn.Linear(2, 2))
    with pytest.raises(UnknownNameError, match="'1' is a ReLU, not a convolution"):
        kernels(network(), layer="1")
    with pytest.raises(UnknownNameError, match="no layer '9'"):
        kernels(network(), layer="9")
