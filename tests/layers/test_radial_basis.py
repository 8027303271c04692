"""`striate.layers.radial_basis` against loops, and its gradient."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from striate.layers.radial_basis import RadialBasisOutput
from tests.oracles.lenet5 import slow_distance


@given(k=st.integers(1, 5), d=st.integers(1, 9), h=st.integers(1, 3), w=st.integers(1, 3), seed=st.integers(0, 9))
def test_equals_loops(k: int, d: int, h: int, w: int, seed: int) -> None:
    torch.manual_seed(seed)
    codes = torch.randn(k, d, dtype=torch.float64)
    x = torch.randn(2, d, h, w, dtype=torch.float64)
    expected = np.zeros((2, k, h, w))
    for n, row, column in np.ndindex(2, h, w):
        expected[n, :, row, column] = -slow_distance(x[n, :, row, column].numpy(), codes.numpy())
    torch.testing.assert_close(RadialBasisOutput(codes)(x), torch.from_numpy(expected))


def test_a_code_is_at_distance_zero_from_itself_and_four_for_each_other_bit() -> None:
    codes = torch.tensor([[1.0, 1, 1, 1], [1, 1, 1, -1], [-1, -1, 1, -1]])
    logits = RadialBasisOutput(codes)(codes[:, :, None, None])[:, :, 0, 0]
    torch.testing.assert_close(logits, -4.0 * torch.tensor([[0.0, 1, 3], [1, 0, 2], [3, 2, 0]]))


def test_keeps_digits_near_a_code_in_half_precision() -> None:
    codes = torch.randint(0, 2, (10, 84)) * 2.0 - 1
    x = codes[3].reshape(1, 84, 1, 1) + 2**-6
    # 84 times 2**-12, exactly representable steps; the expanded square would lose it in sums near 168.
    logit = RadialBasisOutput(codes.bfloat16())(x.bfloat16())[0, 3, 0, 0]
    assert abs(logit.item() + 84 * 2**-12) < 0.02 * 84 * 2**-12


def test_codes_are_saved_and_not_trained() -> None:
    layer = RadialBasisOutput(torch.ones(2, 3))
    assert list(layer.state_dict()) == ["codes"]
    assert not list(layer.parameters())


def test_gradient() -> None:
    x = torch.randn(2, 4, 2, 1, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(RadialBasisOutput(torch.randn(3, 4, dtype=torch.float64)), (x,))
