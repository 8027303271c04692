"""Gram matrices and style distances: slow loops, published formulas, gradients, sums over tiles and masks."""

import pytest
import torch
from torch import Tensor

from striate.dreams.gram import gram_matrix, moments
from striate.dreams.style_terms import ContentTerm, HistogramTerm, MomentTerm, quantiles, wasserstein2
from striate.errors import ConfigError, ShapeError

WHOLE = (slice(None), slice(None))


def maps(seed: int, h: int = 5, w: int = 4, c: int = 3) -> Tensor:
    return torch.randn(1, c, h, w, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def slow_gram(x: Tensor) -> Tensor:
    _, c, h, w = x.shape
    g = torch.zeros(c, c, dtype=torch.float64)
    for i in range(c):
        for j in range(c):
            for y in range(h):
                for z in range(w):
                    g[i, j] += x[0, i, y, z] * x[0, j, y, z]
    return g


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["rows", "channels-last"])
def test_gram_is_the_loop(layout: torch.memory_format) -> None:
    x = maps(0).contiguous(memory_format=layout)
    torch.testing.assert_close(gram_matrix(x)[0], slow_gram(x))
    torch.testing.assert_close(gram_matrix(x, normalization="places")[0], slow_gram(x) / 20)
    torch.testing.assert_close(gram_matrix(x, normalization="elements")[0], slow_gram(x) / 60)
    torch.testing.assert_close(moments(x).total, x.sum((0, 2, 3)))


def test_weights_count_places_and_parts_add_up() -> None:
    x, weights = maps(1), torch.rand(5, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    found = moments(x, weights)
    torch.testing.assert_close(found.squares, slow_gram(x * weights.sqrt()))  # guided: √weights on V
    assert found.count == pytest.approx(float(weights.sum()))
    added = moments(x[:, :, :2], weights[:2]) + moments(x[:, :, 2:], weights[2:])
    torch.testing.assert_close(added.squares, found.squares)
    zeros = torch.ones(5, 4, dtype=torch.float64)
    zeros[3:] = 0
    torch.testing.assert_close(moments(x, zeros).gram, moments(x[:, :, :3]).gram)


def test_sixteen_bits_are_added_up_in_32() -> None:
    x = maps(3, 40, 40).bfloat16()
    assert moments(x).squares.dtype == torch.float32
    torch.testing.assert_close(moments(x).squares.double(), slow_gram(x.double()), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("guided", [False, True])
def test_gradients(guided: bool) -> None:
    weights = torch.rand(5, 4, dtype=torch.float64) if guided else None
    x = maps(4).requires_grad_()
    assert torch.autograd.gradcheck(lambda v: moments(v, weights).squares, x)
    assert torch.autograd.gradcheck(lambda v: moments(v, weights).covariance, x)


@pytest.mark.parametrize("convention", ["relative", "gatys", "jcjohnson", "crowsonkb"])
def test_conventions_are_the_published_formulas(convention: str) -> None:
    x, y = maps(5), maps(6)
    n, m = 3, 20
    g, a = slow_gram(x), slow_gram(y)
    style = {
        "relative": (g - a).square().sum() / a.square().sum(),
        "gatys": (g - a).square().sum() / (4 * n**2 * m**2),
        "jcjohnson": torch.nn.functional.mse_loss(g / (n * m), a / (n * m)),
        "crowsonkb": ((g - a) / m).square().sum() / ((g - a) / m).abs().sum(),
    }[convention]
    content = {
        "relative": (x - y).square().sum() / y.square().sum(),
        "gatys": (x - y).square().sum() / 2,
        "jcjohnson": torch.nn.functional.mse_loss(x, y),
        "crowsonkb": (x - y).square().sum() / (x - y).abs().sum(),
    }[convention]
    one = MomentTerm("l", 1.0, moments(y), "gram", convention)
    two = ContentTerm("l", 1.0, y, convention)
    torch.testing.assert_close(one.value(one.sums(x, WHOLE)), style, rtol=1e-6, atol=0)
    torch.testing.assert_close(two.value(two.sums(x, WHOLE)), content, rtol=1e-6, atol=0)
    x.requires_grad_()
    for term in (one, two):
        assert torch.autograd.gradcheck(lambda v, term=term: term.value(term.sums(v, WHOLE)), x)


def test_a_style_of_another_size_is_compared_by_its_mean() -> None:
    x = maps(7)
    twice = torch.cat([x, x], 2)
    term = MomentTerm("l", 1.0, moments(twice), "gram", "gatys")
    assert float(term.value(term.sums(x, WHOLE))) == pytest.approx(0, abs=1e-20)


def test_wasserstein_is_scipys() -> None:
    from scipy.linalg import sqrtm

    x, y = moments(maps(8, 9, 9)), moments(maps(9, 9, 9) * 2 + 1)
    root = sqrtm(y.covariance.numpy())
    cross = torch.from_numpy(sqrtm(root @ x.covariance.numpy() @ root).real)
    wanted = (x.mean - y.mean).square().sum() + (x.covariance + y.covariance - 2 * cross).trace()
    torch.testing.assert_close(wasserstein2(x, y), wanted)
    assert float(wasserstein2(y, y)) == pytest.approx(0, abs=1e-9)
    v = maps(8, 9, 9).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: wasserstein2(moments(z), y), v, atol=1e-6)


def test_wasserstein_of_what_is_not_finite_is_not_finite() -> None:
    x = maps(8, 9, 9)
    x[0, 0, 0, 0] = torch.inf
    x.requires_grad_()
    value = wasserstein2(moments(x), moments(maps(9, 9, 9)))
    assert not bool(value.isfinite())
    assert not bool(torch.autograd.grad(value, x)[0].isfinite().all())


def test_histograms_compare_channels_by_rank() -> None:
    x, y = maps(10, 8, 8), maps(11, 8, 8)
    term = HistogramTerm("l", 1.0, quantiles(y), "gatys")
    found = float(term.value(term.sums(x, WHOLE)))
    wanted = (x[0].flatten(1).sort(1).values - y[0].flatten(1).sort(1).values).square().mean()
    assert found == pytest.approx(float(wanted), rel=0.02)  # 512 quantiles of 64 values
    moved = x[:, :, torch.randperm(8)]
    assert float(term.value(term.sums(moved, WHOLE))) == pytest.approx(found)
    assert torch.autograd.gradcheck(lambda v: term.value(term.sums(v, WHOLE)), x.requires_grad_())


def test_refusals() -> None:
    with pytest.raises(ShapeError, match="one picture"):
        moments(torch.zeros(2, 3, 4, 4))
    with pytest.raises(ShapeError, match="5 × 4 places"):
        moments(maps(0), torch.ones(4, 5))
    with pytest.raises(ConfigError, match="'none', 'places' or 'elements'"):
        gram_matrix(maps(0), normalization="area")
