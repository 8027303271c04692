"""From a folder of pictures to a network that other verbs take, and on from where a run was left."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

import striate
from striate.errors import ConfigError, DataError
from striate.recipes import train as recipe
from striate.recipes.train_network import find_start
from striate.recipes.train_plan import TrainPlan, plan_training
from striate.training.events import ReportWritten, Resumed, StepDone, Stopped, TrainingDone
from striate.training.run_folder import RunFolder
from striate.training.world import ALONE
from tests.recipes.drawn import FAST, draw_folder, draw_npz

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty pictures of two classes."""
    return draw_folder(tmp_path_factory.mktemp("drawn") / "stripes")


def run(data: Path, root: Path, *, stop_after: int | None = None, **given: Any) -> tuple[RunFolder, list[Any]]:
    """Train to the end, or until some steps are done."""
    at = [0]
    events = []
    more = {name: given.pop(name) for name in ("resume", "folder") if name in given}
    should_stop: Callable[[], bool] = lambda: stop_after is not None and at[0] >= stop_after  # noqa: E731
    for event in recipe.run({**FAST, "data": data, "root": root, **given}, should_stop=should_stop, **more):
        at[0] = event.step if isinstance(event, StepDone) else at[0]
        events.append(event)
    return events[0].folder, events


def plan(data: Path, root: Path, **given: Any) -> TrainPlan:
    return plan_training({**FAST, "data": data, "root": root, **given}, world=ALONE, device=CPU)


def resumed(folder: RunFolder) -> list[Any]:
    return list(recipe.run(recipe.same_run(folder), resume=True, folder=folder))


def assert_same_weights(a: RunFolder, b: RunFolder) -> None:
    for one, other in ((a.best, b.best), (a.last, b.last)):
        ours, theirs = load_file(one), load_file(other)
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_the_folder_of_a_run_is_a_network(drawn: Path, tmp_path: Path) -> None:
    folder, events = run(drawn, tmp_path / "runs", epochs=6)
    assert isinstance(events[0], TrainPlan)
    assert isinstance(events[-1], ReportWritten)
    network = striate.load(folder.path)
    assert (network.name, tuple(network.labels)) == ("lenet5_relu", ("class 0", "class 1"))
    photos = sorted((drawn / "class 0").glob("*.png"))
    answers = [answers[0].label for answers in network.classify(photos, top=1)]
    assert answers.count("class 0") >= 13  # of 15; chance is 7.5
    assert folder.status()["state"] == "finished"
    assert folder.data()["train"] == {"class 0": 14, "class 1": 13}
    assert folder.data()["validation"] == {"class 0": 1, "class 1": 2}
    assert len(folder.data()["validation_pictures"]) == 3
    assert folder.environment()["versions"]["torch"] == torch.__version__
    assert (folder.plots / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert not list(folder.path.rglob("*.part"))


def test_config_yaml_trains_the_same_network_again(drawn: Path, tmp_path: Path) -> None:
    first, _ = run(drawn, tmp_path / "runs", model="resnet20", recipe="scratch", precision="float32", augment="auto")
    config = {**first.config(), "root": tmp_path / "again"}
    del config["striate"]
    second = [*recipe.run(config)][0].folder  # noqa: RUF015 - all of it must run
    assert_same_weights(first, second)
    assert first.data()["preprocessing"] == second.data()["preprocessing"]


@pytest.mark.parametrize("model", ["lenet5_relu", "resnet20"])
def test_it_goes_on_from_another_place_in_another_folder(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    """Settings that were left to us ("auto") must become the same again, and paths must hold."""
    given = {"model": model, "augment": "auto", "precision": "float32", "recipe": "auto", "ema": 0.9}
    whole, _ = run(drawn, tmp_path / "whole", **given)
    monkeypatch.chdir(drawn.parent)
    stopped, events = run(Path(drawn.name), tmp_path / "cut", stop_after=5, **given)
    assert isinstance(events[-1], Stopped)
    monkeypatch.chdir(tmp_path)
    moved = RunFolder(tmp_path / "elsewhere" / "renamed")
    moved.path.parent.mkdir()
    shutil.move(stopped.path, moved.path)
    facts = moved.data()
    events = resumed(moved)
    assert events[1] == Resumed(6, 1, ()) or events[1] == Resumed(5, 1, ())
    assert_same_weights(whole, moved)
    assert moved.data() == facts
    assert len(moved.environment()["resumed"]) == 1
    assert sorted(path.name for path in (tmp_path / "elsewhere").iterdir()) == ["renamed"]
    assert recipe.is_finished(moved)


def test_it_begins_with_the_weights_of_another_run(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = run(drawn, tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    start = os.path.relpath(first.path)
    second, events = run(drawn, tmp_path / "runs", weights=start, lr=1e-12, stop_after=3)
    assert events[0].beginning.start == start
    monkeypatch.chdir(drawn)
    resumed(second)
    before, after = load_file(first.best), load_file(second.best)
    assert all(torch.allclose(value, after[name], atol=1e-6) for name, value in before.items())
    assert Path(second.config()["weights"]) == first.path


def test_the_names_that_weights_have() -> None:
    """config.yaml holds a record's whole name, with or without a tag in the name of the model."""
    for model, weights in (
        ("efficientnet_lite0", "efficientnet_lite0.in1k"),
        ("efficientnet_lite0", "in1k"),
        ("efficientnet_lite0.in1k", "auto"),
        ("efficientnet_lite0.in1k", "in1k"),
        ("efficientnet_lite0.in1k", "efficientnet_lite0.in1k"),
    ):
        assert find_start(model, weights) == "efficientnet_lite0.in1k"
    assert find_start("efficientnet_lite0", "none") == ""
    assert find_start("resnet20", "auto") == ""
    with pytest.raises(ConfigError, match="asks for weights already"):
        find_start("efficientnet_lite0.in1k", "none")


def test_changed_pictures_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    data = draw_folder(tmp_path / "data")
    folder, _ = run(data, tmp_path / "runs", stop_after=5)
    before = {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
    shutil.copy(data / "class 0" / "000.png", data / "class 1" / "new.png")
    with pytest.raises(ConfigError, match="was begun with other training pictures"):
        resumed(folder)
    assert {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()} == before


def test_names_are_not_taken_twice(drawn: Path, tmp_path: Path) -> None:
    names = [run(drawn, tmp_path, stop_after=1)[0].name for _ in range(3)]
    assert names == ["lenet5_relu-stripes", "lenet5_relu-stripes-2", "lenet5_relu-stripes-3"]
    with pytest.raises(ConfigError, match="is a run already"):
        run(drawn, tmp_path, name="lenet5_relu-stripes")


def test_two_processes_do_not_train_in_one_folder(drawn: Path, tmp_path: Path) -> None:
    folder, _ = run(drawn, tmp_path, stop_after=1)
    with folder.claimed(), pytest.raises(ConfigError, match="Another process is training in"):
        resumed(folder)
    assert folder.status()["state"] == "stopped"


def test_pictures_that_were_left_out_are_listed(tmp_path: Path) -> None:
    data = draw_folder(tmp_path / "data")
    for name in ("004.png", "005.png"):
        (data / f"class {int(name[:3]) % 2}" / name).write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    folder, _ = run(data, tmp_path / "runs", batch_size=4)
    skipped = folder.data()["skipped"]
    assert sorted(Path(where).name for _, where, _ in skipped) == ["004.png", "005.png"]
    assert all(kind == "unreadable" for kind, _, _ in skipped)


def test_giant_pictures_are_left_out_by_the_setting(drawn: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="None of 27 pictures looked at can be read"):
        run(drawn, tmp_path, max_megapixels=0.0001)
    assert not list(tmp_path.iterdir())


def test_the_plan_writes_nothing_and_says_what_it_decided(drawn: Path, tmp_path: Path) -> None:
    made = plan(drawn, tmp_path / "runs", model="resnet20", augment="auto")
    assert not (tmp_path / "runs").exists()
    lines = made.sentences()
    assert lines[0].startswith(
        "Train resnet20 (fresh weights) on 27 pictures of 2 classes (13 to 14 a class); 3 pictures"
    )
    assert made.config.augment == "small"
    assert made.config.weights == "none"
    assert made.config.data == drawn.resolve()
    assert made.beginning.preprocessing.channels == "L"
    assert made.beginning.preprocessing.input_size == (32, 32)
    document = json.loads(json.dumps(made.to_dict()))
    assert document["estimate"]["parameters"] == sum(p.numel() for p in made.beginning.module.parameters())
    assert document["train"] == 27


def test_explicit_settings_win_over_the_recipe(drawn: Path, tmp_path: Path) -> None:
    made = plan(drawn, tmp_path, epochs=7, recipe="scratch", model="resnet20", label_smoothing=0.0)
    assert (made.recipe, made.config.epochs, made.config.label_smoothing) == ("scratch", 7, 0.0)
    assert made.config.weight_decay == 5e-4


def test_settings_of_the_augmentation(drawn: Path, tmp_path: Path) -> None:
    given = {"model": "resnet20", "augment": "small", "flip": False, "erasing": 0.0, "cutmix": 1.0}
    words = "; ".join(plan(drawn, tmp_path, **given).augmentation.describe())
    assert "never mirrored" in words
    assert "covered" not in words
    assert "CutMix" in words


def test_no_validation_at_all(drawn: Path, tmp_path: Path) -> None:
    folder, events = run(drawn, tmp_path, val=0.0)
    assert events[-1].best_score is None
    assert folder.data()["validation"] is None
    assert not folder.predictions.exists()
    assert events[0].sentences()[0].endswith("none to validate on.")


def test_a_class_of_which_nothing_can_be_learned_is_named(tmp_path: Path) -> None:
    data = draw_folder(tmp_path / "data")
    (data / "empty").mkdir()
    made = plan(data, tmp_path / "runs")
    assert any(
        "empty" in line
        for line in (*made.sentences(), *(problem.text + problem.where for problem in made.data.problems))
    )


def test_the_config_is_plain_yaml(drawn: Path, tmp_path: Path) -> None:
    folder, _ = run(drawn, tmp_path, stop_after=1)
    config = yaml.safe_load((folder.path / "config.yaml").read_text())
    assert config["data"] == str(drawn.resolve())
    assert config["size"] is None
    assert all(isinstance(value, str | int | float | bool | list | None) for value in config.values())


def test_a_hundred_thousand_classes_are_planned(tmp_path: Path) -> None:
    data = draw_npz(tmp_path / "many.npz", count=200_000, classes=100_000)
    made = plan(data, tmp_path / "runs", val=0.0)
    assert len(made.data.train.classes) == 100_000
    assert made.estimate.parameters > 100_000 * 84
    assert sum(map(len, made.sentences())) < 2000
    assert np.isfinite(made.estimate.seconds)


def test_a_finished_run_leaves_a_page_about_what_it_answered(drawn: Path, tmp_path: Path) -> None:
    folder, events = run(drawn, tmp_path)
    assert isinstance(events[-2], TrainingDone)
    assert events[-1] == ReportWritten(folder.report)
    page = folder.report.read_text(encoding="utf-8")
    held_out = folder.data()["validation_pictures"]
    assert held_out
    assert f"{len(held_out)}" in page
    assert "chosen by these same pictures" in page


def test_a_page_that_cannot_be_made_is_told_and_costs_nothing_else(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(folder: RunFolder, images: object) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(recipe, "write_run_report", full)
    folder, events = run(drawn, tmp_path)
    assert events[-1].path is None
    assert "No space left on device" in events[-1].reason
    assert recipe.is_finished(folder)
    assert folder.best.is_file()
