"""Similarities of maps against SciPy and scikit-image."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from striate.errors import ShapeError
from striate.insight.map_similarity import (
    hog_similarity,
    oriented_gradients,
    rank_correlation,
    structural_similarity,
    to_unit_range,
)


def maps(seed: int, shape: tuple[int, int] = (40, 33)) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    a = rng.random(shape)
    return a, 0.6 * a + 0.4 * rng.random(shape)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.integers(2, 6))
def test_rank_correlation_is_scipys(seed: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, levels, (2, 7, 9)).astype(float)  # with many ties
    expected = stats.spearmanr(a.ravel(), b.ravel()).statistic
    np.testing.assert_allclose(rank_correlation(a, b), 0.0 if np.isnan(expected) else expected, atol=1e-12)


def test_rank_correlation_of_a_flat_map_is_zero() -> None:
    assert rank_correlation(np.ones((3, 3)), np.arange(9.0).reshape(3, 3)) == 0


@pytest.mark.parametrize("window", [3, 5, 7])
def test_ssim_is_scikit_images(window: int) -> None:
    metrics = pytest.importorskip("skimage.metrics")
    a, b = maps(1)
    expected = metrics.structural_similarity(a, b, win_size=window, data_range=1.0)
    np.testing.assert_allclose(structural_similarity(a, b, window=window), expected, atol=1e-12)
    np.testing.assert_allclose(structural_similarity(a, a, window=window), 1, atol=1e-12)


@pytest.mark.parametrize("cell", [4, 8])
def test_histograms_of_gradients_are_scikit_images(cell: int) -> None:
    feature = pytest.importorskip("skimage.feature")
    a, _ = maps(2)
    expected = feature.hog(
        a, orientations=9, pixels_per_cell=(cell, cell), cells_per_block=(3, 3), feature_vector=False
    )
    # scikit-image adds the cells up in float32.
    np.testing.assert_allclose(oriented_gradients(a, cell=cell), expected, atol=1e-6)


def test_edges_that_stay_correlate_and_others_do_not() -> None:
    a, b = maps(3, (56, 56))
    assert hog_similarity(a, a) == pytest.approx(1)
    assert hog_similarity(a, b) > hog_similarity(a, b.T)
    assert hog_similarity(a, np.zeros_like(a)) == 0
    assert hog_similarity(a[:6, :6], b[:6, :6]) <= 1


def test_the_range_that_is_looked_at() -> None:
    values = np.arange(101.0).reshape(1, 101)
    got = to_unit_range(values)
    assert got[0, 0] == 0
    assert got[0, 99] == got[0, 100] == 1
    np.testing.assert_array_equal(to_unit_range(np.full((2, 2), 3.0)), 0)
    spike = np.zeros((20, 20))
    spike[3, 3] = 5
    assert to_unit_range(spike)[3, 3] == 1


def test_maps_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(ShapeError, match="two maps must have one shape"):
        rank_correlation(np.ones(3), np.ones(4))
    with pytest.raises(ShapeError, match="at least 5 × 5 for SSIM"):
        structural_similarity(np.ones((4, 4)), np.ones((4, 4)))
    with pytest.raises(ShapeError, match="at least one cell"):
        oriented_gradients(np.ones((4, 4)), cell=8)
