"""`striate.layers.table_convolution` against loops over the links, and against a full convolution."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from striate.errors import ConfigError
from striate.layers.table_convolution import TableConv2d
from tests.oracles.lenet5 import slow_table_convolution

TABLE = [(0, 1), (2,), (3, 1), (0, 1, 2, 3)]


@st.composite
def tables(draw: st.DrawFn) -> tuple[int, list[tuple[int, ...]]]:
    channels = draw(st.integers(1, 5))
    rows = st.lists(st.integers(0, channels - 1), min_size=1, max_size=channels, unique=True).map(tuple)
    return channels, draw(st.lists(rows, min_size=1, max_size=6))


@given(tables(), st.integers(1, 3), st.integers(0, 99))
def test_equals_loops(drawn: tuple[int, list[tuple[int, ...]]], side: int, seed: int) -> None:
    channels, table = drawn
    torch.manual_seed(seed)
    layer = TableConv2d(channels, table, side).double()
    x = torch.randn(2, channels, 4, 5, dtype=torch.float64)
    numbers = (layer.weight.detach().numpy(), layer.bias.detach().numpy())
    expected = np.stack([slow_table_convolution(image, table, *numbers) for image in x.numpy()])
    torch.testing.assert_close(layer(x).detach(), torch.from_numpy(expected))


def test_the_full_table_is_a_full_convolution() -> None:
    layer = TableConv2d(3, [(0, 1, 2)] * 4, 5)
    full = torch.nn.Conv2d(3, 4, 5)
    full.weight.data = layer.weight.detach().reshape(4, 3, 5, 5)
    full.bias.data = layer.bias.detach()
    x = torch.randn(2, 3, 9, 8)
    torch.testing.assert_close(layer(x), full(x))


def test_an_output_does_not_see_what_the_table_leaves_out() -> None:
    layer = TableConv2d(4, TABLE, 3)
    x = torch.randn(1, 4, 6, 6, requires_grad=True)
    for output, sources in enumerate(TABLE):
        (gradient,) = torch.autograd.grad(layer(x)[:, output].sum(), x)
        seen = {channel for channel in range(4) if gradient[0, channel].abs().sum() > 0}
        assert seen == set(sources)


def test_draws_each_row_from_its_own_range() -> None:
    torch.manual_seed(0)
    table = [tuple(range(50)), (7,)]
    layer = TableConv2d(50, table, 7)
    layer.reset_parameters(lambda fan_in: 1 / fan_in)
    wide, narrow = layer.weight[:50], layer.weight[50:]
    assert 0.99 / (50 * 49) < wide.abs().max() <= 1 / (50 * 49)
    assert 0.9 / 49 < narrow.abs().max() <= 1 / 49
    assert layer.bias[0].abs() <= 1 / (50 * 49)


def test_only_the_links_have_weights() -> None:
    layer = TableConv2d(4, TABLE, 5)
    assert {name: tuple(p.shape) for name, p in layer.state_dict().items()} == {"weight": (9, 5, 5), "bias": (4,)}
    assert (layer.kernel() != 0).sum() == 9 * 25


def test_gradient() -> None:
    layer = TableConv2d(4, TABLE, 2).double()
    x = torch.randn(2, 4, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda x, w, b: torch.func.functional_call(layer, {"weight": w, "bias": b}, (x,)), (x, layer.weight, layer.bias)
    )


@pytest.mark.parametrize("row", [(), (0, 0), (4,), (-1,)])
def test_refuses_a_bad_row(row: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match=r"table\[1\] must name different input maps from 0 to 3, but is \["):
        TableConv2d(4, [(0,), row], 5)
