"""McNemar against SciPy's binomial test and against counting; intervals that cover; Holm against its definition."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from striate.errors import ConfigError, ShapeError
from striate.training.significance import holm, mcnemar, paired_bootstrap


def pair(both, only_a, only_b, neither):
    a = np.repeat([True, True, False, False], [both, only_a, only_b, neither])
    b = np.repeat([True, False, True, False], [both, only_a, only_b, neither])
    return a, b


@given(st.integers(0, 50), st.integers(0, 300), st.integers(0, 300), st.integers(0, 50))
def test_p_is_scipys_binomial_test(both, only_a, only_b, neither):
    if both + only_a + only_b + neither == 0:
        return
    found = mcnemar(*pair(both, only_a, only_b, neither))
    assert (found.both, found.only_a, found.only_b, found.neither) == (both, only_a, only_b, neither)
    expected = binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    assert found.p == pytest.approx(expected, rel=1e-9)
    swapped = mcnemar(*reversed(pair(both, only_a, only_b, neither)))
    assert (swapped.p, swapped.chi2, swapped.difference) == (found.p, found.chi2, -found.difference)


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (1, 0), (2, 5), (4, 4), (1, 9)])
def test_p_is_the_share_of_all_coin_tosses(only_a, only_b):
    tosses = list(product([0, 1], repeat=only_a + only_b))
    as_unequal = [t for t in tosses if abs(2 * sum(t) - len(t)) >= abs(only_a - only_b)]
    assert mcnemar(*pair(3, only_a, only_b, 2)).p == pytest.approx(len(as_unequal) / len(tosses))


def test_a_million_pairs_neither_overflow_nor_take_long():
    assert mcnemar(*pair(0, 500_800, 499_200, 0)).p == pytest.approx(binomtest(499_200, 10**6).pvalue, rel=1e-6)
    assert mcnemar(*pair(0, 900_000, 100_000, 0)).p == 0.0


def test_statistic_and_odds():
    found = mcnemar(*pair(10, 10, 25, 5))
    assert found.chi2 == pytest.approx(14**2 / 35)
    assert found.odds == 2.5
    assert found.difference == pytest.approx(15 / 50)
    assert mcnemar(*pair(1, 0, 2, 0)).odds == math.inf
    assert math.isnan(mcnemar(*pair(1, 0, 0, 0)).odds)
    assert mcnemar(*pair(1, 3, 3, 0)).chi2 == 0


def test_bootstrap_is_the_bootstrap_of_pictures():
    a, b = pair(60, 10, 25, 5)
    found = paired_bootstrap(a, b)
    rng = np.random.default_rng(1)
    n = len(a)
    drawn = rng.integers(0, n, (10_000, n))
    slow = np.quantile(b[drawn].mean(1) - a[drawn].mean(1), [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx(slow, abs=0.011)
    assert found.low < 0.15 < found.high
    assert found.difference == pytest.approx(0.15)


def test_intervals_cover_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(200):
        counts = rng.multinomial(400, [0.6, 0.1, 0.15, 0.15])
        found = paired_bootstrap(*pair(*counts.tolist()), resamples=500, seed=seed)
        covered += found.low <= 0.05 <= found.high
    assert 180 <= covered <= 199


def test_the_same_seed_gives_the_same_interval():
    a, b = pair(60, 10, 25, 5)
    assert paired_bootstrap(a, b, seed=3) == paired_bootstrap(a, b, seed=3)
    assert paired_bootstrap(a, b, confidence=0.5).low > paired_bootstrap(a, b).low


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_is_its_definition(p_values):
    found = holm(p_values)
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    for rank, place in enumerate(order):
        steps = [(len(p_values) - j) * p_values[order[j]] for j in range(rank + 1)]
        assert found[place] == pytest.approx(min(1.0, max(steps)))
        assert found[place] >= p_values[place]


def test_refusals():
    with pytest.raises(ShapeError, match="same pictures, at least one"):
        mcnemar([], [])
    with pytest.raises(ShapeError, match="same pictures"):
        mcnemar([True], [True, False])
    with pytest.raises(ShapeError, match="True and False, got int64 and bool"):
        mcnemar([1], [True])
    with pytest.raises(ConfigError, match="confidence must lie between 0 and 1, got 95"):
        paired_bootstrap([True], [True], confidence=95)
    with pytest.raises(ConfigError, match="resamples"):
        paired_bootstrap([True], [True], resamples=0)
    with pytest.raises(ConfigError, match="p_values"):
        holm([0.5, float("nan")])
