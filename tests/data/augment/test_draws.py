"""Random numbers that belong to a picture: the same in any order, and as random as they must be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from striate.data.augment import Draws
from striate.errors import ConfigError


@given(
    seed=st.integers(0, 2**80),
    epoch=st.integers(0, 10**6),
    rows=st.lists(st.integers(0, 2**40), min_size=1, max_size=9),
)
def test_a_picture_has_the_same_numbers_alone_and_among_others(seed, epoch, rows):
    together = Draws(seed, epoch, rows)
    for at, index in enumerate(rows):
        alone = Draws(seed, epoch, [index])
        for name, count in (("flip", 1), ("crop", 40)):
            np.testing.assert_array_equal(together.uniform(name, count)[at], alone.uniform(name, count)[0])
            np.testing.assert_array_equal(together.normal(name, count)[at], alone.normal(name, count)[0])
            np.testing.assert_array_equal(together.coarse(name, count)[at], alone.coarse(name, count)[0])
        np.testing.assert_array_equal(together.only(at).uniform("flip"), alone.uniform("flip"))
        assert together.seeds("x")[at] == alone.seeds("x")[0]


def test_numbers_are_those_of_splitmix64():
    # The published sequence of splitmix64 from state 0, as in Vigna's splitmix64.c.
    from striate.data.augment.draws import _GOLDEN, _mixed

    counter = np.arange(1, 4, dtype=np.uint64) * _GOLDEN
    assert [hex(int(x)) for x in _mixed(counter)] == ["0xe220a8397b1dcdaf", "0x6e789e6aa1b965f4", "0x6c45d188009454f"]


@pytest.mark.parametrize("vary", ["index", "epoch", "seed", "name", "counter"])
def test_uniform_whatever_varies(vary):
    n = 20_000
    if vary == "index":
        x = Draws(7, 3, np.arange(n)).uniform("a")[:, 0]
    elif vary == "epoch":
        x = np.array([Draws(7, e, [6]).uniform("a")[0, 0] for e in range(2000)])
    elif vary == "seed":
        x = np.array([Draws(s, 3, [6]).uniform("a")[0, 0] for s in range(2000)])
    elif vary == "name":
        x = np.array([Draws(7, 3, [6]).uniform(f"a{k}")[0, 0] for k in range(2000)])
    else:
        x = Draws(7, 3, [6]).uniform("a", n)[0]
    assert x.min() >= 0
    assert x.max() < 1
    assert stats.kstest(x, "uniform").pvalue > 1e-3
    lagged = np.corrcoef(x[:-1], x[1:])[0, 1]
    assert abs(lagged) < 4 / np.sqrt(len(x))


def test_draws_are_independent_of_each_other():
    draws = Draws(0, 0, np.arange(20_000))
    columns = np.stack(
        [
            draws.uniform("flip")[:, 0],
            *draws.uniform("crop", 3).T,
            Draws(1, 0, draws.indices).uniform("flip")[:, 0],
            Draws(0, 1, draws.indices).uniform("flip")[:, 0],
            draws.coarse("flip", 5)[:, 4],
        ]
    )
    correlation = np.corrcoef(columns) - np.eye(len(columns))
    assert np.abs(correlation).max() < 4 / np.sqrt(columns.shape[1])
    # Every cell of a 16 × 16 board of two draws is hit as often as the others.
    board = np.histogram2d(columns[0], columns[1], bins=16, range=[[0, 1], [0, 1]])[0]
    assert stats.chisquare(board.ravel()).pvalue > 1e-3


def test_normal_integers_coarse_and_beta_have_their_distributions():
    draws = Draws(0, 0, np.arange(20_000))
    assert stats.kstest(draws.normal("n", 2).ravel(), "norm").pvalue > 1e-3
    assert stats.kstest(draws.beta("b", 0.4)[:, 0], stats.beta(0.4, 0.4).cdf).pvalue > 1e-3
    counts = np.bincount(draws.integers("i", 10, 3).ravel(), minlength=10)
    assert len(counts) == 10
    assert stats.chisquare(counts).pvalue > 1e-3
    coarse = draws.coarse("c", 7)
    assert coarse.shape == (20_000, 7)
    assert stats.kstest(coarse.ravel()[:50_000], "uniform").pvalue > 1e-3


def test_a_batch_seed_changes_with_any_picture():
    seeds = {Draws(0, 0, rows).batch_seed("k") for rows in ([1, 2], [2, 1], [1, 3], [1], [1, 2, 4])}
    assert len(seeds) == 5
    assert Draws(0, 0, [1, 2]).batch_seed("k") == Draws(0, 0, [1, 2]).batch_seed("k")


def test_empty_batches_have_no_numbers():
    assert Draws(0, 0, np.zeros(0, np.int64)).uniform("a", 3).shape == (0, 3)


def test_numbers_cannot_be_overwritten():
    with pytest.raises(ValueError, match="read-only"):
        Draws(0, 0, [1]).uniform("a")[0, 0] = 0.5


@pytest.mark.parametrize(
    ("arguments", "what"), [((-1, 0, [0]), "seed"), ((0, -1, [0]), "epoch"), ((0, 0, [3, -2]), "-2")]
)
def test_refuses_what_is_below_zero(arguments, what):
    with pytest.raises(ConfigError, match=what):
        Draws(*arguments)


def test_refuses_integers_beyond_their_precision():
    with pytest.raises(ConfigError, match=r"from 1 to 2\^32"):
        Draws(0, 0, [0]).integers("a", 2**33)
