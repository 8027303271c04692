"""Curves and thresholds against counting by hand."""

import numpy as np
import pytest

from striate.detection.pr_curve import class_curves, operating_point, pooled_curve
from striate.detection.voc_ap import IGNORED, average_precision, class_average_precision, match_boxes
from tests.detection.predicted import NASTY, random_answers


@pytest.mark.parametrize("seed", range(6))
def test_every_threshold_as_counted(seed):
    many = random_answers(seed, steps=5)
    matches = match_boxes(many)
    curve = pooled_curve(many, matches)
    best = 0.0
    for threshold in [0.0, 0.1, *np.unique(many.scores).tolist(), 2.0]:
        kept = (many.scores >= threshold) & (matches.verdict != IGNORED)
        hits = int((kept & (matches.verdict == 1)).sum())
        point = curve.at(threshold)
        assert (point.kept, point.hits, point.positives) == (kept.sum(), hits, matches.positives.sum())
        best = max(best, 2 * hits / (kept.sum() + matches.positives.sum()))
    assert operating_point(many, matches).f1 == best


def test_the_area_below_the_envelope_is_average_precision():
    many = random_answers(11)
    for curve, value in zip(class_curves(many, match_boxes(many)), class_average_precision(many).values(), strict=True):
        steps = np.diff(np.concatenate([[0.0], curve.recall]))
        assert (steps * curve.envelope).sum() == pytest.approx(value)
        assert average_precision(curve.hits, curve.positives) == value


def test_without_hits_nothing_is_kept():
    for name in ("no ground truth", "no detections", "all difficult"):
        point = operating_point(NASTY[name], match_boxes(NASTY[name]))
        assert (point.hits, point.kept) == (0, 0)
        assert np.isnan(point.precision)


def test_a_score_of_nine_tenths_is_kept_at_nine_tenths():
    """Scores are float32: .9 there is a little less than .9 here."""
    one = NASTY["half overlap"]
    assert pooled_curve(one, match_boxes(one)).at(0.9).kept == 1
