"""The confusion matrix with background: small cases by hand, and what its rows and columns must add up to."""

import numpy as np
import pytest

from striate.detection.box_confusion import confuse_boxes
from striate.detection.voc_ap import HIT, IGNORED, match_boxes
from tests.detection.predicted import BOX, FAR, NASTY, NEAR, answers, random_answers

ELSEWHERE = [60, 5, 70, 15]


def confused(predictions, threshold=0.0):
    return confuse_boxes(predictions, match_boxes(predictions), threshold)


def test_each_kind_of_cell():
    one = answers(
        [[(BOX, 0, 0.9), (NEAR, 1, 0.8), (FAR, 2, 0.7), (ELSEWHERE, 1, 0.6), (BOX, 0, 0.5)]],
        [[(BOX, 0), (FAR, 1), ([0, 60, 20, 90], 2)]],
    )
    found = confused(one)
    assert found.counts.tolist() == [
        [1, 0, 0, 0],  # the cat is found
        [0, 0, 1, 0],  # the dog is taken for an owl
        [0, 0, 0, 1],  # the owl is missed
        [0, 1, 0, 0],  # a dog where nothing is
        [1, 1, 0, 0],  # the cat again, once by its name and once as a dog
    ]
    assert found.pairs() == [(1, 2, 1)]
    assert (found.missed.tolist(), found.background.tolist(), found.again.tolist()) == ([0, 0, 1], [0, 1, 0], [1, 1, 0])
    assert confused(one, 0.65).counts.sum() == 4


def test_the_right_name_comes_before_the_larger_overlap():
    one = answers([[(BOX, 1, 0.9), (NEAR, 0, 0.3)]], [[(BOX, 0)]])
    assert confused(one).counts[0].tolist() == [1, 0, 0, 0]


def test_what_counts_neither_way_in_average_precision_does_not_here():
    assert confused(NASTY["all difficult"]).counts.sum() == 0
    assert confused(NASTY["a crowd"]).counts[0].tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("threshold", [0.0, 0.5])
def test_rows_are_objects_and_columns_are_boxes(seed, threshold):
    many = random_answers(seed)
    matches = match_boxes(many)
    found = confuse_boxes(many, matches, threshold)
    np.testing.assert_array_equal(found.counts[:-2].sum(axis=1), matches.positives)
    kept = (many.scores >= threshold) & (matches.verdict != IGNORED)
    classes = np.bincount(many.classes[kept], minlength=3)
    np.testing.assert_array_equal(found.counts[:, :-1].sum(axis=0), classes)
    hits = kept & (matches.verdict == HIT)
    np.testing.assert_array_equal(np.diag(found.counts)[:3], np.bincount(many.classes[hits], minlength=3))


@pytest.mark.parametrize("name", NASTY)
def test_nasty_cases(name):
    found = confused(NASTY[name])
    assert found.counts[:-2].sum() == match_boxes(NASTY[name]).positives.sum()
