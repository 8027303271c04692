"""The bottleneck block against its formula, in all of its forms."""

import pytest
import torch
from torch.nn import functional as F

from striate.errors import ConfigError
from striate.layers.bottleneck import Bottleneck


def normalize(y, norm):
    shape = (1, -1, 1, 1)
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    return (y - norm.running_mean.view(shape)) * scale.view(shape) + norm.bias.view(shape)


@pytest.mark.parametrize("stride_in", ["1x1", "3x3"])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("reduction", [None, 4])
@pytest.mark.parametrize("projection_kernel", [1, 3])
def test_is_its_formula(stride_in, stride, reduction, projection_kernel):
    torch.manual_seed(0)
    block = Bottleneck(
        8, (4, 6, 16), stride=stride, stride_in=stride_in, groups=2, projection_kernel=projection_kernel,
        reduction=reduction,
    ).eval()  # fmt: skip
    for name, norm in block.named_modules():
        if name.endswith(("bn1", "bn2", "bn3", "downsample.1")):
            torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
            norm.running_mean.uniform_(-0.2, 0.2)
            norm.running_var.uniform_(0.5, 1.5)
    x = torch.randn(2, 8, 9, 6)
    early, late = (stride, 1) if stride_in == "1x1" else (1, stride)
    y = F.relu(normalize(F.conv2d(x, block.conv1.weight, stride=early), block.bn1))
    y = F.relu(normalize(F.conv2d(y, block.conv2.weight, stride=late, padding=1, groups=2), block.bn2))
    y = normalize(F.conv2d(y, block.conv3.weight), block.bn3)
    if reduction is not None:
        y = block.se_module(y)
    shortcut = F.conv2d(x, block.downsample[0].weight, stride=stride, padding=projection_kernel // 2)
    torch.testing.assert_close(block(x), F.relu(y + normalize(shortcut, block.downsample[1])))


def test_shortcut_is_the_input_itself_where_the_shape_stays():
    block = Bottleneck(16, (4, 4, 16)).eval()
    torch.nn.init.zeros_(block.bn3.weight)
    x = torch.randn(1, 16, 5, 5)
    torch.testing.assert_close(block(x), x.clamp(min=0))
    assert not any(key.startswith(("downsample", "se_module")) for key in block.state_dict())


def test_gradients_are_those_of_finite_differences():
    torch.manual_seed(0)
    block = Bottleneck(4, (2, 2, 8), stride=2, groups=2, reduction=2).double().train()
    x = torch.randn(2, 4, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(block, (x,))


def test_the_input_is_left_as_it_was():
    x = torch.randn(1, 16, 5, 5)
    before = x.clone()
    Bottleneck(16, (4, 4, 16))(x)
    assert torch.equal(x, before)


def test_refuses_another_place_of_the_stride():
    with pytest.raises(ConfigError, match=r"stride_in is '1x1' \(the paper's v1\) or '3x3' \(v1.5\), but got '3'"):
        Bottleneck(8, (4, 4, 8), stride_in="3")
