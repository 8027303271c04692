"""Kinds of mistakes: each by hand, all against a loop, and their cost against mending the boxes themselves."""

import numpy as np
import pytest

from striate.data.detections import Detections
from striate.detection.box_predictions import BoxPredictions
from striate.detection.error_types import KINDS, error_types
from striate.detection.overlap_pairs import box_overlaps
from striate.detection.voc_ap import HIT, IGNORED, match_boxes, mean_average_precision
from striate.errors import ConfigError
from tests.detection.predicted import BOX, FAR, NASTY, NEAR, answers, random_answers

HALF = [10, 10, 50, 25]  # .375 of BOX


def sorted_mistakes(predictions, **options):
    return error_types(predictions, match_boxes(predictions), **options)


@pytest.mark.parametrize(
    ("found", "kinds", "missed"),
    [
        ([(HALF, 0, 0.9)], {"localization": 1}, 0),
        ([(NEAR, 1, 0.9)], {"classification": 1}, 0),
        ([(HALF, 1, 0.9)], {"both": 1}, 1),
        ([(BOX, 0, 0.9), (NEAR, 0, 0.8)], {"duplicate": 1}, 0),
        ([(FAR, 0, 0.9)], {"background": 1}, 1),
        ([], {}, 1),
        ([(BOX, 0, 0.9)], {}, 0),
    ],
)
def test_one_of_each(found, kinds, missed):
    result = sorted_mistakes(answers([found], [[(BOX, 0)]]))
    assert {kind.name: kind.count for kind in result.kinds if kind.count} == kinds | ({"missed": 1} if missed else {})
    assert [kind.name for kind in result.kinds] == list(KINDS)


def slow_kind(predictions, matches, row):
    picture = predictions.found_pictures[row]
    own, other = 0.0, 0.0
    for column in np.flatnonzero((predictions.truth_pictures == picture) & ~predictions.truth_crowd):
        value = float(box_overlaps(predictions.boxes[[row]], predictions.truth_boxes[[column]])[0])
        if predictions.truth_classes[column] == predictions.classes[row]:
            own = max(own, value)
        else:
            other = max(other, value)
    if own >= 0.5:
        return "duplicate"
    if own >= 0.1:
        return "localization"
    if other >= 0.5:
        return "classification"
    return "both" if other >= 0.1 else "background"


@pytest.mark.parametrize("seed", range(8))
def test_every_false_alarm_has_the_kind_that_a_loop_gives_it(seed):
    many = random_answers(seed)
    matches = match_boxes(many)
    result = error_types(many, matches, 0.5)
    for row in range(len(many.boxes)):
        name = slow_kind(many, matches, row) if matches.verdict[row] == 0 else None
        assert name == (KINDS[result.kind[row]] if result.kind[row] >= 0 else None)
    false = matches.verdict == 0
    assert sum(kind.count for kind in result.kinds[:-1]) == false.sum()
    assert sum(kind.kept for kind in result.kinds[:-1]) == (false & (many.scores >= 0.5)).sum()
    hit = np.zeros(len(many.truth_boxes), bool)
    hit[matches.truth[matches.verdict == HIT]] = True
    assert not (result.missed & (hit | many.truth_ignored)).any()


def mended(many, matches, result, name):
    """The boxes as they would be without one kind of mistake, as a new answer."""
    taken = set(matches.truth[matches.verdict == HIT].tolist())
    boxes, classes = many.boxes.copy(), many.classes.copy()
    keep = np.ones(len(boxes), bool)
    for row in matches.order.tolist():
        if result.kind[row] != KINDS.index(name):
            continue
        owner = int(result.truth[row])
        if name in ("localization", "classification") and owner not in taken and not many.truth_ignored[owner]:
            taken.add(owner)
            boxes[row] = many.truth_boxes[owner]
            classes[row] = many.truth_classes[owner]
        else:
            keep[row] = False
    keep &= matches.verdict != IGNORED
    parts = [np.flatnonzero(keep & (many.found_pictures == i)) for i in range(len(many))]
    wanted = ~(result.missed if name == "missed" else np.zeros(len(many.truth_boxes), bool)) & ~many.truth_crowd
    there = [np.flatnonzero(wanted & (many.truth_pictures == i)) for i in range(len(many))]
    return BoxPredictions.of(
        [Detections.of(boxes[p], classes[p], many.labels, scores=many.scores[p]) for p in parts],
        [
            Detections.of(many.truth_boxes[p], many.truth_classes[p], many.labels, difficult=many.truth_difficult[p])
            for p in there
        ],
        many.names,
    )


@pytest.mark.parametrize("name", KINDS)
def test_the_cost_is_what_mending_the_boxes_themselves_gains(name):
    """Objects stand apart here, so that a mended box lies on its own object only."""
    rng = np.random.default_rng(KINDS.index(name))
    found, truth = [], []
    for _ in range(12):
        there, seen = [], []
        for place in range(5):
            box = np.array([place * 100, 0, place * 100 + 40, 40])
            kind = int(rng.integers(0, 3))
            there.append((box, kind, *(["difficult"] if rng.random() < 0.1 else [])))
            for _ in range(int(rng.integers(0, 4))):
                moved = box + np.tile(rng.choice([0, 2, 8, 20, 60], 2), 2)
                said = kind if rng.random() < 0.6 else int(rng.integers(0, 3))
                seen.append((moved, said, float(rng.random())))
        found.append(seen)
        truth.append(there)
    many = answers(found, truth)
    matches = match_boxes(many)
    result = error_types(many, matches)
    number = KINDS.index(name)
    assert result.kinds[number].count > 3
    gained = mean_average_precision(mended(many, matches, result, name)) - mean_average_precision(many)
    assert result.kinds[number].cost == pytest.approx(gained, abs=1e-9)
    assert gained > 0 or name == "both"


def test_of_two_mended_boxes_on_one_object_only_the_surer_counts():
    one = answers([[(HALF, 0, 0.9), (HALF, 0, 0.8), (FAR, 0, 0.5)]], [[(BOX, 0), (FAR, 0)]])
    assert mean_average_precision(one) == pytest.approx(1 / 6)
    assert sorted_mistakes(one).kinds[0].cost == pytest.approx(1 - 1 / 6)


@pytest.mark.parametrize("name", NASTY)
def test_nasty_cases_have_costs_from_0_to_1_or_none(name):
    for kind in sorted_mistakes(NASTY[name]).kinds:
        assert np.isnan(kind.cost) or 0 <= kind.cost <= 1


def test_refusals():
    with pytest.raises(ConfigError, match=r"background must be at least 0 and below the IoU of a hit, 0\.5, got 0\.5"):
        sorted_mistakes(NASTY["a crowd"], background=0.5)
