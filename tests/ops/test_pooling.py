"""Pooling and local response normalization: what the random cases do not say."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from striate import ops
from striate.errors import ConfigError, ShapeError
from striate.ops import reference


def test_pooling_is_invariant_to_small_moves_and_global_pooling_to_all() -> None:
    x = torch.zeros(1, 1, 8, 8)
    x[0, 0, 2, 2] = 5
    within, across = x.roll(1, 3), x.roll(2, 3)  # inside the same window, and into the next
    assert ops.max_pool(within, 2).equal(ops.max_pool(x, 2))
    assert not ops.max_pool(across, 2).equal(ops.max_pool(x, 2))
    assert ops.global_pool(across, "max").equal(ops.global_pool(x, "max"))


def test_mean_lies_between_minimum_and_maximum_and_norms_approach_the_maximum() -> None:
    x = torch.rand(2, 3, 9, 9, dtype=torch.float64)
    least, mean, most = ops.min_pool(x, 3), ops.average_pool(x, 3), ops.max_pool(x, 3)
    assert (least <= mean).all()
    assert (mean <= most).all()
    torch.testing.assert_close(ops.lp_pool(x, 3, p=1.0), 9 * mean)
    torch.testing.assert_close(ops.lp_pool(x, 3, p=300.0), most, rtol=0.01, atol=0)


def test_norms_take_the_size_of_numbers_where_torch_lets_signs_cancel() -> None:
    x = torch.tensor([[[3.0, -3.0]]])
    assert ops.lp_pool(x, 2, p=3.0).item() == pytest.approx((2 * 27) ** (1 / 3))
    assert F.lp_pool1d(x, 3.0, 2).item() == 0


def test_a_window_of_zeros_has_no_slope() -> None:
    x = torch.zeros(1, 1, 4, requires_grad=True)
    ops.lp_pool(x, 2).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[[0.0] * 4]]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int32, torch.int64, torch.bfloat16])
def test_maxima_and_minima_of_any_numbers(dtype: torch.dtype) -> None:
    x = torch.randint(0, 100, (1, 2, 7, 7)).to(dtype)
    for settings in ({"padding": 1}, {"padding": ((2, 0), (0, 1)), "ceil_mode": True}):
        most = ops.max_pool(x, 3, **settings)
        assert most.dtype == dtype
        torch.testing.assert_close(most.double(), ops.max_pool(x.double(), 3, **settings))
        torch.testing.assert_close(ops.min_pool(x, 3, **settings).double(), ops.min_pool(x.double(), 3, **settings))


def test_what_is_no_number_wins_as_in_torch() -> None:
    x = torch.tensor([[[1.0, torch.nan, 2.0, 3.0]]])
    for pooled in (ops.max_pool(x, 2), ops.min_pool(x, 2), ops.max_pool(x, 2, padding=((0, 1),), stride=2)):
        assert pooled[0, 0, 0].isnan()
        assert not pooled[0, 0, 1].isnan()
    twin, _ = reference.pool(x.numpy(), [2], kind="max", stride=[2], padding=[(0, 0)], dilation=[1])
    assert np.isnan(twin[0, 0, 0])


def test_gradients() -> None:
    x = torch.randn(1, 2, 5, 5, dtype=torch.float64, requires_grad=True)
    settings = {"stride": 2, "padding": ((1, 0), (0, 1)), "dilation": 2, "ceil_mode": True}
    for pool in (ops.max_pool, ops.min_pool, ops.average_pool, ops.lp_pool):
        assert torch.autograd.gradcheck(lambda x, pool=pool: pool(x, 2, **settings), x)
    assert torch.autograd.gradcheck(lambda x: ops.local_response_norm(x, 3, alpha=0.5), x)


def test_local_response_norm_is_the_twin_for_even_sizes_too() -> None:
    x = torch.randn(2, 7, 3, 4, dtype=torch.float64)
    for size in (1, 2, 3, 4, 5, 9):
        ours = ops.local_response_norm(x, size, alpha=0.3, beta=0.6, k=2.0)
        twin = reference.local_response_norm(x.numpy(), size, alpha=0.3, beta=0.6, k=2.0)
        np.testing.assert_allclose(ours.numpy(), twin, rtol=1e-12)


def test_krizhevskys_constants_in_this_notation() -> None:
    """The paper: k = 2, n = 5, alpha = 1e-4 on the plain sum, beta = 0.75."""
    x = torch.rand(1, 8, 2, 2, dtype=torch.float64) * 100
    squares = F.pad(x**2, (0, 0, 0, 0, 2, 2)).unfold(1, 5, 1).sum(-1)
    expected = x / (2 + 1e-4 * squares) ** 0.75
    torch.testing.assert_close(ops.local_response_norm(x, 5, alpha=5e-4, beta=0.75, k=2.0), expected)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: ops.max_pool(x, 9), ShapeError, r"a kernel of 9 does not fit into 8"),
        (
            lambda x: ops.max_pool(x, 2, padding=2),
            ConfigError,
            r"padding must be less than .* got \(2, 2\) for a",
        ),
        (lambda x: ops.max_pool(x, 2, stride=0), ConfigError, r"stride must be at least 1, got 0"),
        (lambda x: ops.max_pool(x, 0), ConfigError, r"kernel_size must be at least 1, got 0"),
        (lambda x: ops.max_pool(x[0, 0], 2), ShapeError, r"max_pool takes an input 'n c' with one to three axes"),
        (lambda x: ops.min_pool(x[:, :0], 2), ShapeError, r"min_pool needs at least one channel and one place"),
        (lambda x: ops.max_pool(x, 9, ceil_mode=True), ShapeError, r"a kernel of 9 does not fit into 8"),
        (lambda x: ops.average_pool(x.int(), 2), ConfigError, r"average_pool takes floating-point numbers, .* int32"),
        (lambda x: ops.lp_pool(x, 2, p=0.0), ConfigError, r"p must be a finite number above 0, got 0\.0"),
        (lambda x: ops.lp_pool(x, 2, p=float("inf")), ConfigError, r"for the limit of large p use max_pool"),
        (lambda x: ops.global_pool(x, "median"), ConfigError, r"kind has no choice 'median'"),
        (lambda x: ops.global_pool(x[0, 0]), ShapeError, r"global_pool takes an input 'n c …'"),
        (lambda x: ops.global_pool(x.int()), ConfigError, r"global_pool takes floating-point numbers"),
        (lambda x: ops.local_response_norm(x, 0), ConfigError, r"size must be at least 1, got 0"),
        (lambda x: ops.local_response_norm(x[0, 0], 3), ShapeError, r"local_response_norm takes an input 'n c …'"),
    ],
)
def test_mistakes_are_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(torch.randn(1, 3, 8, 8))
