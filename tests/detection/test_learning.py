"""The task of finding boxes: where they go with their photo, what does not count, parts, processes, resuming."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from striate.data.augment import Draws
from striate.data.box_set import BoxSet
from striate.detection.box_predictions import BoxPredictions
from striate.detection.learning import BoxInputs, DetectionTask
from striate.detection.proposals import Proposals
from striate.errors import ConfigError, DataError
from striate.training.events import EpochDone, PicturesSkipped, Resumed, StepDone, Stopped, TrainingDone, Validating
from striate.training.identity import run_identity, what_changed
from striate.training.learner import Learner
from striate.training.run_folder import RunFolder
from striate.training.world import ALONE
from tests.detection.shapes import shape_set
from tests.detection.small import (
    CANVAS,
    WINDOWS,
    Grid,
    batch_of,
    box_settings,
    box_task,
    box_trainer,
    one_picture,
    small_detector,
)
from tests.training.jobs import gang
from tests.training.small import only

CPU = torch.device("cpu")


def inputs_of(task: DetectionTask, indices: Any, *, epoch: int = 0, dtype: torch.dtype = torch.float32) -> BoxInputs:
    batch = batch_of(task, indices, epoch=epoch)
    draws = Draws(0, epoch, batch.indices)
    return task.inputs(batch, draws, device=CPU, dtype=dtype, memory_format=torch.channels_last)


# Photo, boxes, proposals: one cut for all of them


@pytest.mark.parametrize("size", [(96, 96), (50, 131), (201, 77), (64, 64), (20, 30)])
@pytest.mark.parametrize("fit", ["whole", "stretch", "shorter"])
@pytest.mark.parametrize("policy", [{}, {"flip": 1.0}, {"region": "moved", "flip": 1.0}, {"region": "moved"}])
def test_boxes_and_proposals_are_where_the_photo_shows_them(
    size: tuple[int, int], fit: Any, policy: dict[str, Any]
) -> None:
    h, w = size
    box = (w // 3, h // 3, w - w // 4, h - h // 5)
    pictures = one_picture(size, [box])
    given = Proposals((pictures.truth[0].boxes,), WINDOWS)
    task = replace(box_task(train=pictures, validation=None, policy="none", fit=fit, **policy), train_proposals=given)
    for epoch in range(3):
        inputs = inputs_of(task, [0], epoch=epoch)
        height, width = inputs.sizes[0]
        assert inputs.x.shape[2] >= height > 0
        assert inputs.x.shape[3] >= width > 0
        assert not inputs.x[0, :, height:].any()  # to the bit: nothing is there, not even normalized black
        assert not inputs.x[0, :, :, width:].any()
        assert inputs.x[0, :, :height, :width].abs().min() > 0
        seen = task.preprocessing.denormalize(inputs.x)[0].mean(0)
        seen[height:] = seen[:, width:] = 0
        bright = torch.nonzero(seen > (40 / 255 + 1) / 2)
        assert len(bright), "the object is not there"
        (y0, x0), (y1, x1) = bright.min(0).values.tolist(), (bright.max(0).values + 1).tolist()
        for name, found in (("box", inputs.targets[0].boxes), ("proposal", (inputs.proposals or ())[0])):
            assert len(found) == 1, name
            shift = (found[0] - torch.tensor([x0, y0, x1, y1])).abs().max().item()
            assert shift <= 0.75, (name, found[0].tolist(), (x0, y0, x1, y1))  # half a pixel, and the filter's slope
        assert inputs.targets[0].classes.tolist() == [0]


def test_what_need_not_be_found_is_ignored_and_what_hardly_shows_too() -> None:
    boxes = [(5, 5, 30, 30), (40, 5, 60, 30), (5, 40, 30, 60), (60, 60, 90, 90)]
    marks = {"difficult": [False, True, False, False], "crowd": [False, False, True, False]}
    task = box_task(train=one_picture((96, 96), boxes, **marks), validation=None, policy="none")
    targets = inputs_of(task, [0]).targets[0]
    assert targets.ignored.tolist() == [False, True, True, False]
    assert targets.boxes.dtype == torch.float32
    assert targets.classes.dtype == torch.int64
    # Moved by up to a half: some objects lie outside, others show a sliver.
    moved = box_task(train=one_picture((96, 96), boxes), validation=None, policy="none", region="moved", moved=0.45)
    ignored = counted = 0
    for epoch in range(20):
        found = inputs_of(moved, [0], epoch=epoch).targets[0]
        sides = found.boxes[:, 2:] - found.boxes[:, :2]
        assert (sides > 0).all()
        assert (found.boxes >= 0).all()
        assert (found.boxes <= 64).all()
        ignored += int(found.ignored.sum())
        counted += len(found.ignored)
    assert 0 < ignored < counted < 80


def test_proposals_that_do_not_show_are_left_out() -> None:
    boxes = np.array([[5, 5, 30, 30], [200, 200, 220, 220], [90, 90, 140, 140]], dtype=np.float32)
    task = box_task(train=one_picture((96, 96), [(5, 5, 30, 30)]), validation=None, policy="none")
    inputs = inputs_of(replace(task, train_proposals=Proposals((boxes,), WINDOWS)), [0])
    assert inputs.proposals is not None
    torch.testing.assert_close(
        inputs.proposals[0], torch.tensor([[5.0, 5, 30, 30], [90, 90, 96, 96]]) * 64 / 96, rtol=1e-6, atol=1e-5
    )


def test_a_picture_that_cannot_be_read_leaves_the_others_their_boxes(tmp_path: Path) -> None:
    pictures = shape_set(4, side=96, folder=tmp_path)
    (tmp_path / "001.png").write_bytes(b"no picture")
    task = box_task(train=pictures, validation=None)
    whole = box_task(train=shape_set(4, side=96), validation=None)
    broken, sound = inputs_of(task, [3, 1, 0, 2]), inputs_of(whole, [3, 1, 0, 2])
    assert len(broken.x) == len(broken.sizes) == len(broken.targets) == 3
    for ours, theirs in zip((0, 1, 2), (0, 2, 3), strict=True):
        assert torch.equal(broken.targets[ours].boxes, sound.targets[theirs].boxes)
        torch.testing.assert_close(broken.x[ours], sound.x[theirs], atol=0.1, rtol=0)  # decoders differ by a level


# Parts of a batch


def test_a_share_without_a_picture_does_not_count() -> None:
    task = box_task("faster_rcnn")
    nothing = inputs_of(task, [])
    assert not nothing.counts
    learner = Learner(task, box_settings(), device=CPU, world=ALONE)
    learner.begin_epoch()
    losses = task.losses(learner.module, nothing, learner.settings)
    losses.whole.sum().backward()  # type: ignore[no-untyped-call]
    assert {name: len(values) for name, values in losses.told.items()}.keys() >= {"loss", "rpn_class", "class"}
    assert not any(len(values) for values in losses.told.values())
    assert all(weight.grad is None or not weight.grad.any() for weight in task.module.parameters())
    assert len(nothing.split(2)) == 2
    three = inputs_of(task, [0, 1, 2]).split(5)
    assert [part.counts for part in three] == [True, True, True, False, False]
    assert all(isinstance(part, BoxInputs) for part in three)


@pytest.mark.parametrize("parts", [2, 3, 4])
def test_a_batch_in_parts_is_the_batch(parts: int) -> None:
    found = []
    for accumulate in (1, parts):
        task = box_task(policy="yolo")
        settings = box_settings(accumulate=accumulate, precision="float64", clip_norm=1.0, optimizer="sgd", lr=0.05)
        learner = Learner(task, settings, device=CPU, world=ALONE)
        learner.begin_epoch()
        told = [learner.learn(batch_of(task, range(4)), step=step, epoch=0, count=4, rate=0.05) for step in range(3)]
        found.append(([{k: float(v) for k, v in one.items()} for one in told], learner.module.state_dict()))
    for ours, theirs in zip(found[0][0], found[1][0], strict=True):
        assert ours == pytest.approx(theirs, rel=1e-12)
    for name, value in found[0][1].items():
        torch.testing.assert_close(found[1][1][name], value, rtol=1e-9, atol=1e-12)


def test_the_loss_is_the_sum_of_its_parts_and_falls() -> None:
    task = box_task(norm=True, policy="none")
    learner = Learner(task, box_settings(), device=CPU, world=ALONE)
    learner.begin_epoch()
    losses = []
    for step in range(40):
        told = learner.learn(batch_of(task, range(8)), step=step, epoch=0, count=8, rate=0.01)
        assert float(told["loss"]) == pytest.approx(sum(float(v) for k, v in told.items() if k != "loss"), rel=1e-5)
        losses.append(float(told["loss"]))
    assert set(told) == {"loss", "coord", "size", "objectness", "noobj", "class"}
    assert losses[-1] < 0.5 * losses[0]


# Whole runs


def kept(folder: Path) -> dict[str, Any]:
    """Everything that a run leaves, but times."""
    rows = RunFolder(folder).metrics()
    for row in rows:
        del row["seconds"], row["images_per_s"]
    answered = BoxPredictions.load(folder / "predictions.npz")
    return {"rows": rows, "boxes": answered.boxes.tolist(), "names": answered.names, "scores": answered.scores.tolist()}


@pytest.mark.parametrize(("kind", "stop"), [("yolo", 4), ("faster_rcnn", 2), ("fast_rcnn", 3)])
def test_interrupted_and_resumed_it_ends_with_the_same_bits(kind: str, stop: int, tmp_path: Path) -> None:
    """Within an epoch, or after its last step of three: what a detector draws by chance follows from the step."""
    changes: dict[str, Any] = {"ema": 0.9, "accumulate": 2}
    policy = "yolo" if kind == "yolo" else "flip"

    def run(name: str) -> Any:
        return box_trainer(tmp_path / name, box_task(kind, policy=policy, norm=kind == "yolo"), **changes)

    events = list(run("whole").run())
    assert isinstance(events[-1], TrainingDone)
    assert events[-1].score == "map50"
    at = [0]
    for event in run("cut").run(should_stop=lambda: at[0] >= stop):
        at[0] = event.step if isinstance(event, StepDone) else at[0]
    assert isinstance(event, Stopped)
    assert event.is_kept
    again = list(run("cut").run(resume=True))
    assert isinstance(again[0], Resumed)
    assert again[0].step in {stop, stop + 1}  # asked before a step is told
    assert kept(tmp_path / "whole") == kept(tmp_path / "cut")
    for file in ("best.safetensors", "last.safetensors"):
        ours, theirs = load_file(tmp_path / "whole" / file), load_file(tmp_path / "cut" / file)
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(value, theirs[key]) for key, value in ours.items())


def test_validation_gathers_in_the_order_of_the_pictures(tmp_path: Path) -> None:
    pictures = shape_set(11, side=96, seed=1, folder=tmp_path / "pictures")
    (tmp_path / "pictures" / "004.png").write_bytes(b"torn")
    events = list(box_trainer(tmp_path / "run", box_task(validation=pictures), epochs=1).run())
    (row,) = [event.row for event in only(iter(events), EpochDone)]
    assert 0 <= row["val_map50"] <= 1
    assert np.isfinite(row["val_loss"])
    told = only(iter(events), Validating)
    assert [event.done for event in told] == sorted(event.done for event in told)
    assert (told[-1].done, told[-1].total) == (11, 11)
    (skipped,) = only(iter(events), PicturesSkipped)
    assert "004.png" in skipped.problems[0].where
    answered = BoxPredictions.load(tmp_path / "run" / "predictions.npz")
    assert answered.names == tuple(f"{n:03d}.png" for n in range(11) if n != 4)
    for number, name in enumerate(answered.names):
        want = pictures.truth[int(name[:3])]
        first, last = answered.truth_starts[number : number + 2]
        np.testing.assert_array_equal(answered.truth_boxes[first:last], want.boxes)
        assert answered.sizes[number].tolist() == [96, 96]
    assert np.isfinite(answered.seconds).all()
    assert answered.facts["loss"] == pytest.approx(row["val_loss"])


def test_no_picture_to_measure_on_can_be_read(tmp_path: Path) -> None:
    pictures = shape_set(2, side=96, seed=1, folder=tmp_path / "pictures")
    for path in (tmp_path / "pictures").iterdir():
        path.write_bytes(b"torn")
    with pytest.raises(DataError, match="None of the validation pictures can be read"):
        list(box_trainer(tmp_path / "run", box_task(validation=pictures), epochs=1).run())


def test_pictures_without_objects_are_learned_from_and_measured_on(tmp_path: Path) -> None:
    def bare(pictures: BoxSet) -> BoxSet:
        return replace(pictures, truth=tuple(boxes.pick([]) for boxes in pictures.truth))

    task = box_task("faster_rcnn", train=bare(shape_set(4, side=96)), validation=bare(shape_set(2, side=96, seed=1)))
    events = list(box_trainer(tmp_path, task, epochs=1).run())
    (row,) = [event.row for event in only(iter(events), EpochDone)]
    assert row["val_map50"] == 0
    assert np.isfinite([row["train_loss"], row["val_loss"]]).all()


class NaNGrid(Grid):
    """Its answers are no numbers any more from some step on."""

    calls = 0

    def forward(self, x: Tensor) -> Tensor:
        type(self).calls += self.training
        return super().forward(x) * (float("nan") if type(self).calls > 4 else 1.0)


def test_a_loss_that_is_no_number_stops_and_names_the_files(tmp_path: Path) -> None:
    pictures = shape_set(12, side=96, folder=tmp_path / "pictures")
    detector = small_detector()
    detector.network = NaNGrid(13, norm=False)
    NaNGrid.calls = 0
    run = box_trainer(tmp_path / "run", box_task(train=pictures, module=detector))
    with pytest.raises(DataError, match=r"The loss became NaN or infinite at step 5 .*pictures/\d{3}\.png.*are kept"):
        list(run.run())
    assert RunFolder(tmp_path / "run").status()["state"] == "failed"
    assert list((tmp_path / "run" / "state").iterdir())


def test_what_decides_which_weights_are_kept() -> None:
    task, usual = box_task(), box_settings()
    row = {"train_loss": 3.0, "val_loss": 2.0, "val_map50": 0.5}
    assert task.judged(row, usual) == [0.5, -2.0]
    assert task.judged(row, box_settings(keep_best="loss")) == [-2.0]
    assert task.judged({"train_loss": 3.0}, usual) == [-3.0]
    better = [{**row, "val_map50": 0.6}, {**row, "val_loss": 1.0}]
    assert all(task.judged(one, usual) > task.judged(row, usual) for one in better)
    assert task.headline == "map50"


def test_a_box_that_moved_makes_another_run(tmp_path: Path) -> None:
    task, settings = box_task(), box_settings()
    before = run_identity(task, settings)
    assert what_changed(before, run_identity(box_task(), settings)) == []

    def with_truth(change: Any) -> DetectionTask:
        truth = list(task.train.truth)
        truth[2] = change(truth[2])
        return replace(task, train=replace(task.train, truth=tuple(truth)))

    changes = {
        "moved": lambda boxes: replace(boxes, boxes=boxes.boxes + np.float32(1)),
        "another class": lambda boxes: replace(boxes, classes=(boxes.classes + 1) % 3),
        "one less": lambda boxes: boxes.pick(range(len(boxes) - 1)),
        "difficult": lambda boxes: replace(boxes, difficult=~boxes.difficult),
    }
    for name, change in changes.items():
        assert what_changed(before, run_identity(with_truth(change), settings)) == ["training pictures"], name
    other = replace(task, validation=task.train)
    assert what_changed(before, run_identity(other, settings)) == ["validation pictures"]
    assert what_changed(before, run_identity(box_task(policy="yolo"), settings)) == ["augmentation"]
    assert what_changed(before, run_identity(box_task(fit="stretch"), settings)) == ["preprocessing", "augmentation"]
    list(zip(range(6), box_trainer(tmp_path, task).run(), strict=False))
    list(box_trainer(tmp_path, box_task(), epochs=2).run(resume=True))
    with pytest.raises(ConfigError, match="was begun with other training pictures, and would not end"):
        list(box_trainer(tmp_path, with_truth(changes["moved"])).run(resume=True))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"label_smoothing": 0.1}, "label_smoothing is for networks that name pictures"),
        ({"class_weights": "balanced"}, "class_weights is for networks"),
        ({"temperature": 8.0}, "temperature is for networks"),
        ({"strategy": "fsdp"}, "'fsdp' is for very large classifiers"),
    ],
)
def test_settings_of_classifiers_are_refused(settings: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=says):
        box_trainer(tmp_path, box_task(), **settings)


def test_refusals(tmp_path: Path) -> None:
    task = box_task("fast_rcnn")
    with pytest.raises(ConfigError, match="answers about proposals; find them first"):
        box_trainer(tmp_path, replace(task, train_proposals=None))
    with pytest.raises(ConfigError, match="answers about proposals; find them first"):
        box_trainer(tmp_path, replace(task, validation_proposals=None))
    with pytest.raises(ConfigError, match="needs a Detector, got Linear"):
        task.with_module(torch.nn.Linear(1, 1))
    assert task.preprocessing.input_size == CANVAS


# Several processes


CASES: dict[str, dict[str, Any]] = {
    "yolo": {"kind": "yolo", "policy": "yolo"},
    "normalized": {"kind": "yolo", "norm": True, "policy": "flip"},
    "in parts": {"kind": "yolo", "policy": "none", "settings": {"accumulate": 3, "clip_norm": 0.5, "batch_size": 5}},
    "one to measure on": {"kind": "yolo", "validation": 1},
    "pictures that cannot be read": {"kind": "yolo", "broken": True},
}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return gang("boxes", tmp_path_factory.mktemp("pair"), cases=CASES)


@pytest.mark.parametrize("name", CASES)
def test_two_processes_learn_what_one_learns(name: str, pair: list[dict[str, Any]], tmp_path: Path) -> None:
    from tests.training.jobs import fit_boxes

    wanted, got = fit_boxes(tmp_path, **CASES[name]), pair[0][name]
    for key, value in wanted["weights"].items():
        torch.testing.assert_close(got["weights"][key], value, atol=1e-9, rtol=0)
    assert got["rows"] == [pytest.approx(row, abs=1e-6) for row in wanted["rows"]]
    assert got["rows"] == pair[1][name]["rows"]
    assert got["names"] == wanted["names"]
    torch.testing.assert_close(got["boxes"], wanted["boxes"], atol=1e-3, rtol=0)
    assert sorted(got["skipped"]) == sorted(wanted["skipped"])
    assert bool(got["skipped"]) == ("broken" in CASES[name])
