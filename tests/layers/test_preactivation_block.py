"""The pre-activation block against its formula."""

import pytest
import torch
from torch.nn import functional as F

from striate.layers.preactivation_block import PreactivationBlock
from tests.layers.test_bottleneck import normalize
from tests.oracles.networks import forget_statistics


@pytest.mark.parametrize(("out_channels", "stride"), [(6, 1), (6, 2), (12, 1), (12, 2)])
def test_is_its_formula(out_channels, stride):
    torch.manual_seed(0)
    with torch.no_grad():
        block = forget_statistics(PreactivationBlock(6, out_channels, stride=stride, dropout=0.3)).eval()
    x = torch.randn(2, 6, 9, 6)
    active = F.relu(normalize(x, block.bn1))
    y = F.relu(normalize(F.conv2d(active, block.conv1.weight, stride=stride, padding=1), block.bn2))
    y = F.conv2d(y, block.conv2.weight, padding=1)
    changes = (out_channels, stride) != (6, 1)
    fitted = F.conv2d(active, block.downsample.weight, stride=stride) if changes else x
    torch.testing.assert_close(block(x), y + fitted)


def test_the_identity_is_not_touched():
    """No ReLU on the way: what is negative stays negative."""
    block = PreactivationBlock(4, 4)
    torch.nn.init.zeros_(block.conv2.weight)
    x = torch.randn(2, 4, 5, 5)
    assert torch.equal(block(x), x)


def test_dropout_is_between_the_convolutions_and_only_in_training():
    torch.manual_seed(0)
    block = PreactivationBlock(4, 4, dropout=0.5)
    x = torch.randn(2, 4, 8, 8)
    seen = []
    block.conv2.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    block(x)
    block.eval()(x)
    zeros = [float((y == 0).float().mean()) for y in seen]
    assert zeros[0] == pytest.approx(0.75, abs=0.06)  # half by the ReLU, half of the rest by dropout
    assert zeros[1] == pytest.approx(0.5, abs=0.06)
    assert PreactivationBlock(4, 4).dropout is None


def test_gradients_are_those_of_finite_differences():
    torch.manual_seed(0)
    block = PreactivationBlock(2, 4, stride=2).double().train()
    x = torch.randn(2, 2, 5, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(block, (x,))
