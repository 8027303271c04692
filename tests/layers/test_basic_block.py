"""The basic block against its formula, with both shortcuts."""

import pytest
import torch
from torch.nn import functional as F

from striate.errors import ConfigError
from striate.layers.basic_block import BasicBlock
from tests.layers.test_bottleneck import normalize
from tests.layers.test_zero_shortcut import one_by_one
from tests.oracles.networks import forget_statistics


@pytest.mark.parametrize("shortcut", ["projection", "zeros"])
@pytest.mark.parametrize(("out_channels", "stride"), [(6, 1), (6, 2), (12, 1), (12, 2)])
def test_is_its_formula(shortcut, out_channels, stride):
    torch.manual_seed(0)
    with torch.no_grad():
        block = forget_statistics(BasicBlock(6, out_channels, stride=stride, shortcut=shortcut)).eval()
    x = torch.randn(2, 6, 9, 6)
    y = F.relu(normalize(F.conv2d(x, block.conv1.weight, stride=stride, padding=1), block.bn1))
    y = normalize(F.conv2d(y, block.conv2.weight, padding=1), block.bn2)
    if stride == 1 and out_channels == 6:
        fitted = x
    elif shortcut == "zeros":
        fitted = one_by_one(x, out_channels, stride)
    else:
        fitted = normalize(F.conv2d(x, block.downsample[0].weight, stride=stride), block.downsample[1])
    torch.testing.assert_close(block(x), F.relu(y + fitted))
    assert any("downsample" in key for key in block.state_dict()) == (
        shortcut == "projection" and (stride, out_channels) != (1, 6)
    )


def test_gradients_are_those_of_finite_differences():
    torch.manual_seed(0)
    block = BasicBlock(2, 4, stride=2, shortcut="zeros").double().train()
    x = torch.randn(2, 2, 5, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(block, (x,))


def test_refuses_another_shortcut():
    with pytest.raises(ConfigError, match=r"'projection' \(option B\) or 'zeros' \(option A\), but got 'A'"):
        BasicBlock(8, 16, shortcut="A")
