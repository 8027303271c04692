"""Error consistency is Cohen's kappa of right and wrong; its interval covers the truth; edges are not made up."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from striate.errors import ConfigError, ShapeError
from striate.insight.error_consistency import error_consistency, kappa_of
from striate.insight.label_agreement import cohen_kappa, fleiss_kappa

rows = st.integers(1, 40).flatmap(
    lambda n: st.tuples(*[st.lists(st.booleans(), min_size=n, max_size=n) for _ in range(2)])
)


@given(rows)
def test_kappa_is_the_papers_and_sklearns(pair):
    a, b = (np.array(row) for row in pair)
    found = error_consistency(a, b, resamples=20)
    p, q = a.mean(), b.mean()
    observed = np.mean(a == b)
    expected = p * q + (1 - p) * (1 - q)
    assert found.observed == pytest.approx(observed)
    assert found.expected == pytest.approx(expected)
    assert found.difference == pytest.approx(q - p)
    if a.all() == b.all() and a.any() == b.any() and len({*a, *b}) == 1:
        assert math.isnan(found.kappa)
        assert found.to_dict()["kappa"] is None
        return
    assert found.kappa == pytest.approx((observed - expected) / (1 - expected), abs=1e-12)
    assert found.kappa == pytest.approx(cohen_kappa_score(a, b), abs=1e-12)
    assert found.least - 1e-12 <= found.kappa <= found.most + 1e-12
    assert -1 <= found.low <= found.high <= 1


def test_the_bounds_are_reached():
    """With these accuracies, κ cannot be lower or higher than when mistakes are laid apart or over each other."""
    a = np.arange(10) < 7
    values = [
        error_consistency(a, np.isin(np.arange(10), right), resamples=1)
        for right in itertools.combinations(range(10), 6)
    ]
    assert min(v.kappa for v in values) == pytest.approx(values[0].least)
    assert max(v.kappa for v in values) == pytest.approx(values[0].most)


def test_edges():
    right, wrong = np.ones(8, bool), np.zeros(8, bool)
    mixed = np.arange(8) < 5
    assert math.isnan(error_consistency(right, right).kappa)
    assert math.isnan(error_consistency(wrong, wrong).low)
    one_perfect = error_consistency(right, mixed)
    assert one_perfect.kappa == 0
    assert not one_perfect.informative
    assert one_perfect.low < 0 < one_perfect.high  # not a point: nothing is known
    assert error_consistency(right, wrong).kappa == 0
    assert error_consistency(mixed, mixed).kappa == 1
    assert error_consistency(mixed, ~mixed, resamples=10).kappa < 0
    bootstrap = error_consistency(right, mixed, method="bootstrap")
    assert bootstrap.low == bootstrap.high == 0  # why it is not the default


def test_the_same_seed_gives_the_same_interval():
    generator = np.random.default_rng(3)
    a, b = generator.random((2, 50)) < 0.7
    assert error_consistency(a, b, seed=1) == error_consistency(a, b, seed=1)
    assert error_consistency(a, b, seed=1) != error_consistency(a, b, seed=2)


@pytest.mark.parametrize(
    ("p", "q", "kappa", "n", "bootstrap_below"),
    [(0.8, 0.8, 0.6, 40, 1.0), (0.9, 0.8, 0.2, 40, 0.9), (0.95, 0.9, 0.2, 20, 0.5), (0.6, 0.6, 0.0, 100, 1.0)],
)
def test_the_interval_covers_the_truth(p, q, kappa, n, bootstrap_below):
    """Of 300 simulated studies, the 95 % interval holds the true κ in nine of ten at least; the bootstrap may not."""
    expected = p * q + (1 - p) * (1 - q)
    both = (kappa * (1 - expected) + expected + p + q - 1) / 2
    shares = [both, p - both, q - both, 1 - p - q + both]
    assert min(shares) >= 0
    assert kappa_of(np.array(shares)) == pytest.approx(kappa)
    generator = np.random.default_rng(0)
    covered = {"smoothed": 0, "bootstrap": 0}
    for study in range(300):
        kinds = generator.choice(4, size=n, p=shares)
        a, b = (kinds == 0) | (kinds == 1), (kinds == 0) | (kinds == 2)
        for method in covered:
            found = error_consistency(a, b, method=method, resamples=600, seed=study)
            # Where κ has no value there is no interval: nothing wrong is said.
            covered[method] += found.low <= kappa <= found.high or (method == "smoothed" and math.isnan(found.kappa))
    assert covered["smoothed"] / 300 >= 0.9
    assert covered["bootstrap"] / 300 <= bootstrap_below


def test_refusals():
    with pytest.raises(ConfigError, match="confidence must lie between 0 and 1, got 1"):
        error_consistency([True], [True], confidence=1)
    with pytest.raises(ConfigError, match="resamples must be at least 1"):
        error_consistency([True], [True], resamples=0)
    with pytest.raises(ConfigError, match="method must be 'smoothed' or 'bootstrap', got 'exact'"):
        error_consistency([True], [True], method="exact")
    with pytest.raises(ShapeError, match="of the same pictures"):
        error_consistency([True], [True, False])
    with pytest.raises(ShapeError, match="True and False"):
        error_consistency([1, 0], [1, 1])


@given(st.integers(1, 30).flatmap(lambda n: st.tuples(*[st.lists(st.integers(0, 4), min_size=n, max_size=n)] * 2)))
def test_label_agreement_is_sklearns(pair):
    a, b = pair
    found = cohen_kappa(a, b)
    if len({*a, *b}) == 1:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(cohen_kappa_score(a, b), abs=1e-12)


def test_fleiss_of_the_standard_example():
    """Fourteen raters, ten subjects, five categories: κ = .210 (the worked example of textbooks, after Fleiss 1971)."""
    counts = [
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ]  # fmt: skip
    labels = np.array([np.repeat(np.arange(5), row) for row in counts]).T
    assert fleiss_kappa(labels) == pytest.approx(0.210, abs=0.0005)
    slow = _fleiss_slowly(labels)
    assert fleiss_kappa(labels) == pytest.approx(slow, abs=1e-12)


@given(
    st.tuples(st.integers(2, 5), st.integers(1, 8)).flatmap(
        lambda s: st.lists(st.lists(st.integers(0, 3), min_size=s[1], max_size=s[1]), min_size=s[0], max_size=s[0])
    )
)
def test_fleiss_is_its_formula(labels):
    found = fleiss_kappa(labels)
    if len({value for row in labels for value in row}) == 1:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(_fleiss_slowly(np.array(labels)), abs=1e-9)


def _fleiss_slowly(labels):
    observers, n = labels.shape
    agreed = 0.0
    for i in range(n):
        pairs = [labels[a, i] == labels[b, i] for a in range(observers) for b in range(observers) if a != b]
        agreed += sum(pairs) / len(pairs) / n
    chance = sum((np.sum(labels == j) / labels.size) ** 2 for j in np.unique(labels))
    return (agreed - chance) / (1 - chance)


def test_refusals_of_labels():
    with pytest.raises(ShapeError, match="at least one"):
        cohen_kappa(np.zeros(0, int), np.zeros(0, int))
    with pytest.raises(ShapeError, match="whole numbers"):
        cohen_kappa([0.5], [1.0])
    with pytest.raises(ShapeError, match="at least 2 × 1"):
        fleiss_kappa([[0, 1]])
