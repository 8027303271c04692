"""COCO's twelve numbers are those of pycocotools, on random and on nasty cases."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.detection.coco_ap import CocoScores, coco_scores
from tests.detection.predicted import NASTY, answers, random_answers
from tests.oracles.coco import coco_numbers


def compare(predictions):
    ours = coco_scores(predictions)
    twelve, classes = coco_numbers(predictions)
    np.testing.assert_allclose(np.nan_to_num(ours.twelve, nan=-1), twelve, rtol=0, atol=1e-12)
    np.testing.assert_allclose(np.nan_to_num(ours.class_ap, nan=-1), classes, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", NASTY)
def test_nasty_cases(name):
    compare(NASTY[name])


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), steps=st.sampled_from([1, 4, 1000]))
def test_random_cases(seed, steps):
    compare(random_answers(seed, steps=steps, pictures=8))


def test_small_medium_and_large_are_told_apart_by_the_areas_given():
    boxes = [[0, 0, 20, 20], [100, 0, 150, 50], [200, 0, 320, 120]]
    seen = answers([[(b, 0, 0.9) for b in boxes[:2]]], [[(b, 0) for b in boxes]])
    found = coco_scores(seen)
    assert (found.ap_small, found.ap_medium, found.ap_large) == pytest.approx((1, 1, 0))
    assert found.ar100 == pytest.approx(2 / 3)
    assert found.ar1 == pytest.approx(1 / 3)


def test_of_no_objects_nothing_is_known():
    nothing = coco_scores(NASTY["no ground truth"])
    assert np.isnan(nothing.twelve).all()
    assert set(nothing.to_dict().values()) == {None}
    assert list(nothing.to_dict()) == list(CocoScores.__dataclass_fields__)[:12]
