"""Evaluating and comparing detectors as recipes: events, files, the page drawn again, scores in the run's facts."""

import json

import numpy as np
import pytest

from striate.data.detections import Detections
from striate.data.problem import Problem
from striate.data.scenes import build_scenes
from striate.detection.box_predictions import BoxPredictions
from striate.detection.detector_facts import DetectorFacts, update_detector_facts
from striate.errors import DataError
from striate.recipes import compare_detectors, evaluate_boxes
from striate.recipes.events import Done, Plan, Progress


@pytest.fixture(scope="module")
def scenes():
    return build_scenes(6, part="test", seed=1)


def finder(scenes, shift, seconds=0.5):
    def find():
        found = []
        for number, there in enumerate(scenes.truth):
            boxes = there.boxes + np.float32(shift)
            scores = np.linspace(0.9, 0.3, len(there))
            found.append(Detections.of(boxes, there.classes, there.labels, scores=scores))
            yield "finding", number + 1, len(scenes)
        names = [scenes.name(i) for i in range(len(scenes))]
        facts = {"model": "yolo_v1", "family": "yolo", "proposals": 98.0}
        answers = BoxPredictions.of(found, scenes.truth, names, seconds=[seconds] * len(scenes), facts=facts)
        return answers, (Problem("unreadable", "lost.jpg", "It was left out."),)

    return find


def evaluated(scenes, out, shift, **options):
    config = evaluate_boxes.EvaluateBoxesConfig(out=out, gallery=4, **options)
    return list(evaluate_boxes.run(config, finder(scenes, shift), scenes, subject="a test on 6 pictures"))


def test_plan_progress_done_and_the_files(scenes, tmp_path):
    events = evaluated(scenes, tmp_path / "e", 25)
    assert isinstance(events[0], Plan)
    assert events[0].text == "Evaluate a test on 6 pictures: a hit needs IoU 0.5."
    assert [e.done for e in events if isinstance(e, Progress) and e.stage == "finding"] == [1, 2, 3, 4, 5, 6]
    done = events[-1]
    assert isinstance(done, Done)
    assert set(done.files) == {"report", "json", "npz", "crops"}
    assert all(path.is_file() for path in done.files.values())
    assert len(done.result.crops) == len(done.result.gallery) > 0
    page = done.files["report"].read_text(encoding="utf-8")
    assert "lost.jpg: It was left out." in page
    assert "1 could not be read and were left out" in page
    assert "98 a picture" in page
    done.files["report"].unlink()
    assert evaluate_boxes.rebuild_detection_page(tmp_path / "e").read_text(encoding="utf-8") == page


def test_the_scores_get_into_the_facts_of_the_run(scenes, tmp_path):
    update_detector_facts(tmp_path, model="yolo_v1", family="yolo")
    evaluated(scenes, tmp_path / "evaluation", 0, run=tmp_path)
    facts = DetectorFacts.load(tmp_path)
    assert (facts.mean_ap, facts.evaluated_pictures, facts.test_seconds, facts.test_pictures) == (1.0, 6, 0.5, 6)


def test_two_evaluations_and_a_run_are_compared(scenes, tmp_path):
    evaluated(scenes, tmp_path / "good", 0)
    evaluated(scenes, tmp_path / "bad", 12)
    run = tmp_path / "run"
    run.mkdir()
    update_detector_facts(run, model="rcnn", family="rcnn", test_seconds=20.0)
    assert compare_detectors.holds_detector(run)
    assert not compare_detectors.holds_detector(tmp_path)
    config = compare_detectors.CompareDetectorsConfig(
        runs=(tmp_path / "good", tmp_path / "bad", run), out=tmp_path / "compare.html"
    )
    *_, done = compare_detectors.run(config)
    assert isinstance(done, Done)
    numbers = json.loads(done.files["json"].read_text())
    assert [one["name"] for one in numbers["detectors"]] == ["good", "bad", "run"]
    assert numbers["detectors"][0]["times_faster"] == 40.0
    assert numbers["detectors"][0]["proposals_per_picture"] == 98
    assert numbers["pairs"][0]["map_difference"]["value"] < 0
    assert "cannot be tested: no answers of run" in numbers["pairs"][1]["verdict"]
    assert "good" in done.files["report"].read_text(encoding="utf-8")


def test_refusals(scenes, tmp_path):
    with pytest.raises(DataError, match="neither the run of a detector"):
        compare_detectors.read_contestants([tmp_path, tmp_path.parent])
    with pytest.raises(DataError, match="given twice"):
        compare_detectors.read_contestants([tmp_path, tmp_path])
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError):
        evaluated(scenes, tmp_path / "file", 0)
