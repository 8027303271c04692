"""The shortcut without parameters against a loop, one number at a time."""

import pytest
import torch
from torch import Tensor

from striate.errors import ConfigError
from striate.layers.zero_shortcut import ZeroShortcut


def one_by_one(x: Tensor, channels: int, stride: int) -> Tensor:
    n, c, h, w = x.shape
    out = torch.zeros(n, channels, (h + stride - 1) // stride, (w + stride - 1) // stride, dtype=x.dtype)
    first = (channels - c) // 2
    for picture in range(n):
        for channel in range(c):
            for i in range(out.shape[2]):
                for j in range(out.shape[3]):
                    out[picture, first + channel, i, j] = x[picture, channel, i * stride, j * stride]
    return out


@pytest.mark.parametrize("channels", [3, 4, 6, 7])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [(1, 1), (8, 8), (7, 10)])
def test_is_the_loop(channels, stride, size):
    x = torch.randn(2, 3, *size)
    shortcut = ZeroShortcut(3, channels, stride=stride)
    assert not list(shortcut.parameters())
    assert torch.equal(shortcut(x), one_by_one(x, channels, stride))


def test_gradients_are_those_of_finite_differences():
    x = torch.randn(2, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(ZeroShortcut(2, 5, stride=2), (x,))


def test_says_where_the_zeros_are():
    assert repr(ZeroShortcut(16, 33, stride=2)) == "ZeroShortcut(8 channels of 0 before, 9 behind, stride=2)"


def test_refuses_to_take_channels_away():
    with pytest.raises(ConfigError, match="only adds channels, but got 16 in and 8 out: use a projection"):
        ZeroShortcut(16, 8)
