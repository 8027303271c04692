"""The numbers of an evaluation against scikit-learn, against slow loops, and where there is nothing to count."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from striate.errors import ConfigError, ShapeError
from striate.training import metrics


@st.composite
def answered(draw, most=40):
    """Labels and answers of a few pictures; some classes have none."""
    classes = draw(st.integers(1, 7))
    count = draw(st.integers(1, most))
    rows = st.lists(st.integers(0, classes - 1), min_size=count, max_size=count)
    return np.array(draw(rows)), np.array(draw(rows)), classes


@st.composite
def scored(draw):
    """Scores with many ties, and labels."""
    classes, count = draw(st.integers(1, 6)), draw(st.integers(1, 12))
    row = st.lists(st.integers(-2, 2), min_size=classes, max_size=classes)
    scores = np.array(draw(st.lists(row, min_size=count, max_size=count)), np.float32)
    labels = np.array(draw(st.lists(st.integers(0, classes - 1), min_size=count, max_size=count)))
    return scores, labels


@given(scored(), st.integers(1, 7))
def test_hits_are_those_of_a_stable_sort(case, k):
    scores, labels = case
    slow = [
        int(label) in sorted(range(len(row)), key=lambda i: (-row[i], i))[:k]
        for row, label in zip(scores, labels, strict=True)
    ]
    np.testing.assert_array_equal(metrics.top_k_hits(scores, labels, k), slow)


def test_hits_are_scikit_learns():
    rng = np.random.default_rng(0)
    scores, labels = rng.normal(size=(400, 12)), rng.integers(0, 12, 400)
    for k in (1, 3, 5):
        ours = metrics.top_k_hits(scores, labels, k).mean()
        assert ours == pytest.approx(sk.top_k_accuracy_score(labels, scores, k=k, labels=np.arange(12)))


def test_equal_probabilities_answer_the_first_class():
    assert metrics.top_k_hits(np.full((3, 4), 0.25), [0, 1, 3], 2).tolist() == [True, True, False]


@given(answered())
def test_confusion_matrix_is_scikit_learns_and_pairs_are_its_entries(case):
    labels, answers, classes = case
    ours = metrics.confusion_matrix(labels, answers, classes)
    np.testing.assert_array_equal(ours, sk.confusion_matrix(labels, answers, labels=np.arange(classes)))
    pairs = metrics.confused_pairs(labels, answers)
    assert sum(n for _, _, n in pairs) == int((labels != answers).sum())
    assert all(ours[a, b] == n and a != b for a, b, n in pairs)
    assert pairs == sorted(pairs, key=lambda pair: (-pair[2], pair[0], pair[1]))


@given(answered())
def test_scores_of_classes_are_scikit_learns(case):
    labels, answers, classes = case
    ours = metrics.per_class(labels, answers, classes)
    precision, recall, f1, support = sk.precision_recall_fscore_support(
        labels, answers, labels=np.arange(classes), zero_division=np.nan
    )
    there = support > 0
    np.testing.assert_array_equal(ours.support, support)
    for found, expected in ((ours.precision, precision), (ours.recall, recall), (ours.f1, f1)):
        np.testing.assert_allclose(found[there], expected[there])
        assert np.isnan(found[~there]).all()
    present = np.flatnonzero(there)
    for average, weighted in (("macro", False), ("weighted", True)):
        expected = sk.precision_recall_fscore_support(
            labels, answers, labels=present, average=average, zero_division=0
        )[:3]
        for name, value in zip(("precision", "recall", "f1"), expected, strict=True):
            assert ours.mean(name, weighted=weighted) == pytest.approx(value)
    if len(present) > 1:
        assert ours.balanced_accuracy == pytest.approx(
            sk.recall_score(labels, answers, labels=present, average="macro")
        )


def test_a_class_without_pictures_has_no_scores_even_if_it_was_answered():
    found = metrics.per_class([0, 0], [0, 1], 3)
    assert found.support.tolist() == [2, 0, 0]
    assert found.answered.tolist() == [1, 1, 0]
    assert np.isnan(found.precision[1:]).all()
    assert found.balanced_accuracy == 0.5


def test_a_class_that_was_never_answered_has_no_precision_but_lowers_its_mean():
    found = metrics.per_class([0, 1], [0, 0], 2)
    assert math.isnan(found.precision[1])
    assert found.f1[1] == 0
    assert found.mean("precision") == 0.25


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    # Newcombe 1998, Statistics in Medicine 17, table I, method 3 (without continuity correction).
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_intervals_are_the_published_ones(hits, count, low, high):
    assert metrics.wilson_interval(hits, count) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(0, 3000), st.integers(1, 3000), st.floats(0.5, 0.999))
def test_wilson_intervals_solve_their_equation(hits, count, confidence):
    from scipy.stats import binomtest

    hits = min(hits, count)
    low, high = metrics.wilson_interval(hits, count, confidence=confidence)
    expected = binomtest(hits, count).proportion_ci(confidence, method="wilson")
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert 0 <= low <= hits / count <= high <= 1
    mirrored = metrics.wilson_interval(count - hits, count, confidence=confidence)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-12)


def test_nothing_seen_leaves_everything_possible():
    rate = metrics.Rate.of(0, 0)
    assert (rate.low, rate.high) == (0, 1)
    assert math.isnan(rate.value)


def test_fifty_pictures_leave_fourteen_points():
    assert metrics.Rate.of(25, 50).margin == pytest.approx(0.133, abs=1e-3)


@given(scored())
def test_losses_are_those_of_a_loop_and_of_scikit_learn(case):
    scores, labels = case
    logs = scores.astype(np.float64) - np.log(np.exp(scores.astype(np.float64)).sum(1, keepdims=True))
    p = np.exp(logs)
    slow_nll = -sum(logs[i, label] for i, label in enumerate(labels)) / len(labels)
    slow_brier = sum(
        sum((p[i, j] - (j == label)) ** 2 for j in range(p.shape[1])) for i, label in enumerate(labels)
    ) / len(labels)
    assert metrics.negative_log_likelihood(logs, labels) == pytest.approx(slow_nll, abs=1e-12)
    assert metrics.brier_score(p, labels) == pytest.approx(slow_brier, abs=1e-12)
    if p.shape[1] > 1:
        assert metrics.negative_log_likelihood(logs, labels) == pytest.approx(
            sk.log_loss(labels, p, labels=np.arange(p.shape[1])), abs=1e-9
        )


def test_refusals():
    with pytest.raises(ShapeError, match="got NaN for picture 1"):
        metrics.top_k_hits([[0.0, 1.0], [np.nan, 0.0]], [0, 1])
    with pytest.raises(ShapeError, match="at least one picture"):
        metrics.top_k_hits(np.zeros((0, 3)), [])
    with pytest.raises(ShapeError, match="as many labels, got 3"):
        metrics.top_k_hits(np.zeros((2, 3)), [0, 1, 2])
    with pytest.raises(ShapeError, match="classes from 0 to 2, got 0…3"):
        metrics.top_k_hits(np.zeros((2, 3)), [0, 3])
    with pytest.raises(ConfigError, match="k must be at least 1, got 0"):
        metrics.top_k_hits(np.zeros((2, 3)), [0, 1], 0)
    with pytest.raises(ShapeError, match="as many answers as labels, got 1 and 2"):
        metrics.per_class([0, 1], [0], 2)
    with pytest.raises(ShapeError, match="whole numbers"):
        metrics.per_class([0.5], [0], 2)
    with pytest.raises(ConfigError, match="at most 4096 classes, got 100000; use confused_pairs"):
        metrics.confusion_matrix([0], [1], 100_000)
    with pytest.raises(ConfigError, match="hits must lie between 0 and count, got 3 of 2"):
        metrics.wilson_interval(3, 2)
    with pytest.raises(ConfigError, match="confidence"):
        metrics.wilson_interval(1, 2, confidence=1.0)
    with pytest.raises(ConfigError, match="'precision', 'recall' or 'f1', got 'support'"):
        metrics.per_class([0], [0], 1).mean("support")


def test_a_hundred_thousand_classes_cost_no_matrix():
    labels = np.arange(100_000)
    found = metrics.per_class(labels, labels[::-1].copy(), 100_000)
    assert found.mean("recall") == 0
    assert len(metrics.confused_pairs(labels, labels[::-1].copy())) == 100_000
