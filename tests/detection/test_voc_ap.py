"""VOC's average precision: equal to the kit's loops on random and on nasty cases; ties, refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.detection.voc_ap import (
    average_precision,
    class_average_precision,
    match_boxes,
    mean_average_precision,
)
from striate.errors import ConfigError
from tests.detection.predicted import BOX, FAR, NASTY, answers, random_answers
from tests.oracles.voc_devkit import devkit_ap


def compare(predictions, iou, inclusive):
    numbers = range(len(predictions.labels))
    both = [devkit_ap(predictions, number, iou=iou, inclusive=inclusive) for number in numbers]
    for place, rule in enumerate(("all-point", "11-point")):
        ours = class_average_precision(predictions, iou=iou, rule=rule, inclusive=inclusive)
        theirs = [values[place] for values in both]
        np.testing.assert_allclose(list(ours.values()), theirs, rtol=0, atol=1e-12)  # sums in another order
        finite = [value for value in theirs if not np.isnan(value)]
        np.testing.assert_allclose(
            mean_average_precision(predictions, iou=iou, rule=rule, inclusive=inclusive),
            np.mean(finite) if finite else np.nan,
            atol=1e-12,
        )


@pytest.mark.parametrize("name", NASTY)
@pytest.mark.parametrize("inclusive", [False, True])
def test_nasty_cases_as_the_kit_has_them(name, inclusive):
    for iou in (0.3, 0.5, 0.95):
        compare(NASTY[name], iou, inclusive)


@settings(max_examples=30)
@given(
    seed=st.integers(0, 2**32 - 1),
    iou=st.sampled_from([0.1, 0.5, 0.75, 1.0]),
    inclusive=st.booleans(),
    steps=st.sampled_from([1, 3, 1000]),
)
def test_random_cases_as_the_kit_has_them(seed, iou, inclusive, steps):
    compare(random_answers(seed, steps=steps), iou, inclusive)


def test_an_overlap_of_exactly_half_is_a_hit():
    assert match_boxes(NASTY["half overlap"]).overlap.tolist() == [0.5]
    assert mean_average_precision(NASTY["half overlap"]) == 1.0


def test_a_box_is_never_given_the_second_best_object():
    """The best is taken: the kit does not look on, COCO would."""
    crowded = answers(
        [[([0, 0, 10, 10], 0, 0.9), ([0, 0, 10, 9], 0, 0.8)]], [[([0, 0, 10, 10], 0), ([0, 0, 10, 6], 0)]]
    )
    assert match_boxes(crowded).verdict.tolist() == [1, 0]
    assert mean_average_precision(crowded) == 0.5


def test_of_equal_scores_the_earlier_picture_and_box_comes_first():
    twice = answers([[(FAR, 0, 0.5), (BOX, 0, 0.5)], [(BOX, 0, 0.5)]], [[(BOX, 0)], [(BOX, 0)]])
    assert match_boxes(twice).order.tolist() == [0, 1, 2]
    assert mean_average_precision(twice) == pytest.approx(2 / 3)
    assert mean_average_precision(twice.subset([1, 0])) == pytest.approx((1 + 2 / 3) / 2)


def test_recall_of_exactly_three_tenths_does_not_reach_its_threshold():
    """3 · 0.1 is 0.30000000000000004: with 3 of 10 found, the 11-point sum has three terms, 0, .1 and .2."""
    assert average_precision(np.ones(3, bool), 10, rule="11-point") == pytest.approx(3 / 11)
    assert average_precision(np.ones(4, bool), 10, rule="11-point") == pytest.approx(5 / 11)


def test_a_found_box_outside_of_any_object_touches_none():
    matches = match_boxes(answers([[(FAR, 0, 0.9), (BOX, 1, 0.5)]], [[(BOX, 0)]]))
    assert matches.truth.tolist() == [-1, -1]
    assert matches.positives.tolist() == [1, 0, 0]


def test_many_boxes_on_one_picture():
    """5,000 objects of one class and 600 boxes: three million pairs, in blocks."""
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 4000, (5000, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(10, 60, (5000, 2))], axis=1).tolist()
    scores = rng.random(600)
    one = answers([[(box, 0, s) for box, s in zip(boxes, scores, strict=False)]], [[(box, 0) for box in boxes]])
    assert match_boxes(one).truth.tolist() == list(range(600))
    assert mean_average_precision(one) == pytest.approx(0.12)


def test_refusals():
    with pytest.raises(ConfigError, match="iou must lie above 0 and be at most 1, got 0"):
        match_boxes(NASTY["a crowd"], iou=0)
    with pytest.raises(ConfigError, match="rule must be 'all-point' or '11-point', got 'area'"):
        average_precision(np.ones(1, bool), 1, rule="area")
