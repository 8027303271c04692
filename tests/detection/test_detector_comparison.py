"""Detectors side by side: differences against recomputing, common pictures, ratios with their scale, the page."""

import json
import re

import numpy as np
import pytest

from striate.detection.detector_comparison import Contestant, compare_detectors, paired_map
from striate.detection.detector_facts import DetectorFacts, TrainingStage
from striate.detection.voc_ap import mean_average_precision
from striate.errors import ConfigError
from striate.report import build_detectors_page
from tests.detection.predicted import BOX, FAR, answers, random_answers


def detector(chance, seed, pictures=60):
    """Finds each of two objects a picture with a fixed chance."""
    rng = np.random.default_rng(seed)
    found = [
        [(box, k, rng.random()) for box, k in ((BOX, 0), (FAR, 1)) if rng.random() < chance] for _ in range(pictures)
    ]
    return answers(found, [[(BOX, 0), (FAR, 1)]] * pictures)


def contestant(name, predictions, **facts):
    return Contestant(name, f"runs/{name}", DetectorFacts(name, facts.pop("family", "other"), **facts), predictions)


def test_the_difference_is_that_of_both_scores():
    a, b = detector(0.5, 0), detector(0.9, 1)
    interval, p = paired_map(a, b)
    assert interval.value == pytest.approx(mean_average_precision(b) - mean_average_precision(a))
    assert interval.low < interval.value < interval.high
    assert p < 0.01
    back, again = paired_map(b, a)
    assert (back.value, back.low, back.high) == pytest.approx((-interval.value, -interval.high, -interval.low))
    assert again == p


def test_a_detector_does_not_differ_from_itself():
    interval, p = paired_map(detector(0.5, 0), detector(0.5, 0))
    assert (interval.low, interval.value, interval.high, p) == (0, 0, 0, 1)


def test_pairing_is_narrower_than_two_intervals():
    """Pictures on which both are wrong alike do not blur the difference."""
    a = detector(0.6, 0)
    keep = np.ones(len(a.boxes), bool)
    keep[::12] = False
    rows = [np.flatnonzero(keep & (a.found_pictures == i)) - a.found_starts[i] for i in range(len(a))]
    b = type(a).of([a.found(i).pick(r) for i, r in enumerate(rows)], [a.truth(i) for i in range(len(a))], a.names)
    near = paired_map(a, b)[0]
    far = paired_map(detector(0.6, 7), b)[0]
    assert near.high - near.low < 0.8 * (far.high - far.low)


def test_only_common_pictures_with_the_same_boxes_count():
    a, b = detector(0.5, 0), detector(0.9, 1)
    other = answers([[]], [[(FAR, 0)]])  # 0.jpg, with another truth
    comparison = compare_detectors(
        [contestant("a", a), contestant("b", b.subset(range(5, 40))), contestant("c", other)]
    )
    first, second, third = comparison.pairs
    assert first.count == 35
    assert first.notes == ("60 and 35 pictures were answered, 35 by both: only these count.",)
    assert second.count == third.count == 0
    assert "no picture with the same boxes in common" in second.verdict
    assert second.notes[0] == "Pictures whose true boxes differ are left out: 1."
    json.dumps(comparison.to_dict(), allow_nan=False)


def test_times_refer_to_the_slowest_and_state_their_scale():
    facts = {"backbone": "vgg16", "image_size": (600, 800), "proposals_per_picture": 2000.0}
    stages = (TrainingStage("features", 400.0), TrainingStage("support vector machines", 30.0))
    comparison = compare_detectors(
        [
            contestant("slow", None, family="rcnn", test_seconds=50.0, proposal_seconds=2.0, stages=stages, **facts),
            contestant("fast", None, family="fast_rcnn", test_seconds=0.5, proposal_seconds=2.0, **facts),
            contestant("one", None, family="yolo", proposals="none", test_seconds=0.1, image_size=(448, 448)),
            contestant("unknown", None),
        ]
    )
    assert comparison.slowest == 0
    assert [comparison.faster(i) for i in range(4)] == pytest.approx([1, 100, 500, None])
    assert comparison.best is None
    page = re.sub(r"<[^>]+>", " ", build_detectors_page(comparison)).replace("\u00a0", " ")
    assert "100× (N = 2,000, 600 × 800 px)" in page
    assert "one is fastest: 500× the speed of slow" in page
    assert "(no proposals, 448 × 448 px) instead of 50 s (N = 2,000, 600 × 800 px)" in page
    assert "features 7 min, support vector machines 30 s" in page
    assert "Nothing is measured yet" in page


def test_a_clear_winner_is_named():
    few = [
        (name, detector(chance, seed)) for seed, (name, chance) in enumerate({"a": 0.3, "b": 0.6, "c": 0.95}.items())
    ]
    made = [contestant(n, p, mean_ap=mean_average_precision(p), test_seconds=0.1) for n, p in few]
    comparison = compare_detectors(made)
    assert comparison.best == 2
    assert all(pair.significant for pair in comparison.pairs)
    assert re.search(r'<span class="percent">c</span> finds best', build_detectors_page(comparison))


def test_refusals():
    with pytest.raises(ConfigError, match="at least two detectors of different names, got a, a"):
        compare_detectors([contestant("a", None), contestant("a", None)])
    with pytest.raises(ConfigError, match="on the same pictures and classes"):
        paired_map(random_answers(0), random_answers(0).subset([0, 1]))
