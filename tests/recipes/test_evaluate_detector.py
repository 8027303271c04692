"""`striate evaluate` of detectors: whose pictures, in which order of classes, and the page drawn again."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from striate.data.box_opening import open_boxes
from striate.data.detections import Detections
from striate.detection.answering import answer_set
from striate.detection.box_predictions import BoxPredictions
from striate.errors import ConfigError, DataError, UnknownNameError
from striate.models import load
from striate.recipes import evaluate_detector as recipe
from striate.recipes import train
from striate.recipes.evaluate import EvaluateConfig
from striate.recipes.events import Done, Plan, Progress
from striate.training.run_folder import RunFolder
from tests.recipes.boxes import CLASSES, QUICK, box_folder, sure_detector

Cli = Callable[..., Any]


@pytest.fixture(scope="module")
def voc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return box_folder(tmp_path_factory.mktemp("voc") / "kit", train=6, val=0)


@pytest.fixture(scope="module")
def trained(voc: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run that set a third of its pictures aside, with weights that find boxes on everything."""
    root = tmp_path_factory.mktemp("runs")
    folder: RunFolder = next(iter([*train.run({**QUICK, "data": voc, "root": root, "val": 0.34})])).folder  # type: ignore[union-attr]
    sure_detector(folder.best)
    return folder


def evaluated(network: object, out: Path, **given: Any) -> Done:
    more = {name: given.pop(name) for name in ("iou", "threshold") if name in given}
    events = list(recipe.run(EvaluateConfig(network=str(network), out=out, **given), **more))
    assert isinstance(events[0], Plan)
    assert any(isinstance(event, Progress) and event.stage == "finding" for event in events)
    done = events[-1]
    assert isinstance(done, Done)
    return done


def test_a_run_is_evaluated_on_the_pictures_that_it_held_out(trained: RunFolder, tmp_path: Path) -> None:
    done = evaluated(trained.path, tmp_path)
    result = done.result
    assert set(result.predictions.names) == set(trained.data()["validation_pictures"])
    assert result.provenance["split"] == "held out by the run"
    assert "chosen by these same pictures" in result.provenance["notes"][0]
    assert result.predictions.labels == CLASSES
    assert len(result.predictions.boxes) > 0
    assert "report.html" in {path.name for path in done.files.values()}
    said = json.loads((trained.path / "detection.json").read_text())
    assert said["evaluated_pictures"] == len(result.predictions)
    assert recipe.is_of_boxes(tmp_path)
    assert not recipe.is_of_boxes(trained.path)


def test_all_pictures_of_a_run_say_that_it_has_learned_some(trained: RunFolder, tmp_path: Path) -> None:
    done = evaluated(trained.path, tmp_path, split="train")
    assert len(done.result.predictions) == 6
    assert any("4 of these pictures" in note for note in done.result.provenance["notes"])


def test_classes_in_another_order_are_matched_by_name(trained: RunFolder, voc: Path, tmp_path: Path) -> None:
    """The same pictures as COCO, whose categories have numbers of their own."""
    (boxes,) = open_boxes(voc).values()
    images, annotations = [], []
    numbers = {"blue": 3, "green": 8, "red": 30}
    for index, truth in enumerate(boxes.truth):
        images.append(
            {"id": index + 1, "file_name": str(boxes.where(index)), "width": truth.size[1], "height": truth.size[0]}  # type: ignore[index]
        )
        for row, (x0, y0, x1, y1) in enumerate(truth.boxes.tolist()):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": index + 1,
                    "category_id": numbers[truth.label(row)],
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "area": (x1 - x0) * (y1 - y0),
                    "iscrowd": 0,
                }
            )
    categories = [{"id": number, "name": name} for name, number in numbers.items()]
    file = tmp_path / "instances.json"
    file.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    (opened,) = open_boxes(file).values()
    assert opened.classes == ("blue", "green", "red") != CLASSES
    theirs = evaluated(trained.path, tmp_path / "coco", data=file).result
    ours = evaluated(trained.path, tmp_path / "voc", data=voc, split="train").result
    assert theirs.predictions.labels == ours.predictions.labels == CLASSES
    assert theirs.mean_ap.value == ours.mean_ap.value
    np.testing.assert_array_equal(theirs.predictions.truth_classes, ours.predictions.truth_classes)
    assert ours.provenance["split"] == "train"


def test_a_class_that_the_detector_does_not_know_is_named(trained: RunFolder, tmp_path: Path) -> None:
    data = box_folder(tmp_path / "set", classes=("red", "grene"), train=2, val=0)
    with pytest.raises(DataError, match=r"class 'grene' is none of the detector's\. Nearest: 'green'"):
        evaluated(trained.path, tmp_path / "out", data=data, split="train")
    fewer = box_folder(tmp_path / "fewer", classes=("red", "green"), train=2, val=0)
    assert evaluated(trained.path, tmp_path / "out", data=fewer, split="train").result.predictions.labels == CLASSES


def test_refusals(trained: RunFolder, voc: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="view 'ten-crop' is for networks that name pictures"):
        evaluated(trained.path, tmp_path, view="ten-crop")
    with pytest.raises(UnknownNameError, match="has no part 'tset'"):
        evaluated(trained.path, tmp_path, data=voc, split="tset")
    with pytest.raises(DataError, match=r"has only 'train'; a detector is not evaluated .* say --split train"):
        evaluated(trained.path, tmp_path, data=voc)
    with pytest.raises(DataError, match="is not the folder of a run"):
        evaluated(trained.best, tmp_path)
    with pytest.raises(DataError, match="no boxes that can be recognized"):
        evaluated(trained.path, tmp_path, data=tmp_path)


def test_what_finds_boxes(trained: RunFolder, tmp_path: Path) -> None:
    assert recipe.finds_boxes(str(trained.path))
    assert recipe.finds_boxes(str(trained.best))
    assert recipe.finds_boxes("faster_rcnn")
    assert not recipe.finds_boxes("resnet18.tv_in1k")
    assert not recipe.finds_boxes(str(tmp_path))


def test_answering_keeps_order_times_and_what_could_not_be_read(voc: Path, tmp_path: Path) -> None:
    data = box_folder(tmp_path / "set", train=4, val=0)
    (data / "JPEGImages" / "s0-01.png").write_bytes(b"torn")
    (boxes,) = open_boxes(data).values()
    network = load(sure_detector(tmp_path / "best.safetensors"))
    told, work = [], answer_set(network, boxes, lowest_score=0.2)
    while True:
        try:
            told.append(next(work))
        except StopIteration as end:
            answers, problems = end.value
            break
    assert {what for what, _, _ in told} == {"finding"}
    assert isinstance(answers, BoxPredictions)
    kept = [boxes.name(i) for i in range(len(boxes)) if "s0-01" not in boxes.name(i)]
    assert list(answers.names) == kept
    assert len(problems) + len(boxes.problems) >= 1
    assert (answers.scores >= 0.2).all()
    assert np.isfinite(answers.seconds).all()
    assert np.isnan(answers.proposal_seconds).all()
    assert answers.facts["model"] == "yolo_squeezenet1_1"
    other = Detections.of([], [], ("a",))
    assert len(other) == 0


def test_answering_with_proposals(tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    (boxes,) = open_boxes(box_folder(tmp_path / "set", train=2, val=0)).values()
    network = load(sure_detector(tmp_path / "r.safetensors", name="fast_rcnn_squeezenet1_1"))
    told, work = [], answer_set(network, boxes)
    while True:
        try:
            told.append(next(work))
        except StopIteration as end:
            answers, _ = end.value
            break
    assert [what for what, _, _ in told] == ["searching for proposals"] * 2 + ["finding"] * 2
    assert np.isfinite(answers.proposal_seconds).all()
    assert answers.facts["proposals"] > 0


def test_the_command(run_cli: Cli, trained: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run_cli("evaluate", trained.path, "--out", "page", "--iou", "0.4")
    assert result.code == 0, result.err
    assert result.out.startswith("mAP@0.4 ")
    assert "COCO AP" in result.out
    first = (tmp_path / "page" / "report.html").read_bytes()
    (tmp_path / "page" / "report.html").unlink()
    again = run_cli("evaluate", "--from", "page")
    assert again.code == 0
    assert (tmp_path / "page" / "report.html").read_bytes() == first
    document = run_cli("evaluate", trained.path, "--out", "page", "--json").json
    assert document["report"].endswith("report.html")
    for words, says in (
        (("--view", "dense"), "a detector sees the whole photo"),
        (("--iou", "1.5"), "iou"),
        (("--split", "tset"), "has no part 'tset'"),
    ):
        wrong = run_cli("evaluate", trained.path, *words)
        assert wrong.code == 2, words
        assert says in wrong.err
        assert "Traceback" not in wrong.err
