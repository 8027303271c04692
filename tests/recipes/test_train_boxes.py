"""From pictures with boxes to a detector that other verbs take, and on from where a run was left."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import striate
from striate.data.box_opening import open_boxes
from striate.data.coco_json import to_coco
from striate.detection.box_predictions import BoxPredictions
from striate.detection.finding import detect
from striate.detection.proposals import ProposalProgress, ProposalSettings
from striate.detection.rcnn_settings import RCNNSettings, RCNNTrained, StageDone
from striate.errors import ConfigError, DataError, UnknownNameError
from striate.models import create_model
from striate.recipes import train as recipe
from striate.recipes import train_rcnn
from striate.recipes.train_box_plan import heads_of, plan_box_training
from striate.recipes.train_plan import TrainPlan
from striate.training.events import EpochDone, ReportWritten, Resumed, StepDone, Stopped, TrainingDone
from striate.training.parameter_groups import freeze, stages_of
from striate.training.run_folder import RunFolder
from striate.training.world import ALONE
from tests.recipes.boxes import CLASSES, QUICK, box_folder, rectangles
from tests.recipes.drawn import draw_folder

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def voc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine pictures to learn from, three to be measured on; every third shows nothing."""
    return box_folder(tmp_path_factory.mktemp("voc") / "kit")


@pytest.fixture(scope="module")
def finished(voc: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, list[Any]]:
    return run(voc, tmp_path_factory.mktemp("finished"), epochs=2)


def run(data: Path, root: Path, *, stop_after: int | None = None, **given: Any) -> tuple[RunFolder, list[Any]]:
    """Train to the end, or until some steps are done."""
    at, events = [0], []
    more = {name: given.pop(name) for name in ("resume", "folder") if name in given}
    for event in recipe.run(
        {**QUICK, "data": data, "root": root, **given},
        should_stop=lambda: stop_after is not None and at[0] >= stop_after,
        **more,
    ):
        at[0] = event.step if isinstance(event, StepDone) else at[0]
        events.append(event)
    return events[0].folder, events


def plan(data: Path, root: Path, **given: Any) -> TrainPlan:
    return plan_box_training({**QUICK, "data": data, "root": root, **given}, world=ALONE, device=CPU)


def test_the_folder_of_a_run_is_a_detector(finished: tuple[RunFolder, list[Any]], voc: Path) -> None:
    folder, events = finished
    assert folder.path.parent.name == "detect"
    assert isinstance(events[0], TrainPlan)
    assert (
        "9 pictures with 12 boxes of 3 classes (3 to 6 a class); 3 pictures to validate on" in events[0].sentences()[0]
    )
    (done,) = [event for event in events if isinstance(event, TrainingDone)]
    assert done.score == "map50"
    assert isinstance(events[-1], ReportWritten)
    assert events[-1].reason is None or not events[-1].reason
    assert "mAP" in folder.report.read_text(encoding="utf-8")
    network = striate.load(folder.path)
    assert (network.name, tuple(network.labels)) == ("yolo_squeezenet1_1", CLASSES)
    assert network.preprocessing.fit == "whole"
    assert network.preprocessing.input_size == (64, 64)
    photos = sorted((voc / "JPEGImages").glob("*.png"))
    for boxes, photo in zip(detect(network, photos[:2], score=0.0), photos[:2], strict=True):
        assert boxes.size == (64, 80), photo
    facts = folder.data()
    assert facts["kind"] == "voc"
    assert facts["train"] == {"red": 3, "green": 6, "blue": 3}
    assert sum(facts["validation"].values()) == 4
    assert len(facts["validation_pictures"]) == 3
    assert folder.status()["state"] == "finished"
    assert folder.status()["score"] == "map50"
    said = json.loads((folder.path / "detection.json").read_text())
    assert (said["model"], said["family"], said["backbone"]) == ("yolo_squeezenet1_1", "yolo", "squeezenet1_1")
    assert said["training_pictures"] == 9
    assert (folder.plots / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert not list(folder.path.rglob("*.part"))
    rows = folder.metrics()
    assert [row["epoch"] for row in rows] == [1, 2]
    assert {"train_loss", "train_coord", "val_loss", "val_map50"} <= set(rows[0])
    assert len(BoxPredictions.load(folder.predictions)) == 3


def test_the_best_weights_answer_what_was_stored(finished: tuple[RunFolder, list[Any]], voc: Path) -> None:
    """What a person gets from `detect` is what validation has measured."""
    folder, _ = finished
    answered = BoxPredictions.load(folder.predictions)
    network = striate.load(folder.path)
    for number, name in enumerate(answered.names):
        [found] = detect(network, voc / name if (voc / name).is_file() else voc / "JPEGImages" / name, score=0.01)
        first, last = answered.found_starts[number : number + 2]
        np.testing.assert_allclose(found.boxes, answered.boxes[first:last], atol=0.05)
        np.testing.assert_allclose(found.scores, answered.scores[first:last], atol=1e-3)


@pytest.mark.parametrize("layout", ["coco", "yolo"])
def test_every_layout_is_the_same_training(layout: str, voc: Path, tmp_path: Path) -> None:
    data = box_folder(tmp_path / "set", layout)
    ours, theirs = plan(data, tmp_path), plan(voc, tmp_path)
    assert ours.data.train.classes == theirs.data.train.classes == CLASSES
    assert ours.data.train.counts().tolist() == theirs.data.train.counts().tolist()
    assert ours.data.held_out == "the data's own"
    assert ours.estimate.parameters == theirs.estimate.parameters
    assert not (tmp_path / "detect").exists()


def test_without_a_part_of_its_own_some_pictures_are_set_aside(tmp_path: Path) -> None:
    data = box_folder(tmp_path / "set", val=0)
    made = plan(data, tmp_path, val=0.3)
    assert made.data.validation is not None
    assert len(made.data.train) + len(made.data.validation) == 9
    assert len(made.data.validation) in {2, 3, 4}
    assert "by split seed 0" in made.data.held_out
    assert plan(data, tmp_path, val=0.0).data.validation is None


def test_one_class_and_two_pictures(tmp_path: Path) -> None:
    data = box_folder(tmp_path / "set", train=2, val=1, classes=("red",))
    folder, events = run(data, tmp_path, batch_size=2)
    assert isinstance(events[-1], ReportWritten)
    assert tuple(striate.load(folder.path).labels) == ("red",)


def test_no_object_at_all_is_refused(tmp_path: Path) -> None:
    data = box_folder(tmp_path / "set", "coco", most=0)
    with pytest.raises(DataError, match="there is no box on any of 9 training pictures"):
        plan(data, tmp_path)
    assert not (tmp_path / "detect").exists()


def test_a_class_that_only_the_validation_has_is_told(tmp_path: Path) -> None:
    """VOC names classes in every file: one that was never learned from cannot be found."""
    data = box_folder(tmp_path / "set", classes=("red", "green"))
    (data / "classes.txt").unlink(missing_ok=True)
    for file in sorted((data / "Annotations").glob("s7-*.xml"))[:1]:
        file.write_text(file.read_text().replace("<name>red</name>", "<name>Red</name>"))
    made = plan(data, tmp_path)
    problems = [problem for problem in made.data.problems if "'Red'" in problem.text]
    assert problems
    assert ".xml" in problems[0].where
    assert made.data.validation is not None
    assert made.data.validation.classes == made.data.train.classes
    _, events = run(data, tmp_path)
    assert isinstance(events[-1], ReportWritten)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"mixup": 0.2}, "mixup is for networks that name pictures; 'yolo_squeezenet1_1' finds boxes"),
        ({"label_smoothing": 0.1}, "label_smoothing is for networks"),
        ({"erasing": 0.1}, "erasing is for networks"),
        ({"channels": "L"}, "channels is for networks"),
        ({"size": 70}, "needs a size of at least 32 pixels, a multiple of 32, got 70"),
        ({"weights": "in22k"}, "No weights named 'squeezenet1_1.in22k'"),
        ({"augment": "imagenet"}, "No augmentation of boxes named 'imagenet'"),
        ({"recipe": "few"}, "No recipe named 'few'"),
        ({"model": "yolo_v1_tiny", "weights": "in1k"}, "has no trunk with trained weights"),
    ],
)
def test_settings_that_do_not_fit_are_refused(given: dict[str, Any], says: str, voc: Path, tmp_path: Path) -> None:
    with pytest.raises((ConfigError, UnknownNameError), match=says):
        run(voc, tmp_path, **given)
    assert not (tmp_path / "detect").exists()


def test_boxes_want_a_detector_and_a_detector_wants_boxes(voc: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"holds boxes \(voc\), and 'resnet18' names whole pictures; give --model fast"
    ):
        run(voc, tmp_path, model="resnet18")
    with pytest.raises(DataError, match="no boxes that can be recognized"):
        run(draw_folder(tmp_path / "stripes", count=6), tmp_path)


def test_it_begins_with_the_weights_of_another_run_for_other_classes(
    finished: tuple[RunFolder, list[Any]], tmp_path: Path
) -> None:
    first, _ = finished
    data = box_folder(tmp_path / "set", classes=("dot", "bar"))
    second, events = run(data, tmp_path, weights=str(first.path), lr=1e-12, freeze="none")
    begun = events[0].beginning
    assert begun.start == str(first.path)
    assert any("learns other classes" in note for note in begun.notes)
    assert tuple(striate.load(second.path).labels) == ("dot", "bar")
    before, after = load_file(first.best), load_file(second.best)
    trunk = [name for name in before if ".trunk." in name]
    assert trunk
    assert all(torch.allclose(before[name], after[name], atol=1e-6) for name in trunk)
    with pytest.raises(ConfigError, match=r"are of 'yolo_squeezenet1_1', but the model is 'fast_rcnn_squeezenet1_1'"):
        plan(data, tmp_path, model="fast_rcnn_squeezenet1_1", weights=str(first.path))


def test_it_goes_on_where_it_was_left(voc: Path, tmp_path: Path) -> None:
    whole, _ = run(voc, tmp_path / "whole", epochs=2, seed=3)
    cut, events = run(voc, tmp_path / "cut", epochs=2, seed=3, stop_after=2)
    assert isinstance(events[-1], Stopped)
    moved = RunFolder(tmp_path / "elsewhere" / "renamed")
    moved.path.parent.mkdir()
    shutil.move(cut.path, moved.path)
    events = list(recipe.run(recipe.same_run(moved), resume=True, folder=moved))
    assert isinstance(events[1], Resumed)
    assert events[1].step > 0
    for ours, theirs in ((whole.best, moved.best), (whole.last, moved.last)):
        one, other = load_file(ours), load_file(theirs)
        assert one.keys() == other.keys()
        assert all(torch.equal(value, other[name]) for name, value in one.items())
    assert (moved.path / "detection.json").is_file()


def test_a_picture_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    data = box_folder(tmp_path / "set")
    torn = data / "JPEGImages" / "s0-03.png"
    torn.write_bytes(torn.read_bytes()[:200])
    folder, events = run(data, tmp_path)
    assert isinstance(events[-1], ReportWritten)
    assert any("s0-03.png" in where for _, where, _ in folder.data()["skipped"])


def test_fast_rcnn_finds_its_proposals_first(tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    data = box_folder(tmp_path / "set", train=2, val=1)
    folder, events = run(data, tmp_path, model="fast_rcnn_squeezenet1_1", batch_size=2)
    searched = [event for event in events if isinstance(event, ProposalProgress)]
    assert [(event.done, event.total) for event in searched] == [(1, 2), (2, 2), (1, 1)]
    assert isinstance(events[-1], ReportWritten)
    said = json.loads((folder.path / "detection.json").read_text())
    assert said["proposals"] == "selective search"
    assert [stage["name"] for stage in said["stages"]] == ["proposals", "network"]
    assert striate.load(folder.path).name == "fast_rcnn_squeezenet1_1"


@pytest.fixture
def few_regions(monkeypatch: pytest.MonkeyPatch) -> None:
    """R-CNN's stages in a second or two."""
    windows = ProposalSettings("sliding_windows", max_boxes=20, min_side_px=16)
    quick = RCNNSettings(
        proposals=windows, steps=2, batch=8, pictures_a_step=2, pictures=6, regions=20, regression_above=0.3, workers=1
    )
    usual = train_rcnn.rcnn_settings
    monkeypatch.setattr(train_rcnn, "rcnn_settings", lambda config: replace(quick, seed=usual(config).seed))


def test_rcnn_by_stages_stopped_and_gone_on_with(voc: Path, tmp_path: Path, few_regions: None) -> None:
    given = {"model": "rcnn_squeezenet1_1", "seed": 2}
    whole, events = run(voc, tmp_path / "whole", **given)
    assert isinstance(events[0], TrainPlan)
    stages = [event.stage for event in events if isinstance(event, StageDone)]
    assert stages == ["proposals", "fine-tuning", "features", "machines", "regressors"]
    assert [type(event) for event in events[-2:]] == [TrainingDone, ReportWritten]
    (row,) = [event.row for event in events if isinstance(event, EpochDone)]
    assert 0 <= row["val_map50"] <= 1
    assert whole.status()["state"] == "finished"
    said = json.loads((whole.path / "detection.json").read_text())
    assert said["family"] == "rcnn"
    assert {stage["name"] for stage in said["stages"]} >= {"proposals", "fine-tuning", "features"}
    network = striate.load(whole.path)
    windows = ProposalSettings("sliding_windows", max_boxes=20, min_side_px=16)
    photo = min((voc / "JPEGImages").glob("*.png"))
    assert len(detect(network, photo, score=0.0, proposals=windows)) == 1

    asked = [0]

    def later() -> bool:
        asked[0] += 1
        return asked[0] > 6

    began = list(recipe.run({**QUICK, "data": voc, "root": tmp_path / "cut", **given}, should_stop=later))
    assert isinstance(began[-1], Stopped)
    cut = began[0].folder
    assert cut.status()["state"] == "stopped"
    again = list(recipe.run(recipe.same_run(cut), resume=True, folder=cut))
    assert any(isinstance(event, RCNNTrained) for event in again)
    ours, theirs = load_file(whole.best), load_file(cut.best)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_coco_marks_survive_the_way_into_training(tmp_path: Path) -> None:
    """A crowd is ignored, not learned as one object."""
    drawn = rectangles(tmp_path / "pictures", 4)
    annotations: list[dict[str, Any]] = []
    for number, boxes in enumerate(drawn.truth, start=1):
        annotations += to_coco(boxes, image_id=number, first_id=len(annotations) + 1)
    annotations[0]["iscrowd"] = 1
    for annotation in annotations:
        annotation.pop("score", None)
    document = {
        "images": [
            {"id": n, "file_name": drawn.name(n - 1), "width": 80, "height": 64} for n in range(1, len(drawn) + 1)
        ],
        "annotations": annotations,
        "categories": [{"id": n, "name": name} for n, name in enumerate(CLASSES, start=1)],
    }
    (tmp_path / "pictures" / "instances.json").write_text(json.dumps(document))
    (opened,) = open_boxes(tmp_path / "pictures").values()
    assert opened.truth[0].crowd.tolist() == [True, False]
    made = plan(tmp_path / "pictures", tmp_path, val=0.0)
    assert sum(boxes.crowd.sum() for boxes in made.data.train.truth) == 1  # type: ignore[union-attr]


@pytest.mark.parametrize("model", ["faster_rcnn_squeezenet1_1", "fast_rcnn_squeezenet1_1", "yolo_squeezenet1_1"])
def test_a_frozen_trunk_leaves_the_heads_and_rates_fall_towards_the_picture(model: str) -> None:
    module = create_model(model, num_classes=3)
    stages = stages_of(module, classifier=heads_of(module))
    trunk = [stage.name for stage in stages if not stage.is_classifier]
    assert len(trunk) > 5
    assert trunk == sorted(trunk, key=lambda name: int(name.rpartition(".")[2]))  # as the picture passes through them
    freeze(module, stages, "trunk")
    learning = {name for name, weight in module.named_parameters() if weight.requires_grad}
    assert learning
    assert not [name for name in learning if ".trunk." in name or ".body." in name]
    assert learning >= {name for stage in stages if stage.is_classifier for name in stage.parameters}
