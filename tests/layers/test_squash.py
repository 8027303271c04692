"""`striate.layers.squash` against the properties that the paper gives for it."""

import torch

from striate.layers.squash import Squash


def test_fixed_points_and_asymptotes() -> None:
    squash = Squash()
    x = torch.tensor([1.0, -1.0, 0.0, 1e3, -1e3], dtype=torch.float64)
    expected = torch.tensor([1.0, -1.0, 0.0, 1.7159, -1.7159], dtype=torch.float64)
    # 1.7159 is rounded by the paper: f(1) is 1 to five digits.
    torch.testing.assert_close(squash(x), expected, rtol=0, atol=2e-5)


def test_second_derivative_is_largest_at_the_targets() -> None:
    x = torch.linspace(0, 3, 3001, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(Squash()(x).sum(), x, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.sum(), x)
    assert abs(x[curvature.abs().argmax()].item() - 1.0) < 0.02
