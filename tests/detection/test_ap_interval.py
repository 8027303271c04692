"""Intervals of average precision: exact with equal weights, Jeffreys' in the simplest case; they cover the truth."""

import numpy as np
import pytest
from scipy.stats import beta

from striate.detection.ap_interval import ap_intervals, picture_weights, resampled_ap
from striate.detection.voc_ap import class_average_precision, match_boxes
from striate.errors import ConfigError
from tests.detection.predicted import BOX, NASTY, answers, random_answers


def intervals(predictions, **options):
    ap = np.array([*class_average_precision(predictions).values()])
    return ap_intervals(predictions, match_boxes(predictions), class_ap=ap, **options)


@pytest.mark.parametrize("seed", range(5))
def test_equal_weights_give_average_precision_and_whole_ones_that_of_repeated_pictures(seed):
    many = random_answers(seed, steps=10_000)
    matches = match_boxes(many)
    plain = resampled_ap(many, matches, np.ones((1, len(many))))[0]
    np.testing.assert_allclose(plain, [*class_average_precision(many).values()], atol=1e-12)
    times = np.random.default_rng(seed).integers(0, 2, len(many))  # without or with a picture: no equal scores arise
    again = class_average_precision(many.subset(np.flatnonzero(times)))
    with np.errstate(invalid="ignore", divide="ignore"):
        weighted = resampled_ap(many, matches, times[None].astype(float))[0]
    np.testing.assert_allclose(weighted, [*again.values()], atol=1e-12)


def test_one_object_a_picture_and_no_false_alarms_is_jeffreys_interval():
    many = answers([[(BOX, 0, 0.9)]] * 9 + [[]] * 3, [[(BOX, 0)]] * 12)
    one = intervals(many, resamples=40_000)[1][0]
    assert one.value == 0.75
    assert [one.low, one.high] == pytest.approx(beta.ppf([0.025, 0.975], 9.5, 3.5), abs=0.01)


def test_three_objects_all_found_are_no_certainty():
    mean, (one, *rest) = intervals(answers([[(BOX, 0, 0.9)]] * 3, [[(BOX, 0)]] * 3))
    assert one.value == one.high == 1.0
    assert 0.2 < one.low < 0.6
    assert all(np.isnan(other.value) for other in rest)
    assert mean.low <= mean.value == 1.0


def test_the_same_seed_gives_the_same_interval_and_weights_have_mean_one():
    many = random_answers(2)
    assert intervals(many, seed=5, resamples=50) == intervals(many, seed=5, resamples=50)
    assert intervals(many, seed=5, resamples=50)[0] != intervals(many, seed=6, resamples=50)[0]
    np.testing.assert_allclose(picture_weights(7, 3, 0).mean(axis=1), 1)


def test_of_no_objects_nothing_is_known():
    mean, each = intervals(NASTY["no ground truth"])
    assert np.isnan([mean.value, mean.low, mean.high, each[0].low]).all()


@pytest.mark.slow
def test_intervals_of_a_class_cover_the_truth():
    """A detector that finds an object of class c with a fixed chance: 70 studies of 30 pictures."""
    rng = np.random.default_rng(0)
    chance = np.array([0.5, 0.8, 0.97])

    def study(pictures):
        found, truth = [], []
        for _ in range(pictures):
            kinds = rng.integers(0, 3, rng.poisson(1.5))
            boxes = [[40 * i, 0, 40 * i + 20, 20] for i in range(len(kinds))]
            seen = rng.random(len(kinds)) < chance[kinds]
            false = [([0, 60, 9, 69 + i], int(rng.integers(0, 3)), rng.beta(2, 4)) for i in range(rng.poisson(0.7))]
            found.append([(boxes[i], k, rng.beta(5, 2)) for i, k in enumerate(kinds) if seen[i]] + false)
            truth.append(list(zip(boxes, kinds, strict=True)))
        return answers(found, truth)

    real = np.array([*class_average_precision(study(2500)).values()])
    inside = []
    for number in range(70):
        each = intervals(study(30), resamples=300, seed=number)[1]
        inside += [one.low <= real[c] <= one.high for c, one in enumerate(each) if not np.isnan(one.value)]
    assert 0.9 < np.mean(inside) <= 0.99


def test_refusals():
    with pytest.raises(ConfigError, match="resamples must be at least 1, got 0"):
        intervals(random_answers(0), resamples=0)
    with pytest.raises(ConfigError, match="confidence must lie between 0 and 1, got 1"):
        intervals(random_answers(0), confidence=1)
