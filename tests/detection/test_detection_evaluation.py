"""One evaluation of a detector: its numbers agree with each other, it saves itself, damaged ones are said to be."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from striate.detection.box_mistakes import MistakeCrop, crop_mistake
from striate.detection.detection_evaluation import BoxEvaluation, evaluate_boxes
from striate.detection.voc_ap import mean_average_precision
from striate.errors import DataError
from tests.detection.predicted import BOX, FAR, NASTY, answers, random_answers


@pytest.mark.parametrize("seed", range(4))
def test_numbers_agree(seed):
    many = random_answers(seed)
    found = evaluate_boxes(many, resamples=50)
    assert found.mean_ap.value == pytest.approx(mean_average_precision(many))
    assert found.mean_ap11 == pytest.approx(mean_average_precision(many, rule="11-point"))
    assert found.mean_ap.low <= found.mean_ap.value <= found.mean_ap.high
    assert found.point == found.pooled.best()
    assert sum(point.hits for point in found.class_points) == found.point.hits == np.trace(found.confusion.counts)
    scores = [one.score for one in found.mistakes]
    assert scores == sorted(scores, reverse=True)
    assert sum(kind.kept for kind in found.errors.kinds[:-1]) == found.point.kept - found.point.hits


def test_a_mistake_says_what_it_is():
    one = evaluate_boxes(answers([[(BOX, 1, 0.9), (FAR, 0, 0.4)]], [[(BOX, 0), ([60, 5, 90, 30], 2)]]))
    first, second = one.mistakes
    assert (first.kind, first.said, first.there, first.name) == ("classification", "dog", "cat", "0.jpg")
    assert first.why == "Marked as cat; IoU 1.00."
    assert second.why == "Nothing is marked here."
    assert [m.why for m in one.missed] == ["This owl was not found."]


@pytest.mark.parametrize("name", NASTY)
def test_nasty_cases_are_saved_as_plain_json_and_read_back(name, tmp_path):
    found = evaluate_boxes(NASTY[name], resamples=20)
    files = found.save(tmp_path)
    numbers = json.loads(files["json"].read_text())
    assert numbers["task"] == "detect"
    assert numbers["pictures"] == len(NASTY[name])
    value = numbers["map"]["value"]
    assert (value is None and math.isnan(found.mean_ap.value)) or value == found.mean_ap.value
    assert BoxEvaluation.load(tmp_path).to_dict().keys() == found.to_dict().keys()


def test_what_is_read_back_says_the_same(tmp_path):
    many = random_answers(7, pictures=20)
    found = evaluate_boxes(many, threshold=0.4, gallery=(5, 2), cost={"parameters": 3}, provenance={"made": "now"})
    pixels = np.random.default_rng(0).integers(0, 255, (240, 240, 3)).astype(np.uint8)
    found = replace(found, crops={i: crop_mistake(many, one, pixels) for i, one in enumerate(found.gallery)})
    found.save(tmp_path)
    back = BoxEvaluation.load(tmp_path)
    assert back.to_dict() == found.to_dict()
    assert back.point.threshold == 0.4
    assert not back.chosen
    assert (len(back.mistakes), len(back.missed)) == (5, 2)
    for place, crop in found.crops.items():
        np.testing.assert_array_equal(back.crops[place].pixels, crop.pixels)
        assert (back.crops[place].left, back.crops[place].top) == (crop.left, crop.top)


def test_crops_hold_the_boxes_and_stay_inside_of_the_picture():
    many = random_answers(9, pictures=20)
    pixels = np.zeros((240, 240, 3), np.uint8)
    found = evaluate_boxes(many, resamples=5)
    assert found.missed
    for one in found.gallery:
        crop: MistakeCrop = crop_mistake(many, one, pixels)
        height, width = crop.pixels.shape[:2]
        assert height == width >= 48
        box = many.boxes[one.found] if one.found >= 0 else many.truth_boxes[one.truth]
        inside = np.clip(box, 0, 240)
        assert crop.left <= inside[0]
        assert crop.top <= inside[1]
        assert inside[2] <= crop.left + width
        assert inside[3] <= crop.top + height


def test_damaged_and_foreign_folders_are_said_to_be(tmp_path):
    with pytest.raises(DataError, match=r"evaluation\.json is missing"):
        BoxEvaluation.load(tmp_path)
    files = evaluate_boxes(random_answers(1), resamples=5).save(tmp_path)
    numbers = json.loads(files["json"].read_text())
    files["json"].write_text(json.dumps({**numbers, "format": 9}))
    with pytest.raises(DataError, match="has format 9; this version of Striate reads 1"):
        BoxEvaluation.load(tmp_path)
    files["json"].write_text(json.dumps({"format": 1, "top1": {}}))
    with pytest.raises(DataError, match="is the evaluation of a classifier"):
        BoxEvaluation.load(tmp_path)
    files["json"].write_text(json.dumps(numbers))
    files["crops"].write_bytes(b"PK")
    with pytest.raises(DataError, match="damaged evaluation"):
        BoxEvaluation.load(tmp_path)
