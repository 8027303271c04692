"""`striate.layers.subsampling` against loops, and its gradient."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from striate.layers.subsampling import Subsample2d
from tests.oracles.lenet5 import slow_subsample


@given(
    h=st.integers(2, 9),
    w=st.integers(2, 9),
    c=st.integers(1, 4),
    window=st.sampled_from([1, 2]),
    seed=st.integers(0, 9),
)
def test_equals_loops(h: int, w: int, c: int, window: int, seed: int) -> None:
    torch.manual_seed(seed)
    layer = Subsample2d(c, window=window).double()
    torch.nn.init.normal_(layer.coefficient)
    torch.nn.init.normal_(layer.bias)
    x = torch.randn(2, c, h, w, dtype=torch.float64)
    numbers = (layer.coefficient.detach().numpy(), layer.bias.detach().numpy())
    expected = np.stack([slow_subsample(image, *numbers, window) for image in x.numpy()])
    torch.testing.assert_close(layer(x).detach(), torch.from_numpy(expected))


def test_starts_as_an_average() -> None:
    x = torch.randn(2, 3, 6, 8)
    torch.testing.assert_close(Subsample2d(3)(x), torch.nn.functional.avg_pool2d(x, 2))


@pytest.mark.parametrize("channels", [6, 16])
def test_has_two_numbers_a_map(channels: int) -> None:
    assert sum(p.numel() for p in Subsample2d(channels).parameters()) == 2 * channels


def test_gradient() -> None:
    layer = Subsample2d(2).double()
    x = torch.randn(2, 2, 5, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda x, c, b: torch.func.functional_call(layer, {"coefficient": c, "bias": b}, (x,)),
        (x, layer.coefficient, layer.bias),
    )
