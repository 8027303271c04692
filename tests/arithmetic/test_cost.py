"""One layer's counts: against torch's own modules and its counter, by property and by hand."""

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from striate.arithmetic import Activation, Branches, Convolution, Field, Flatten, GlobalPooling, Linear, Pooling
from striate.arithmetic.cost import LayerCost, field_after_layer, layer_cost
from striate.errors import ConfigError, ShapeError

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


@given(
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(0, 2),
    st.integers(1, 2),
    st.booleans(),
    st.booleans(),
)
def test_convolutions_count_as_torchs_do(
    axes: int, g: int, per_in: int, per_out: int, f: int, s: int, p: int, d: int, bias: bool, transposed: bool
) -> None:
    shape = (g * per_in, *(7 + a for a in range(axes)))
    layer = Convolution(
        out_channels=g * per_out,
        kernel_size=f,
        stride=s,
        padding=p,
        dilation=d,
        groups=g,
        bias=bias,
        transposed=transposed,
    )
    assume(d * (f - 1) + 1 <= 7 + 2 * p)
    assume(not transposed or 6 * s + d * (f - 1) + 1 > 2 * p)
    kind = (TRANSPOSED if transposed else CONVOLUTIONS)[axes - 1]
    module = kind(shape[0], g * per_out, f, stride=s, padding=p, dilation=d, groups=g, bias=bias, device="meta")
    with FlopCounterMode(display=False) as counter:
        out = module(torch.empty(1, *shape, device="meta"))
    cost = layer_cost(layer, shape)
    assert cost.output_shape == tuple(out.shape[1:])
    assert cost.parameters == sum(t.numel() for t in module.parameters())
    assert cost.macs == counter.get_total_flops() // 2
    assert tuple(int(size) for size in cost.sizes) == cost.output_shape[1:]


@pytest.mark.parametrize(
    ("layer", "shape", "cost"),
    [
        (Activation(function="relu"), (3, 4, 5), ((3, 4, 5), 0, 0)),
        (Flatten(), (3, 4, 5), ((60,), 0, 0)),
        (Flatten(), (60,), ((60,), 0, 0)),
        (GlobalPooling(kind="max"), (3, 4, 5), ((3, 1, 1), 0, 0)),
        (GlobalPooling(kind="lp"), (3, 4), ((3, 1), 0, 0)),
        (Linear(out_features=10), (60,), ((10,), 610, 600)),
        (Linear(out_features=10, bias=False), (60,), ((10,), 600, 600)),
        (Pooling(kind="average", kernel_size=2), (3, 5, 7), ((3, 2, 3), 0, 0)),
        (Pooling(kind="max", kernel_size=2, ceil_mode=True), (3, 5, 7), ((3, 3, 4), 0, 0)),
        (Convolution(out_channels=None, groups=None, kernel_size=3), (5, 4, 4), ((5, 2, 2), 50, 180)),
        (Convolution(out_channels=10, groups=None, kernel_size=3), (5, 4, 4), ((10, 2, 2), 100, 360)),
        (Convolution(out_channels=None, kernel_size=1, bias=False), (5, 4, 4), ((5, 4, 4), 25, 400)),
    ],
)
def test_by_hand(layer: Activation, shape: tuple[int, ...], cost: tuple[tuple[int, ...], int, int]) -> None:
    found = layer_cost(layer, shape)
    assert (found.output_shape, found.parameters, found.macs) == cost


def test_sizes_beyond_64_bits_stay_exact() -> None:
    cost = layer_cost(Convolution(out_channels=10**12, kernel_size=1, bias=False), (10**12, 10**9, 10**9))
    assert cost.macs == 10**42


def test_a_field_that_is_whole_stays() -> None:
    whole = Field((9, 9), (0, 0), (0, 0), whole=True)
    layer = Convolution(out_channels=1, kernel_size=1)
    assert field_after_layer(layer, whole, (1, 1, 1), layer_cost(layer, (1, 1, 1))) == whole
    assert field_after_layer(layer, None, (1, 1, 1), LayerCost((1, 1, 1))) is None


def test_refusals() -> None:
    with pytest.raises(ConfigError, match=r"groups must divide .*, got 3 groups for 3 channels and 8 filters"):
        layer_cost(Convolution(out_channels=8, kernel_size=1, groups=None), (3, 4, 4))
    with pytest.raises(ShapeError, match="put 'flatten' before it"):
        layer_cost(Linear(out_features=1), (3, 4, 4))
    with pytest.raises(ConfigError, match=r"measure\(\) walks through"):
        layer_cost(Branches(paths=((), ()), join="add"), (3, 4, 4))
