"""An evaluation: its numbers are those of its parts, its galleries are in order, and it comes back from disk."""

import json

import numpy as np
import pytest

from striate.errors import DataError
from striate.training.evaluation import Evaluation
from striate.training.metrics import per_class
from striate.training.predictions import Predictions
from tests.training.scenes import predictions


def test_numbers_are_those_of_the_metrics():
    found, answers = Evaluation.from_predictions(predictions()), predictions()
    assert found.top1.hits == int(answers.correct.sum())
    assert found.top5.hits == len(answers)  # three classes
    assert found.classes.recall.tolist() == per_class(answers.labels, answers.answers, 3).recall.tolist()
    assert np.trace(found.confusion) == found.top1.hits
    assert sum(n for _, _, n in found.pairs) == found.top1.count - found.top1.hits


def test_the_surest_mistake_and_the_hardest_picture_come_first():
    answers = predictions(200)
    found = Evaluation.from_predictions(answers, gallery=5)
    wrong = [i for i in range(200) if not answers.correct[i]]
    p = answers.probabilities
    assert [c.index for c in found.mistakes] == sorted(wrong, key=lambda i: (-p[i].max(), i))[:5]
    assert [c.index for c in found.hardest] == sorted(range(200), key=lambda i: (p[i, answers.labels[i]], i))[:5]
    first = found.mistakes[0]
    assert first.name == answers.names[first.index]
    assert first.p_answered == pytest.approx(p[first.index].max())
    assert first.p_given == pytest.approx(p[first.index, first.given])


def test_a_class_with_one_picture_does_not_lead_the_difficult_ones():
    labels = np.array([0] + [1] * 30 + [2] * 30)
    answers = np.array([1] + [0] * 20 + [1] * 10 + [2] * 30)
    logits = np.eye(4)[answers] * 5
    found = Evaluation.from_predictions(Predictions(logits, labels, tuple(map(str, range(61))), tuple("abcd")))
    assert found.hardest_classes == [1, 0, 2]  # d has no pictures


def test_what_was_saved_comes_back(tmp_path):
    rng = np.random.default_rng(0)
    pictures = {3: rng.integers(0, 256, (4, 5, 3), np.uint8), 7: rng.integers(0, 256, (2, 2, 3), np.uint8)}
    found = Evaluation.from_predictions(
        predictions(), gallery=3, pictures=pictures, cost={"macs": 5}, provenance={"made": "today"}
    )
    files = found.save(tmp_path / "e")
    again = Evaluation.load(tmp_path / "e")
    assert again.to_dict() == found.to_dict()
    assert again.pictures.keys() == pictures.keys()
    np.testing.assert_array_equal(again.pictures[7], pictures[7])
    assert json.loads(files["json"].read_text())["top1"]["hits"] == found.top1.hits


def test_json_has_null_where_there_is_nothing_to_say():
    answers = Predictions([[1.0, 0.0]], [0], ("a",), ("x", "y"))
    document = json.loads(json.dumps(Evaluation.from_predictions(answers).to_dict(), allow_nan=False))
    assert document["per_class"][1]["recall"] is None
    assert document["per_class"][0]["recall"] == 1.0
    assert document["mistakes"] == []


def test_damaged_folders_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"evaluation\.json is missing"):
        Evaluation.load(tmp_path)
    found = Evaluation.from_predictions(predictions())
    files = found.save(tmp_path)
    text = files["json"].read_text()
    files["json"].write_text(text.replace('"format": 1', '"format": 99'))
    with pytest.raises(DataError, match="format 99"):
        Evaluation.load(tmp_path)
    files["json"].write_text(text[:100])
    with pytest.raises(DataError, match="damaged evaluation"):
        Evaluation.load(tmp_path)
    files["npz"].unlink()
    with pytest.raises(DataError, match=r"predictions\.npz: no such file"):
        Evaluation.load(tmp_path)
