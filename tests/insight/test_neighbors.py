"""Exact nearest neighbors: equal to scikit-learn's brute force and to the formula, with ties, copies and zeros."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from striate.errors import ConfigError, DataError
from striate.insight.neighbors import Neighbors, nearest_neighbors, search
from striate.insight.representation_set import Representations


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("alone", [True, False])
def test_equal_to_brute_force(metric, alone):
    rng = np.random.default_rng(1)
    values, queries = rng.normal(size=(300, 40)) + 3, rng.normal(size=(20, 40)) + 3
    indices, distances = search(values, None if alone else queries, k=7, metric=metric)
    oracle = NearestNeighbors(n_neighbors=7, metric=metric, algorithm="brute").fit(values)
    far, near = oracle.kneighbors(None if alone else queries)
    np.testing.assert_array_equal(indices, near)
    np.testing.assert_allclose(distances, far, rtol=1e-9, atol=1e-12)


@given(st.integers(0, 2**31), st.integers(2, 30), st.integers(1, 9))
def test_equal_to_the_formula_on_small_whole_numbers(seed, n, k):
    """Whole numbers are full of ties: they go to the picture that comes first."""
    values = np.random.default_rng(seed).integers(0, 3, (n, 3)).astype(np.float64)
    indices, distances = search(values, k=k)
    for i, row in enumerate(values):
        order = sorted((float(((row - other) ** 2).sum()) ** 0.5, j) for j, other in enumerate(values) if j != i)
        assert indices[i].tolist() == [j for _, j in order[:k]]
        np.testing.assert_allclose(distances[i], [d for d, _ in order[:k]], atol=1e-12)


def test_copies_have_distance_zero_and_are_found():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(50, 30)).astype(np.float32) + 100
    values[[7, 33]] = values[4]
    found = nearest_neighbors(Representations.of(values), k=3, metric="euclidean")
    assert found.duplicates(1e-9) == [(4, 7, 0.0), (4, 33, 0.0), (7, 33, 0.0)]
    assert not (found.indices == np.arange(50)[:, None]).any()


def test_zeros_have_no_direction_and_length_does_not_matter():
    values = np.array([[0.0, 0.0], [1e-200, 0.0], [1e200, 0.0], [0.0, 5.0]])
    indices, distances = search(values, k=3, metric="cosine")
    assert distances[0].tolist() == [1.0, 1.0, 1.0]
    assert distances[1, 0] == 0.0
    assert indices[1, 0] == 2


def test_one_picture_has_no_neighbors_and_few_have_few():
    assert search(np.zeros((1, 4)), k=5)[0].shape == (1, 0)
    assert search(np.eye(3), k=5)[0].shape == (3, 2)
    assert nearest_neighbors(Representations.of([[1.0]])).duplicates() == []


def test_saved_drawn_and_loaded(tmp_path):
    found = nearest_neighbors(Representations.of(np.eye(5)), k=2)
    back = Neighbors.load(found.save(tmp_path / "n.npz"))
    np.testing.assert_array_equal(back.indices, found.indices)
    assert back.to_dict() == found.to_dict()
    assert found.draw().shape[2] == 3
    assert found.draw(theme="dark").shape == found.draw().shape
    assert found.save(tmp_path / "n.png").read_bytes().startswith(b"\x89PNG")
    Representations.of([[1.0]]).save(tmp_path / "r.npz")
    with pytest.raises(DataError, match="not neighbors"):
        Neighbors.load(tmp_path / "r.npz")


def test_refusals():
    one = Representations.of(np.eye(3))
    with pytest.raises(ConfigError, match="k must be at least 1; got 0"):
        nearest_neighbors(one, k=0)
    with pytest.raises(ConfigError, match="another length"):
        nearest_neighbors(one, Representations.of([[1.0]]))
