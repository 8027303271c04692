"""Trunks: any network of the catalogue, cut anywhere, gives what the whole network gives there."""

import copy

import pytest
import torch
from torch import nn

from striate.detection.backbones import Trunk, build_trunk, find_maps
from striate.detection.fpn import Backbone, FeaturePyramid, grid_of
from striate.errors import ConfigError, UnknownNameError
from striate.layers.frozen_batch_norm import FrozenBatchNorm2d, freeze_batch_norm
from striate.models import create_model
from striate.models.catalogue import catalogue

# One network a builder; the others differ in depth and width alone.
NETWORKS = {
    "alexnet": [8, 16, 32],
    "alexnet_2012": [8, 16, 32],
    "efficientnet_lite0": [8, 16, 32],
    "googlenet_2014": [8, 16, 32],
    "resnet18": [4, 8, 16, 32],
    "resnet20": [2, 4],
    "squeezenet1_1": [4, 8, 16],
    "vgg11_bn": [8, 16, 32],
    "wrn16_4": [2, 4],
}


@pytest.mark.parametrize("name", NETWORKS)
def test_maps_are_those_of_the_whole_network(name):
    network = create_model(name).eval()
    places = find_maps(name, NETWORKS[name])
    seen = {}
    hooks = [
        network.get_submodule(place.layer).register_forward_hook(lambda m, i, out, k=place.layer: seen.update({k: out}))
        for place in places
    ]
    images = torch.randn(1, 3, 80, 128)
    with torch.no_grad():
        network(images)
        for hook in hooks:
            hook.remove()
        maps = Trunk(network, places).eval()(images)
    for place, found in zip(places, maps, strict=True):
        assert torch.equal(found, seen[place.layer])
        assert found.shape[1] == place.channels
        assert abs(found.shape[3] - 128 / place.stride) <= 2  # no padding at the border


@pytest.mark.slow
def test_every_network_of_the_catalogue_has_a_map():
    for name, entry in catalogue().items():
        if entry.input_size[1] >= 200 and entry.task in {"classify", "features"}:
            assert find_maps(name, [16])[0].stride == 16


@pytest.mark.parametrize(
    ("name", "stride", "layer", "center"),
    [
        ("vgg16", 16, "features.29", 8.0),  # relu5_3
        ("resnet50", 16, "layer3", 0.5),
        ("efficientnet_lite0", 16, "blocks.4", 15.5),
        ("efficientnet_lite0", 32, "blocks.6", 31.5),
        ("squeezenet1_1", 16, "features.12", 15.5),
        ("alexnet", 16, "features.11", 15.5),
    ],
)
def test_which_layer_and_where_its_cells_lie(name, stride, layer, center):
    (place,) = find_maps(name, [stride])
    assert (place.layer, place.center) == (layer, center)


@pytest.mark.parametrize("name", ["vgg11", "resnet18", "squeezenet1_1"])
def test_center_is_where_the_gradient_lies(name):
    """The foreign view: a cell's gradient, with all weights alike, is symmetric about its receptive field's center."""
    (place,) = find_maps(name, [8])
    trunk, _ = build_trunk(name, in_channels=1, maps=[8], frozen=0, freeze_norm=True)
    trunk.eval()
    for module in trunk.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.constant_(module.weight, 1 / module.weight[0].numel())
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    picture = torch.full((1, 1, 160, 160), 0.5, requires_grad=True)
    row, column = 9, 10
    # Max pooling takes the first of equals, so a slope that makes the last one largest is measured too, and averaged.
    middles = []
    for slope in (1e-4, -1e-4):
        tilted = picture + slope * (torch.arange(160.0)[:, None] + torch.arange(160.0))
        (gradient,) = torch.autograd.grad(trunk(tilted)[0][0, :, row, column].sum(), picture)
        weight = gradient[0, 0].abs().double()
        pixels = torch.arange(160, dtype=torch.float64) + 0.5
        middles.append(
            [float((weight.sum(1) * pixels).sum() / weight.sum()), float((weight.sum(0) * pixels).sum() / weight.sum())]
        )
    y, x = torch.tensor(middles).mean(0).tolist()
    assert y == pytest.approx(place.center + row * 8, abs=0.6)
    assert x == pytest.approx(place.center + column * 8, abs=0.6)


def test_frozen_layers_have_no_gradient_and_stay_in_evaluation_mode():
    trunk, _ = build_trunk("resnet18", in_channels=3, maps=[16], frozen="layer1", freeze_norm=False)
    trunk.train()
    assert not trunk.get_submodule("layer1.0.bn1").training
    assert trunk.get_submodule("layer2.0.bn1").training
    trunk(torch.randn(2, 3, 64, 64))[0].sum().backward()
    still = {name for name, parameter in trunk.named_parameters() if parameter.grad is None}
    assert still == set(trunk.frozen_parameters)
    assert all(name.startswith(("conv1", "bn1", "layer1")) for name in still)
    assert not any(name.startswith("layer4") for name in trunk.state_dict())  # what is not needed is not kept


def test_frozen_by_stride_and_not_at_all():
    vgg, _ = build_trunk("vgg11", in_channels=3, maps=[16], frozen=2)
    assert {name.rpartition(".")[0] for name in vgg.frozen_parameters} == {"features.0", "features.3"}
    free, _ = build_trunk("vgg11", in_channels=3, maps=[16], frozen=0)
    assert free.frozen_parameters == ()


def test_frozen_batch_norm_answers_as_the_trained_one():
    norm = nn.BatchNorm2d(5, eps=1e-3)
    for tensor in (norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var):
        tensor.copy_(torch.rand(5) + 0.5)
    holder = nn.Sequential(norm)
    x = torch.randn(2, 5, 3, 3)
    wanted = holder.eval()(x)
    freeze_batch_norm(holder)
    assert isinstance(holder[0], FrozenBatchNorm2d)
    torch.testing.assert_close(holder.train()(x), wanted)
    by_hand = (x - norm.running_mean.view(1, 5, 1, 1)) / (norm.running_var.view(1, 5, 1, 1) + 1e-3).sqrt()
    by_hand = by_hand * norm.weight.view(1, 5, 1, 1) + norm.bias.view(1, 5, 1, 1)
    torch.testing.assert_close(wanted, by_hand)
    assert sorted(holder.state_dict()) == ["0.bias", "0.running_mean", "0.running_var", "0.weight"]


def test_half_precision_gives_the_same_gradients_as_the_slow_way():
    """Depthwise convolutions compute their gradients in single precision under autocast."""
    trunk, _ = build_trunk("efficientnet_lite0", in_channels=3, maps=[16], frozen=4)
    x = torch.randn(1, 3, 64, 64)
    exact = torch.autograd.grad(trunk(x)[0].square().mean(), trunk.get_parameter("blocks.4.1.conv_dw.weight"))[0]
    with torch.autocast("cpu", torch.bfloat16):
        rough = torch.autograd.grad(
            trunk(x)[0].float().square().mean(), trunk.get_parameter("blocks.4.1.conv_dw.weight")
        )[0]
    assert float((rough - exact).norm() / exact.norm()) < 0.1


def test_pyramid_adds_enlarged_coarse_maps():
    pyramid = FeaturePyramid([2, 3], 4)
    fine, coarse = torch.randn(1, 2, 4, 6), torch.randn(1, 3, 2, 3)
    outputs = pyramid([fine, coarse])
    top = pyramid.inner_blocks[1](coarse)
    merged = pyramid.inner_blocks[0](fine) + top.repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(outputs[0], pyramid.layer_blocks[0](merged))
    torch.testing.assert_close(outputs[1], pyramid.layer_blocks[1](top))
    finest = FeaturePyramid([2, 3], 4, levels="finest")
    finest.load_state_dict(pyramid.state_dict(), strict=False)
    (one,) = finest([fine, coarse])
    torch.testing.assert_close(one, outputs[0])


def test_torchvision_has_the_same_pyramid():
    from collections import OrderedDict

    from tests.oracles.foreign import load_torchvision

    load_torchvision()
    from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelMaxPool

    theirs = FeaturePyramidNetwork([2, 3, 5], 4, LastLevelMaxPool())
    ours = FeaturePyramid([2, 3, 5], 4, extra=True)
    ours.load_state_dict(theirs.state_dict())
    maps = [torch.randn(1, c, s, s + 2) for c, s in ((2, 13), (3, 7), (5, 4))]
    wanted = theirs(OrderedDict(enumerate(maps)))
    for one, other in zip(ours(maps), wanted.values(), strict=True):
        torch.testing.assert_close(one, other)


def test_places_of_a_pyramid():
    trunk, _ = build_trunk("resnet18", in_channels=3, maps=[8, 16], frozen=0)
    backbone = Backbone(trunk, channels=16, extra=True)
    assert [(p.stride, p.channels) for p in backbone.places] == [(8, 16), (16, 16), (32, 16)]
    assert grid_of(backbone(torch.zeros(1, 3, 64, 96))) == [(8, 12), (4, 6), (2, 3)]


def test_refusals():
    with pytest.raises(ConfigError, match="no maps of stride 32; it has those of"):
        find_maps("squeezenet1_1", [32])
    with pytest.raises(UnknownNameError, match=r"no layer named 'features\.99'"):
        find_maps("vgg16", ["features.99"])
    with pytest.raises(UnknownNameError, match="resnet51"):
        find_maps("resnet51", [16])
    with pytest.raises(ConfigError, match="do not follow one another"):
        build_trunk("resnet18", in_channels=3, maps=["layer3.0.conv1"], frozen=0)


def test_a_layer_that_is_put_in_the_place_of_another_is_the_one_that_runs():
    """Synchronized normalization, folding and averaging all exchange layers afterwards."""
    trunk, _ = build_trunk("resnet18", in_channels=3, maps=[8], frozen=0, freeze_norm=False)
    twin = copy.deepcopy(trunk)
    x = torch.randn(1, 3, 32, 32)
    wanted = trunk.eval()(x)[0]
    torch.testing.assert_close(twin.eval()(x)[0], wanted)
    twin.bn1 = nn.Identity()
    assert not torch.allclose(twin(x)[0], wanted)
    torch.testing.assert_close(trunk(x)[0], wanted)
