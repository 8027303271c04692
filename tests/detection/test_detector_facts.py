"""The facts of a detector: filled by several hands, saved, refused when damaged."""

import json

import pytest

from striate.detection.detector_facts import FACTS_FILE, DetectorFacts, TrainingStage, update_detector_facts
from striate.errors import ConfigError, DataError


def test_several_hands_fill_one_file(tmp_path):
    stages = (TrainingStage("features", 40.0), TrainingStage("support vector machines", 2.5))
    update_detector_facts(tmp_path, model="rcnn", family="rcnn", stages=stages, image_size=(600, 800), cache_bytes=0)
    update_detector_facts(tmp_path, test_seconds=2.0, proposal_seconds=1.5, mean_ap=None)
    facts = update_detector_facts(tmp_path, mean_ap=0.61, notes=("first 100 scenes",))
    assert facts == DetectorFacts.load(tmp_path)
    assert (facts.training_seconds, facts.whole_seconds) == (42.5, 3.5)
    assert facts.image_size == (600, 800)
    assert facts.stages == stages


def test_what_is_unknown_stays_unknown():
    facts = DetectorFacts("yolo_v1", "yolo")
    assert facts.training_seconds is None
    assert facts.whole_seconds is None


def test_refusals(tmp_path):
    with pytest.raises(DataError, match="no such file; it is written when a detector is trained"):
        DetectorFacts.load(tmp_path)
    with pytest.raises(ConfigError, match="is new and needs model and family"):
        update_detector_facts(tmp_path, mean_ap=0.5)
    with pytest.raises(ConfigError, match="A detector has no fact 'map'"):
        update_detector_facts(tmp_path, map=0.5)
    with pytest.raises(ConfigError, match="family must be one of rcnn, fast_rcnn, faster_rcnn, yolo, other, got 'ssd'"):
        DetectorFacts("ssd", "ssd")
    update_detector_facts(tmp_path, model="yolo_v1", family="yolo")
    path = tmp_path / FACTS_FILE
    values = json.loads(path.read_text())
    for broken, words in (
        ('{"format": 9}', "later format"),
        ("{", "damaged"),
        (json.dumps({**values, "extra": 1}), "damaged"),
    ):
        path.write_text(broken)
        with pytest.raises(DataError, match=words):
            DetectorFacts.load(tmp_path)
