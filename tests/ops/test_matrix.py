"""The matrix of a convolution: the same numbers as the operator, its transpose, its blocks."""

import random

import pytest
import torch
from scipy.linalg import toeplitz

from striate import ops
from striate.errors import ConfigError, ShapeError
from tests.ops.geometry import random_settings


def test_product_and_transpose_are_the_operators() -> None:
    draw = random.Random("matrix")
    for _ in range(150):
        size, kernel, settings = random_settings(draw)
        groups = draw.choice([1, 2, 3])
        c, m = groups * draw.randint(1, 2), groups * draw.randint(1, 2)
        x = torch.randn(2, c, *size, dtype=torch.float64)
        w = torch.randn(m, c // groups, *kernel, dtype=torch.float64)
        matrix = ops.convolution_matrix(w, size, groups=groups, **settings)
        out = ops.cross_correlation(x, w, groups=groups, **settings)
        torch.testing.assert_close(matrix.apply(x), out, rtol=1e-11, atol=1e-11)
        v = torch.randn_like(out)
        back = matrix.transpose().apply(v)
        torch.testing.assert_close(back, ops.input_adjoint(v, w, input_size=size, groups=groups, **settings))
        torch.testing.assert_close(matrix.transpose().to_dense(), matrix.to_dense().T)


def test_the_transpose_is_the_transposed_convolution() -> None:
    w, v = torch.randn(3, 2, 3, 3, dtype=torch.float64), torch.randn(1, 3, 4, 4, dtype=torch.float64)
    matrix = ops.convolution_matrix(w, (9, 9), stride=2)
    torch.testing.assert_close(matrix.transpose().apply(v), ops.transposed_convolution(v, w, stride=2))


def test_one_dimension_gives_a_toeplitz_band() -> None:
    w = torch.tensor([[[1.0, 2.0, 3.0]]], dtype=torch.float64)
    dense = ops.convolution_matrix(w, [6]).to_dense()
    assert dense.equal(torch.from_numpy(toeplitz([1.0, 0, 0, 0], [1.0, 2, 3, 0, 0, 0])))


def test_groups_are_blocks_on_the_diagonal() -> None:
    w = torch.rand(4, 2, 3, 3) + 1
    matrix = ops.convolution_matrix(w, (5, 5), padding=1, groups=2)
    dense = matrix.to_dense()
    half = dense.shape[0] // 2, dense.shape[1] // 2
    assert not dense[: half[0], half[1] :].any()
    assert not dense[half[0] :, : half[1]].any()
    one = ops.convolution_matrix(w[:2], (5, 5), padding=1)
    assert dense[: half[0], : half[1]].equal(one.to_dense())


def test_averages_have_a_matrix() -> None:
    x = torch.randn(2, 3, 7, 6, dtype=torch.float64)
    for counted in (True, False):
        settings = {"stride": (2, 1), "padding": (1, 0), "dilation": 1, "count_padding": counted}
        matrix = ops.average_pool_matrix(3, (7, 6), (3, 2), dtype=torch.float64, **settings)
        torch.testing.assert_close(matrix.apply(x), ops.average_pool(x, (3, 2), **settings))


def test_gradients_flow_to_the_weight() -> None:
    w = torch.randn(2, 1, 2, dtype=torch.float64, requires_grad=True)
    x = torch.randn(1, 1, 5, dtype=torch.float64)
    (ours,) = torch.autograd.grad(ops.convolution_matrix(w, [5]).apply(x).square().sum(), w)
    (theirs,) = torch.autograd.grad(ops.cross_correlation(x, w).square().sum(), w)
    torch.testing.assert_close(ours, theirs)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"The matrix would have [\d,]+ entries, about .* and at most 20,000,000"):
        ops.convolution_matrix(torch.zeros(64, 64, 3, 3), (56, 56), padding=1)
    with pytest.raises(ConfigError, match=r"groups must divide the 3 filters of the weight, got 2"):
        ops.convolution_matrix(torch.zeros(3, 1, 2), [5], groups=2)
    with pytest.raises(ConfigError, match=r"groups must be at least 1, got 0"):
        ops.convolution_matrix(torch.zeros(3, 1, 2), [5], groups=0)
    with pytest.raises(ShapeError, match=r"input must be n×1×5 for this matrix, got \(1, 1, 6\)"):
        ops.convolution_matrix(torch.zeros(3, 1, 2), [5]).apply(torch.zeros(1, 1, 6))
    with pytest.raises(ShapeError, match=r"a kernel of 7 does not fit into 5"):
        ops.convolution_matrix(torch.zeros(3, 1, 7), [5])
