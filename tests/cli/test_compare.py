"""`striate compare` on detectors: the table of the notes with numbers, and what cannot be compared, by name."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from striate.data.box_set import BoxSet
from striate.data.detections import Detections
from striate.data.scenes import build_scenes
from striate.detection.box_predictions import BoxPredictions
from striate.detection.detection_evaluation import ANSWERS
from striate.detection.detector_facts import TrainingStage, update_detector_facts

Cli = Callable[..., Any]


@pytest.fixture(scope="module")
def scenes() -> BoxSet:
    """Eight scenes with shapes."""
    return build_scenes(8, part="test", seed=1)


def answers(scenes: BoxSet, shift: float, *, seconds: float, names: str = "") -> BoxPredictions:
    """What a detector says that misses every object by so many pixels."""
    found = [
        Detections.of(there.boxes + np.float32(shift), there.classes, there.labels, scores=np.full(len(there), 0.9))
        for there in scenes.truth
    ]
    called = [f"{names}{scenes.name(i)}" for i in range(len(scenes))]
    return BoxPredictions.of(found, scenes.truth, called, seconds=[seconds] * len(scenes), facts={"epoch": 1})


def detector_run(path: Path, scenes: BoxSet, shift: float, *, seconds: float, **facts: Any) -> Path:
    """A finished run, without weights."""
    path.mkdir(parents=True)
    (path / "config.yaml").write_text(f"model: {facts['model']}\n")
    update_detector_facts(path, image_size=(320, 320), test_seconds=seconds, **facts)
    answers(scenes, shift, seconds=seconds).save(path / ANSWERS)
    return path


@pytest.fixture
def runs(scenes: BoxSet, tmp_path: Path) -> tuple[Path, Path]:
    """R-CNN, slow and exact; YOLO, fast and not."""
    stages = (TrainingStage("features", 60.0), TrainingStage("machines", 30.0))
    slow = detector_run(
        tmp_path / "rcnn",
        scenes,
        0,
        seconds=20.0,
        model="rcnn",
        family="rcnn",
        proposals="selective search",
        proposals_per_picture=1832.0,
        proposal_seconds=0.25,
        stages=stages,
        weights_bytes=13_000_000,
        cache_bytes=800_000_000,
    )
    fast = detector_run(tmp_path / "yolo", scenes, 14, seconds=0.05, model="yolo", family="yolo", proposals="none")
    return slow, fast


def test_the_table_of_the_notes(run_cli: Cli, runs: tuple[Path, Path], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    result = run_cli("compare", *runs, "--out", page)
    assert result.code == 0, result.err
    table = [line.split("  ") for line in result.out.splitlines()]
    assert [cell.strip() for cell in table[0] if cell] == [
        *("run", "network", "mAP@.5", "95 %", "pictures", "trained in", "a picture", "+ proposals", "N", "canvas"),
        "disk",
    ]
    slow, fast = result.out.splitlines()[1:3]
    for words in ("rcnn", "1.000", "8", "1.5 min", "20.00 s", "250 ms", "1,832", "320×320", "813 MB"):
        assert words in slow
    for words in ("yolo", "50 ms", "none"):
        assert words in fast
    # No ratio without N and the size.
    said = "Speed beside rcnn (N = 1,832, 320×320 px), proposals left out: yolo 400× (no proposals, 320×320 px)."
    assert said in result.out
    assert "rcnn finds better than yolo by" in result.out
    text = page.read_text(encoding="utf-8")
    assert "1,832" in text
    assert "selective search" in text
    assert result.out.splitlines()[-1] == f"Next    striate detect FILES --network {runs[0]}"


def test_one_json_document(run_cli: Cli, runs: tuple[Path, Path], tmp_path: Path) -> None:
    document = run_cli("compare", *runs, "--out", tmp_path / "page.html", "--json").json
    assert document["task"] == "detect"
    assert document["best"] == document["times_refer_to"] == "rcnn"
    assert document["detectors"][1]["times_faster"] == 400
    assert document["detectors"][1]["evaluated_pictures"] == 8
    assert Path(document["report"]).exists()


def test_the_answers_that_all_of_them_gave_are_compared(
    run_cli: Cli, runs: tuple[Path, Path], scenes: BoxSet, tmp_path: Path
) -> None:
    """One was asked about a test set, the other was not: both have answered the pictures set aside."""
    test = runs[0] / "evaluation-test"
    test.mkdir()
    answers(scenes, 40, seconds=20.0, names="test-").save(test / ANSWERS)
    update_detector_facts(runs[0], mean_ap=0.0, evaluated_pictures=8)  # as evaluating it did
    document = run_cli("compare", *runs, "--out", tmp_path / "page.html", "--json").json
    assert document["pairs"][0]["pictures"] == 8
    assert document["detectors"][0]["mean_ap"] == 1.0  # of the pictures of the comparison, not of the test set
    other = runs[1] / "evaluation-test"
    other.mkdir()
    answers(scenes, 0, seconds=0.05, names="test-").save(other / ANSWERS)
    document = run_cli("compare", *runs, "--out", tmp_path / "page.html", "--json").json
    assert [one["mean_ap"] for one in document["detectors"]] == [0.0, 1.0]  # now the test set counts


def test_without_common_pictures_it_says_what_to_do(
    run_cli: Cli, runs: tuple[Path, Path], scenes: BoxSet, tmp_path: Path
) -> None:
    answers(scenes, 3, seconds=0.05, names="other-").save(runs[1] / ANSWERS)
    result = run_cli("compare", *runs, "--out", tmp_path / "page.html")
    assert result.code == 0
    assert "they have no picture with the same boxes in common" in result.out
    assert "Let both answer the same pictures (striate evaluate RUN DATA)" in result.err
    (runs[1] / ANSWERS).unlink()
    result = run_cli("compare", *runs, "--out", tmp_path / "page.html")
    assert "no answers of yolo" in result.out
    assert f"Make some with: striate evaluate {runs[1]} DATA" in result.err


def test_kinds_are_not_mixed(run_cli: Cli, runs: tuple[Path, Path], tmp_path: Path) -> None:
    names = tmp_path / "resnet"
    names.mkdir()
    (names / "config.yaml").write_text("model: resnet18\n")
    result = run_cli("compare", runs[0], names)
    assert result.code == 2
    assert f"{names} names whole pictures and {runs[0]} finds boxes" in result.err


def test_one_that_has_not_finished_is_named(run_cli: Cli, runs: tuple[Path, Path], tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    begun.mkdir()
    (begun / "config.yaml").write_text("model: faster_rcnn\n")
    result = run_cli("compare", runs[0], begun)
    assert result.code == 2
    assert "has not finished" in result.err
    assert f"striate train --resume {begun}" in result.err


def test_runs_lists_both_kinds(run_cli: Cli, runs: tuple[Path, Path], tmp_path: Path) -> None:
    names = tmp_path / "resnet"
    names.mkdir()
    (names / "config.yaml").write_text("model: resnet18\ndata: photos\nepochs: 2\n")
    (names / "status.json").write_text(
        json.dumps({"state": "finished", "epoch": 2, "best_score": 0.5, "best_epoch": 2})
    )
    score = {"state": "finished", "epoch": 1, "best_score": 0.81, "best_epoch": 1, "score": "map50"}
    (runs[0] / "status.json").write_text(json.dumps(score))
    result = run_cli("runs", tmp_path)
    assert result.code == 0
    assert "mAP@.5 .810" in result.out
    assert "50.0 %" in result.out
    assert "striate compare" not in result.out  # those two are of different kinds
