"""Reliability bins against a slow loop; what does not depend on the order of the pictures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.errors import ConfigError, ShapeError
from striate.training.calibration import reliability


def slow_ece(sure, right, bins):
    """Guo et al. 2017, equations (3) to (5), as they stand."""
    total, largest = 0.0, 0.0
    for m in range(1, bins + 1):
        low, high = np.linspace(0, 1, bins + 1)[m - 1 : m + 1]
        inside = [i for i, p in enumerate(sure) if low < p <= high or (m == 1 and p == 0)]
        if inside:
            gap = abs(np.mean([right[i] for i in inside]) - np.mean([sure[i] for i in inside]))
            total += len(inside) / len(sure) * gap
            largest = max(largest, gap)
    return total, largest


pairs = st.lists(
    st.tuples(st.sampled_from([0.0, 0.2, 0.5, 2 / 3, 0.9, 1.0]) | st.floats(0, 1), st.booleans()), min_size=1
)


@given(pairs, st.integers(1, 20))
def test_equal_width_is_the_papers_loop(case, bins):
    sure, right = (np.array(column) for column in zip(*case, strict=True))
    found = reliability(sure, right, bins=bins)
    assert (found.ece, found.mce) == pytest.approx(slow_ece(sure, right, bins), abs=1e-12)
    assert found.counts.sum() == len(sure)
    assert (found.counts > 0).all()
    assert (found.confidence <= found.high + 1e-12).all()


@given(pairs, st.integers(1, 20), st.sampled_from(["width", "mass"]), st.randoms(use_true_random=False))
def test_the_order_of_pictures_does_not_matter(case, bins, kind, random):
    def found(rows):
        sure, right = (np.array(column) for column in zip(*rows, strict=True))
        result = reliability(sure, right, bins=bins, kind=kind)
        return result.counts.tolist(), result.accuracy.tolist(), pytest.approx(result.ece, abs=1e-12)

    shuffled = list(case)
    random.shuffle(shuffled)
    assert found(case) == found(shuffled)


def test_equal_counts_are_equal_where_there_are_no_ties():
    sure = np.random.default_rng(0).random(150)
    found = reliability(sure, sure > 0.5, bins=15, kind="mass")
    assert found.counts.tolist() == [10] * 15
    assert (np.diff(found.confidence) > 0).all()
    assert (found.low[1:] == found.high[:-1]).all()
    assert (found.confidence > found.low).all()
    assert (found.confidence <= found.high).all()


def test_equal_probabilities_share_a_bin():
    found = reliability(np.full(100, 0.1), np.arange(100) < 10, kind="mass")
    assert found.counts.tolist() == [100]
    assert found.ece == pytest.approx(0.0, abs=1e-12)


def test_a_network_that_means_what_it_says():
    rng = np.random.default_rng(0)
    sure = rng.random(200_000)
    for kind in ("width", "mass"):
        found = reliability(sure, rng.random(len(sure)) < sure, kind=kind)
        assert found.ece < 0.01
        assert abs(found.bias) < 0.01
    assert reliability(np.full(10, 0.9), np.zeros(10, bool)).bias == pytest.approx(0.9)


def test_refusals():
    with pytest.raises(ShapeError, match="at least one"):
        reliability([], np.zeros(0, bool))
    with pytest.raises(ShapeError, match="same answers"):
        reliability([0.5], [True, False])
    with pytest.raises(ShapeError, match=r"between 0 and 1, got 0\.5…1\.5"):
        reliability([0.5, 1.5], [True, False])
    with pytest.raises(ShapeError, match="between 0 and 1"):
        reliability([0.5, np.nan], [True, False])
    with pytest.raises(ShapeError, match="int64"):
        reliability([0.5], [1])
    with pytest.raises(ConfigError, match="bins must be at least 1, got 0"):
        reliability([0.5], [True], bins=0)
