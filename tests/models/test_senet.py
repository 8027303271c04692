"""Hu's SE networks against timm's legacy ones, which keep the original keys and graphs."""

import pytest
import torch

from striate.errors import ConfigError, ShapeError
from striate.models.catalogue import find_entry
from striate.models.senet import SENet, build_senet
from tests.oracles.foreign import load_timm
from tests.oracles.networks import count_macs, forget_statistics, relative_difference, same_weights

# Our name: timm's name, parameters, and GMACs as timm measures them (up to .6 % more: with pooling and gates).
PUBLISHED = {
    "se_resnet50": ("legacy_seresnet50", 28_088_024, 3.88),
    "se_resnet101": ("legacy_seresnet101", 49_326_872, 7.61),
    "se_resnet152": ("legacy_seresnet152", 66_821_848, 11.33),
    "se_resnext50_32x4d": ("legacy_seresnext50_32x4d", 27_559_896, 4.26),
    "se_resnext101_32x4d": ("legacy_seresnext101_32x4d", 48_955_416, 8.02),
    "senet154": ("legacy_senet154", 115_088_984, 20.77),
}
SHALLOW = [1, 2, 1, 1]


def build(name: str, *, num_classes: int = 1000, in_channels: int = 3, depths: list[int] | None = None) -> SENet:
    options = dict(find_entry(name).options)
    if depths is not None:
        options["depths"] = depths
    return build_senet(num_classes=num_classes, in_channels=in_channels, **options)


@pytest.mark.parametrize("name", ["se_resnet50", "se_resnext50_32x4d", "senet154"])
@pytest.mark.parametrize("size", [(224, 224), (97, 162)])
def test_logits_are_timms(name, size):
    """Fewer blocks a stage than published, one of each kind: the same code in both, in a fraction of the time."""
    timm = load_timm()
    torch.manual_seed(0)
    theirs = timm.create_model(PUBLISHED[name][0], layers=SHALLOW)
    theirs = forget_statistics(theirs).eval()
    with torch.device("meta"):
        ours = build(name, depths=SHALLOW).eval()
    same_weights(ours, theirs)
    x = torch.randn(1, 3, *size)
    with torch.no_grad():
        assert relative_difference(ours(x), theirs(x)) < 1e-5


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_and_macs_are_the_published_ones(name):
    _, parameters, gmacs = PUBLISHED[name]
    entry = find_entry(name)
    with torch.device("meta"):
        network = build(name)
    assert sum(p.numel() for p in network.parameters()) == parameters == entry.parameters
    macs = count_macs(network, *entry.input_size)
    assert macs == entry.macs
    assert 0.993 < macs / 1e9 / gmacs <= 1


def test_the_new_seresnet_is_another_graph():
    """The trap: timm's `seresnet50` is this with other names, but pads its pool and has the stride in the 3×3."""
    timm = load_timm()
    torch.manual_seed(0)
    theirs = forget_statistics(timm.create_model("seresnet50", layers=SHALLOW)).eval()
    ours = build("se_resnet50", depths=SHALLOW).eval()
    renamed = {
        key.replace(".se.", ".se_module.").replace("fc.", "last_linear.")
        if key.startswith(("layer", "fc"))
        else f"layer0.{key}": value
        for key, value in theirs.state_dict().items()
    }
    ours.load_state_dict(renamed, strict=True)
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert relative_difference(ours(x), theirs(x)) > 0.01


def test_only_senet154_drops_features_in_training():
    with torch.device("meta"):
        assert {name: build(name).dropout.p for name in PUBLISHED} == dict.fromkeys(PUBLISHED, 0.0) | {"senet154": 0.2}


@pytest.mark.parametrize("name", ["se_resnet50", "senet154"])
def test_smallest_image(name):
    entry = find_entry(name)
    network = build(name, depths=[1, 1, 1, 1], num_classes=3).eval()
    with torch.no_grad():
        assert network(torch.randn(1, 3, entry.min_size, entry.min_size)).isfinite().all()
        with pytest.raises(ShapeError, match=r"SENet needs images of at least 3×3 pixels .* but got 2×9"):
            network(torch.randn(1, 3, entry.min_size - 1, 9))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stem": "5x5"}, "stem has no choice '5x5'"),
        ({"depths": [1]}, r"depths has one number for each of the four stages, but got \[1\]"),
        ({"stride_in": "2x2"}, "stride_in is '1x1' .* but got '2x2'"),
    ],
)
def test_refuses_what_does_not_exist(changes, message):
    options = {"depths": [1, 1, 1, 1], "stride_in": "1x1", **changes}
    with torch.device("meta"), pytest.raises(ConfigError, match=message):
        build_senet(num_classes=2, in_channels=3, **options)
