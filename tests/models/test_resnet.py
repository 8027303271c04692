"""ResNet and ResNeXt against torchvision, the published counts, and the two places of the stride."""

import pytest
import torch
from torch import nn

from striate.errors import ConfigError
from striate.models.catalogue import find_entry
from striate.models.resnet import ResNet, build_resnet
from tests.oracles.foreign import load_torchvision
from tests.oracles.networks import count_macs, forget_statistics, relative_difference, same_weights

# Parameters and GMACs that torchvision publishes; GMACs of v1 are the paper's table 1.
PUBLISHED = {
    "resnet18": (11_689_512, 1.814),
    "resnet34": (21_797_672, 3.664),
    "resnet50": (25_557_032, 4.089),
    "resnet101": (44_549_160, 7.801),
    "resnet152": (60_192_808, 11.514),
    "resnext50_32x4d": (25_028_904, 4.230),
    "resnet50_v1": (25_557_032, 3.86),
    "resnet101_v1": (44_549_160, 7.57),
    "resnet152_v1": (60_192_808, 11.28),
}


def build(name: str, *, num_classes: int = 1000, in_channels: int = 3) -> ResNet:
    return build_resnet(num_classes=num_classes, in_channels=in_channels, **find_entry(name).options)


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnext50_32x4d"])
@pytest.mark.parametrize("size", [(224, 224), (97, 161)])
def test_logits_are_torchvisions(name, size):
    models = load_torchvision().models
    torch.manual_seed(0)
    theirs = forget_statistics(getattr(models, name)()).eval()
    with torch.device("meta"):
        ours = build(name).eval()
    same_weights(ours, theirs)
    x = torch.randn(1, 3, *size)
    with torch.no_grad():
        assert relative_difference(ours(x), theirs(x)) < 1e-5


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_and_macs_are_the_published_ones(name):
    entry = find_entry(name)
    with torch.device("meta"):
        network = build(name)
    parameters, gmacs = PUBLISHED[name]
    assert sum(p.numel() for p in network.parameters()) == parameters == entry.parameters
    macs = count_macs(network, *entry.input_size)
    assert macs == entry.macs
    assert macs / 1e9 == pytest.approx(gmacs, abs=0.005)


def test_v1_takes_the_weights_of_v1_5_and_answers_otherwise():
    """The trap: `strict=True` does not notice."""
    torch.manual_seed(0)
    v1, v1_5 = build("resnet50_v1").eval(), forget_statistics(build("resnet50")).eval()
    same_weights(v1, v1_5)
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert relative_difference(v1(x), v1_5(x)) > 0.01
    halving = {f"layer{stage}.0" for stage in (2, 3, 4)}
    for network, first, second in ((v1, 2, 1), (v1_5, 1, 2)):
        for name in halving:
            block = network.get_submodule(name)
            assert (block.conv1.stride, block.conv2.stride) == ((first, first), (second, second))


def test_every_relu_has_its_own_address_and_none_works_in_place():
    for name in ("resnet18", "resnet50"):
        with torch.device("meta"):
            network = build(name)
        calls: list[nn.Module] = []
        for module in network.modules():
            if isinstance(module, nn.ReLU):
                assert not module.inplace
                module.register_forward_hook(lambda m, _i, _o, calls=calls: calls.append(m))
        network.eval()(torch.zeros(1, 3, 64, 64, device="meta"))
        assert len(calls) == len(set(calls)) == int(name.removeprefix("resnet")) - 1


@pytest.mark.parametrize("size", [(1, 1), (2, 7)])
def test_runs_at_one_pixel(size):
    entry = find_entry("resnet18")
    assert entry.min_size == 1
    logits = build("resnet18", num_classes=7).eval()(torch.randn(2, 3, *size))
    assert logits.shape == (2, 7)
    assert logits.isfinite().all()


def test_zero_init_residual_makes_every_block_a_copy():
    options = dict(find_entry("resnet50").options)
    network = build_resnet(num_classes=2, in_channels=3, zero_init_residual=True, **options).eval()
    x = torch.rand(1, 256, 8, 8)
    torch.testing.assert_close(network.layer1[1](x), x)
    basic = build_resnet(num_classes=2, in_channels=3, block="basic", depths=[1, 1, 1, 1], zero_init_residual=True)
    x = torch.rand(1, 64, 8, 8)
    torch.testing.assert_close(basic.eval().layer1[0](x), x)


def test_random_weights_keep_the_size_of_the_signal():
    """He et al.'s deviation: √(2 / fan-out) for every convolution."""
    torch.manual_seed(0)
    for key, module in build("resnet18").named_modules():
        if isinstance(module, nn.Conv2d):
            fan_out = module.weight[:, 0].numel()
            assert float(module.weight.detach().std()) == pytest.approx((2 / fan_out) ** 0.5, rel=0.05), key


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"block": "plain"}, "block is 'basic' or 'bottleneck', but got 'plain'"),
        ({"depths": [2, 2]}, r"depths has one number for each of the four stages, but got \[2, 2\]"),
        ({"stride_in": "1x1"}, "A basic block has no groups, no other width and no 1×1"),
        ({"groups": 32}, "got groups=32"),
        ({"block": "bottleneck", "stride_in": "7x7"}, "stride_in is '1x1' .* or '3x3' .* but got '7x7'"),
    ],
)
def test_refuses_what_does_not_exist(changes, message):
    options = {"block": "basic", "depths": [1, 1, 1, 1], **changes}
    with torch.device("meta"), pytest.raises(ConfigError, match=message):
        build_resnet(num_classes=2, in_channels=3, **options)
