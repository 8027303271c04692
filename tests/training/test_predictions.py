"""Predictions: what they refuse, what they compute, and that they come back from disk."""

import numpy as np
import pytest
import torch

from striate.errors import DataError, ShapeError
from striate.training.predictions import Predictions


def some(count=5, width=3, **changes):
    rng = np.random.default_rng(0)
    parts = {
        "logits": rng.normal(size=(count, width)).astype(np.float32),
        "labels": rng.integers(0, width, count),
        "names": tuple(f"{i}.png" for i in range(count)),
        "classes": tuple(f"class {i}" for i in range(width)),
        "facts": {"network": "n"},
    }
    return Predictions(**{**parts, **changes})


def test_probabilities_are_torchs_softmax():
    found = some()
    expected = torch.from_numpy(found.logits).double().softmax(1).numpy()
    np.testing.assert_allclose(found.probabilities, expected, rtol=1e-12)
    np.testing.assert_allclose(found.probabilities.sum(1), 1, rtol=1e-12)


def test_probabilities_of_huge_scores_do_not_overflow():
    found = some(1, 2, logits=np.array([[3e38, -3e38]], np.float32))
    assert found.probabilities.tolist() == [[1.0, 0.0]]
    assert np.isfinite(found.log_probabilities).all()


def test_of_equal_scores_the_first_class_is_the_answer():
    found = some(2, 3, logits=np.zeros((2, 3)), labels=np.array([0, 1]))
    assert found.answers.tolist() == [0, 0]
    assert found.correct.tolist() == [True, False]


def test_what_was_saved_comes_back(tmp_path):
    names = ("a<script>.png", "é\udcff.png", "日本.png", "b\nc.png", "")
    found = some(names=names, facts={"view": "center", "none": None, "list": [1, 2.5]})
    again = Predictions.load(found.save(tmp_path / "p.npz"))
    np.testing.assert_array_equal(again.logits, found.logits)
    np.testing.assert_array_equal(again.labels, found.labels)
    assert (again.names, again.classes, again.facts) == (found.names, found.classes, found.facts)
    assert again.logits.dtype == np.float32
    assert again.labels.dtype == np.int64


def test_a_subset_keeps_names_with_their_scores():
    found = some().subset([3, 1])
    assert found.names == ("3.png", "1.png")
    np.testing.assert_array_equal(found.logits, some().logits[[3, 1]])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"logits": np.zeros((0, 3))}, "at least one picture"),
        ({"logits": np.zeros(3)}, "n × k"),
        ({"logits": np.zeros((5, 3), complex)}, "real numbers"),
        ({"labels": np.zeros(4, int)}, "5 labels"),
        ({"names": ("a",)}, "5 names"),
        ({"classes": ("a", "b")}, "3 classes"),
        ({"labels": np.full(5, 3)}, "from 0 to 2"),
        ({"labels": np.full(5, -1)}, "from 0 to 2"),
        ({"labels": np.zeros(5)}, "whole numbers"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changes, words):
    with pytest.raises(ShapeError, match=words):
        some(**changes)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_scores_that_are_no_numbers_are_refused_with_the_pictures_name(value):
    logits = np.zeros((5, 3), np.float32)
    logits[2, 1] = value
    with pytest.raises(DataError, match=r"1 of 5 pictures .* '2.png' is the first"):
        some(logits=logits)


def test_damaged_and_missing_files_are_refused(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        Predictions.load(tmp_path / "none.npz")
    path = some().save(tmp_path / "p.npz")
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"p\.npz: damaged"):
        Predictions.load(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"p\.npz: damaged"):
        Predictions.load(path)
    np.savez(path, logits=np.zeros((1, 1)))
    with pytest.raises(DataError, match=r"p\.npz: damaged"):
        Predictions.load(path)
