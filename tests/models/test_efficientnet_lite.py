"""EfficientNet-Lite against timm's tf_efficientnet_lite*, and the default network's weights on real photos."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from striate.layers.same_padding import SamePadConv2d
from striate.models.catalogue import find_entry
from striate.models.efficientnet_lite import EfficientNetLite, build_efficientnet_lite
from striate.weights import find_record, load_state_dict
from tests.oracles.foreign import load_timm
from tests.oracles.networks import count_macs, forget_statistics, relative_difference, same_weights

# Parameters in millions and multiply-adds in billions of Google's table. Its profiler counts normalization and the like
# too, 4 to 6 % on top of convolutions and the last layer.
GOOGLE = {
    "efficientnet_lite0": (4.7, 0.407),
    "efficientnet_lite1": (5.4, 0.631),
    "efficientnet_lite2": (6.1, 0.899),
    "efficientnet_lite3": (8.2, 1.44),
    "efficientnet_lite4": (13.0, 2.64),
}


def build(name: str, *, num_classes: int = 1000, in_channels: int = 3) -> EfficientNetLite:
    return build_efficientnet_lite(num_classes=num_classes, in_channels=in_channels, **find_entry(name).options)


# 224 is padded on one side, 225 on both, 97×162 one way and the other; 1×1 is padding only.
@pytest.mark.parametrize("size", [(224, 224), (225, 225), (97, 162), (1, 1)])
def test_logits_are_timms(size):
    timm = load_timm()
    torch.manual_seed(0)
    theirs = forget_statistics(timm.create_model("tf_efficientnet_lite0")).eval()
    with torch.device("meta"):
        ours = build("efficientnet_lite0").eval()
    same_weights(ours, theirs)
    x = torch.randn(1, 3, *size)
    with torch.no_grad():
        assert relative_difference(ours(x), theirs(x)) < 1e-5


def test_timms_other_efficientnet_lite_is_another_graph():
    """The trap: equal keys and shapes, but symmetric padding and ε = 1e-5."""
    timm = load_timm()
    torch.manual_seed(0)
    theirs = forget_statistics(timm.create_model("efficientnet_lite0")).eval()
    ours = build("efficientnet_lite0").eval()
    same_weights(ours, theirs)
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert relative_difference(ours(x), theirs(x)) > 0.01


@pytest.mark.parametrize("name", GOOGLE)
def test_parameters_and_macs_are_the_published_ones(name):
    entry = find_entry(name)
    with torch.device("meta"):
        network = build(name)
    parameters = sum(p.numel() for p in network.parameters())
    macs = count_macs(network, *entry.input_size)
    millions, billions = GOOGLE[name]
    assert parameters == entry.parameters
    assert round(parameters / 1e6, 1) == millions
    assert macs == entry.macs
    assert 1.03 < billions * 1e9 / macs < 1.06


def test_default_network_has_the_parameters_that_are_written_everywhere():
    assert find_entry("efficientnet_lite0").parameters == 4_652_008


def test_only_strided_convolutions_pad_by_size():
    with torch.device("meta"):
        network = build("efficientnet_lite0")
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    strided = [m for m in convolutions if m.stride != (1, 1)]
    assert len(strided) == 5
    assert all(isinstance(m, SamePadConv2d) for m in strided)
    assert not any(isinstance(m, SamePadConv2d) for m in convolutions if m.stride == (1, 1))


def test_every_activation_is_a_relu6_of_its_own():
    with torch.device("meta"):
        network = build("efficientnet_lite0")
    calls: list[nn.Module] = []
    for module in network.modules():
        if isinstance(module, nn.ReLU6):
            assert not module.inplace
            module.register_forward_hook(lambda m, _i, _o: calls.append(m))
    network.eval()(torch.zeros(1, 3, 32, 32, device="meta"))
    assert len(calls) == len(set(calls)) == 1 + 1 + 15 * 2 + 1


def test_random_weights_are_tensorflows():
    """Deviation √(2 / fan-out), where a depthwise kernel's fan-out is its window; last layer uniform in ±1/√k."""
    torch.manual_seed(0)
    network = build("efficientnet_lite0")
    for key, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            fan_out = module.weight[0, 0].numel() * module.out_channels / module.groups
            assert float(module.weight.detach().std()) == pytest.approx((2 / fan_out) ** 0.5, rel=0.15), key
    bound = 1000**-0.5
    assert 0.99 * bound < float(network.classifier.weight.detach().abs().max()) <= bound
    assert float(network.classifier.bias.detach().abs().max()) == 0


def test_real_weights_know_real_photos():
    """The default network's file on photos of scikit-image, prepared by Pillow alone."""
    photos = pytest.importorskip("skimage.data", reason="scikit-image is not installed (photos)")
    network = build("efficientnet_lite0").eval()
    network.load_state_dict(load_state_dict(find_record("efficientnet_lite0.in1k")), strict=True)
    for name, wanted, probability in (("coffee", 967, 0.94), ("camera", 872, 0.95), ("chelsea", 285, 0.38)):
        image = Image.fromarray(getattr(photos, name)()).convert("RGB")
        width, height = image.size
        scale = 224 / min(width, height)
        image = image.resize((round(scale * width), round(scale * height)), Image.Resampling.BICUBIC)
        left, top = (image.width - 224) // 2, (image.height - 224) // 2
        pixels = torch.from_numpy(np.array(image.crop((left, top, left + 224, top + 224)))).permute(2, 0, 1)
        with torch.no_grad():
            probabilities = network((pixels[None].float() - 127) / 128).softmax(1)[0]
        assert int(probabilities.argmax()) == wanted, name
        assert float(probabilities[wanted]) == pytest.approx(probability, abs=0.01), name
