"""'SAME' padding against its definition and timm's."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from striate.layers.same_padding import SamePadConv2d, same_conv2d, same_padding
from tests.oracles.foreign import load_timm

sizes = st.integers(1, 64)
kernels = st.integers(1, 7)
strides = st.integers(1, 5)


@settings(deadline=None)  # the first call imports or compiles
@given(size=sizes, kernel_size=kernels, stride=strides, dilation=st.integers(1, 3))
def test_padding_gives_the_size_divided_by_the_stride_and_no_more(size, kernel_size, stride, dilation):
    before, after = same_padding(size, kernel_size=kernel_size, stride=stride, dilation=dilation)
    reach = dilation * (kernel_size - 1) + 1
    assert 0 <= before <= after <= before + 1
    outputs = -(-size // stride)
    assert (size + before + after - reach) // stride + 1 == outputs
    # One zero less would lose a window.
    assert before + after == 0 or size + before + after - 1 < (outputs - 1) * stride + reach


@settings(deadline=None)  # the first call imports or compiles
@given(size=sizes, kernel_size=kernels, stride=strides, dilation=st.integers(1, 3))
def test_padding_is_timms(size, kernel_size, stride, dilation):
    get_same_padding = load_timm().layers.get_same_padding
    assert sum(same_padding(size, kernel_size=kernel_size, stride=stride, dilation=dilation)) == get_same_padding(
        size, kernel_size, stride, dilation
    )


@settings(deadline=None)  # the first call imports or compiles
@given(height=st.integers(1, 12), width=st.integers(1, 12), kernel_size=st.integers(1, 5), stride=st.integers(1, 3))
def test_convolution_is_the_sum_over_windows(height, width, kernel_size, stride):
    """A slow twin that asks for each output which pixels its window covers."""
    torch.manual_seed(0)
    layer = same_conv2d(2, 3, kernel_size, stride=stride, bias=True)
    x = torch.randn(1, 2, height, width)
    rows, columns = -(-height // stride), -(-width // stride)
    top = max((rows - 1) * stride + kernel_size - height, 0) // 2
    left = max((columns - 1) * stride + kernel_size - width, 0) // 2
    expected = torch.empty(1, 3, rows, columns)
    for i in range(rows):
        for j in range(columns):
            total = layer.bias.detach().clone()
            for dy in range(kernel_size):
                for dx in range(kernel_size):
                    y, u = i * stride + dy - top, j * stride + dx - left
                    if 0 <= y < height and 0 <= u < width:
                        total += layer.weight.detach()[:, :, dy, dx] @ x[0, :, y, u]
            expected[0, :, i, j] = total
    torch.testing.assert_close(layer(x).detach(), expected, rtol=1e-4, atol=1e-5)


def test_symmetric_padding_is_one_pixel_off():
    """The trap that the module's lesson names: same size, other windows."""
    layer = SamePadConv2d(1, 1, 3, stride=2, bias=False)
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    symmetric = F.conv2d(x, layer.weight, stride=2, padding=1)
    assert symmetric.shape == layer(x).shape
    assert not torch.allclose(symmetric, layer(x))
    torch.testing.assert_close(layer(x)[0, 0, 0, 0], (layer.weight[0, 0] * x[0, 0, :3, :3]).sum())


def test_is_plain_where_plain_is_the_same():
    assert type(same_conv2d(4, 4, 5, groups=4)) is nn.Conv2d
    assert type(same_conv2d(4, 4, 4)) is SamePadConv2d
    assert type(same_conv2d(4, 4, 1, stride=2)) is SamePadConv2d
    assert "padding=SAME" in repr(same_conv2d(4, 4, 3, stride=2))


def test_gradients_are_those_of_finite_differences():
    torch.manual_seed(0)
    layer = SamePadConv2d(2, 2, 3, stride=2, groups=2).double()
    x = torch.randn(1, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (x,))


@pytest.mark.parametrize("side", [8, 9])
def test_exports(side):
    layer = SamePadConv2d(2, 3, 3, stride=2)
    x = torch.randn(1, 2, side, side)
    torch.testing.assert_close(torch.export.export(layer, (x,)).module()(x), layer(x))
