"""Answers of a detector: taken apart and put together, saved and read back, refused with the picture's name."""

import numpy as np
import pytest

from striate.data.detections import Detections
from striate.detection.box_predictions import BoxPredictions
from striate.errors import DataError, ShapeError
from tests.detection.predicted import BOX, LABELS, NASTY, answers, random_answers

COLUMNS = [name for name in BoxPredictions.__dataclass_fields__ if name not in ("names", "labels", "facts")]


def same(a, b):
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
        assert getattr(a, name).dtype == getattr(b, name).dtype
    assert (a.names, a.labels, a.facts) == (b.names, b.labels, b.facts)


def test_pictures_come_out_as_they_went_in():
    many = random_answers(3)
    parts = range(len(many))
    again = BoxPredictions.of([many.found(i) for i in parts], [many.truth(i) for i in parts], many.names)
    same(again, many)
    assert len(many.found_pictures) == len(many.boxes)
    assert many.truth(0).size == (240, 240)


@pytest.mark.parametrize("name", NASTY)
def test_saved_and_read_back(name, tmp_path):
    one = NASTY[name]
    same(BoxPredictions.load(one.save(tmp_path / "predictions.npz")), one)


def test_facts_and_times_are_kept(tmp_path):
    one = answers([[], []], [[], []], seconds=[0.5, 0.25], facts={"model": "yolo", "score_threshold": 0.01})
    back = BoxPredictions.load(one.save(tmp_path / "p.npz"))
    same(back, one)
    assert back.seconds.tolist() == [0.5, 0.25]
    assert np.isnan(back.proposal_seconds).all()


def test_some_pictures_in_another_order_also_twice():
    many = random_answers(4)
    some = many.subset([5, 0, 5])
    assert some.names == ("5.jpg", "0.jpg", "5.jpg")
    for place, index in enumerate([5, 0, 5]):
        np.testing.assert_array_equal(some.found(place).boxes, many.found(index).boxes)
        np.testing.assert_array_equal(some.truth(place).difficult, many.truth(index).difficult)
    assert len(many.subset([])) == 0


def test_damaged_files_are_said_to_be(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        BoxPredictions.load(tmp_path / "none.npz")
    path = random_answers(1).save(tmp_path / "p.npz")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match=r"p\.npz: damaged"):
        BoxPredictions.load(path)
    np.savez(path, words=np.frombuffer(b"{}", np.uint8))
    with pytest.raises(DataError, match=r"p\.npz: damaged .*boxes"):
        BoxPredictions.load(path)


def test_refusals():
    truth = [Detections.of([BOX], [0], LABELS)] * 2
    nothing = Detections.of([], [], LABELS, scores=[])
    broken = Detections.of([[np.nan, 0, 1, 1]], [0], LABELS, scores=[0.5])
    with pytest.raises(
        DataError, match=r"^b\.jpg: a found box that is not finite \(nan, 0, 1, 1, score 0\.5\); 1 of 1"
    ):
        BoxPredictions.of([nothing, broken], truth, ["a.jpg", "b.jpg"])
    with pytest.raises(DataError, match=r"^a\.jpg: a found box that is not finite"):
        BoxPredictions.of([Detections.of([BOX], [0], LABELS, scores=[np.inf]), nothing], truth, ["a.jpg", "b.jpg"])
    with pytest.raises(DataError, match="a true box whose right or lower side comes first"):
        BoxPredictions.of([nothing], [Detections.of([[5, 0, 1, 1]], [0], LABELS)], ["a.jpg"])
    with pytest.raises(ShapeError, match=r"a\.jpg: the boxes found need scores"):
        BoxPredictions.of(truth[:1], truth[:1], ["a.jpg"])
    with pytest.raises(ShapeError, match="one a picture"):
        BoxPredictions.of([], [], [])
    with pytest.raises(ShapeError, match="one a picture, of at least one picture, got 1, 2 and 2"):
        BoxPredictions.of([nothing], truth, ["a", "b"])
    with pytest.raises(ShapeError, match="all pictures need the same labels"):
        BoxPredictions.of([Detections.of([], [], ("cat",), scores=[])], truth[:1], ["a"])
    with pytest.raises(ShapeError, match="seconds must be one number for each of the 1 pictures"):
        BoxPredictions.of([nothing], truth[:1], ["a"], seconds=[1.0, 2.0])
