"""Several networks on one data set: one after another, each as if alone, resumable together, one failure is one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from striate.errors import ConfigError, DataError, UnknownNameError
from striate.recipes import train
from striate.recipes import train_many as recipe
from striate.recipes.train_many import ManyDone, ManyPlan, MemberEnded, MemberStarted, TrainManyConfig, with_backbone
from striate.training.events import Resumed, StepDone, Stopped
from striate.training.run_folder import RunFolder
from tests.recipes.drawn import FAST, draw_folder

TWO = ("lenet5_relu", "resnet20")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty pictures of two classes."""
    return draw_folder(tmp_path_factory.mktemp("drawn") / "stripes")


def config(drawn: Path, root: Path, *models: str, **more: Any) -> TrainManyConfig:
    settings = {name: value for name, value in FAST.items() if name != "model"}
    given = {**settings, "precision": "float32", "data": drawn, "root": root, **more}
    return TrainManyConfig(models=models or TWO, given=given)


def run(wanted: TrainManyConfig, *, stop_in: str = "", after: int = 10**9) -> list[Any]:
    """All events; stopped after so many steps of one network."""
    model, steps, events = "", 0, []
    should_stop: Callable[[], bool] = lambda: model == stop_in and steps >= after  # noqa: E731
    for event in recipe.run(wanted, should_stop=should_stop):
        if isinstance(event, MemberStarted):
            model, steps = event.member.model, 0
        steps += isinstance(event, StepDone)
        events.append(event)
    return events


def states(events: list[Any]) -> list[str]:
    assert isinstance(events[-1], ManyDone)
    return [member.state for member in events[-1].members]


def assert_same_weights(a: RunFolder, b: RunFolder) -> None:
    ours, theirs = load_file(a.best), load_file(b.best)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_each_learns_as_if_it_were_alone(drawn: Path, tmp_path: Path) -> None:
    events = run(config(drawn, tmp_path / "many"))
    assert isinstance(events[0], ManyPlan)
    assert [member.model for member in events[0].members] == list(TWO)
    assert all(member.sentences[0].startswith(f"Train {member.model}") for member in events[0].members)
    assert events[0].seconds > 0
    assert states(events) == ["finished", "finished"]
    for member in events[-1].finished:
        alone = {**config(drawn, tmp_path / "alone").given, "model": member.model}
        list(train.run(alone, folder=RunFolder(tmp_path / "alone" / member.model)))
        assert_same_weights(member.folder, RunFolder(tmp_path / "alone" / member.model))


def test_the_same_request_goes_on_and_another_one_does_not(drawn: Path, tmp_path: Path) -> None:
    wanted = config(drawn, tmp_path / "runs")
    cut = run(wanted, stop_in="resnet20", after=3)
    assert states(cut) == ["finished", "stopped"]
    assert cut[-1].stopped
    assert any(isinstance(event, Stopped) for event in cut)
    first = RunFolder(tmp_path / "runs" / "classify" / "lenet5_relu-stripes")
    before = first.best.stat().st_mtime_ns

    again = run(wanted)
    assert [event.member.model for event in again if isinstance(event, MemberStarted)] == ["resnet20"]
    assert [event.step for event in again if isinstance(event, Resumed)] in ([3], [4])
    assert states(again) == ["finished", "finished"]
    assert first.best.stat().st_mtime_ns == before
    whole = run(config(drawn, tmp_path / "whole", "resnet20"))
    assert_same_weights(whole[-1].members[0].folder, again[-1].members[1].folder)

    third = run(wanted)
    assert not any(isinstance(event, MemberStarted | MemberEnded) for event in third)
    assert third[0].seconds == 0
    # Where and how fast it runs is not what it learns.
    assert not any(isinstance(event, MemberStarted) for event in run(config(drawn, tmp_path / "runs", workers=1)))
    other = next(iter(recipe.run(config(drawn, tmp_path / "runs", seed=5))))
    assert [member.folder.name for member in other.members] == ["lenet5_relu-stripes-2", "resnet20-stripes-2"]
    assert [member.state for member in other.members] == ["new", "new"]


def test_what_was_asked_for_stands_in_the_run(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(drawn.parent)
    events = run(config(Path(drawn.name), tmp_path / "runs", "lenet5_relu"))
    asked = events[-1].members[0].folder.environment()["asked"]
    assert asked["data"] == str(drawn.resolve())
    assert asked["epochs"] == 2
    assert "lr" in asked
    assert "momentum" not in asked  # left open
    assert not {"root", "workers", "name", "device"} & set(asked)
    json.dumps(asked)


def test_one_that_fails_does_not_take_the_others_along(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train.run

    def failing(given: dict[str, Any], **options: Any) -> Any:
        if given["model"] == "lenet5_relu":
            raise DataError("the loss is no number any more.")
        return whole(given, **options)

    monkeypatch.setattr(train, "run", failing)
    events = run(config(drawn, tmp_path / "runs"))
    assert states(events) == ["failed", "finished"]
    assert "no number" in str(events[-1].members[0].error)
    assert not events[-1].stopped
    monkeypatch.setattr(train, "run", whole)
    assert states(run(config(drawn, tmp_path / "runs"))) == ["finished", "finished"]


def test_a_name_stands_before_the_networks(drawn: Path, tmp_path: Path) -> None:
    wanted = config(drawn, tmp_path / "runs", "lenet5_relu", name="try")
    assert run(wanted)[-1].members[0].folder.name == "try-lenet5_relu"
    with pytest.raises(ConfigError, match="other settings; choose another --name"):
        run(config(drawn, tmp_path / "runs", "lenet5_relu", name="try", seed=3))
    with pytest.raises(ConfigError, match="must be letters"):
        run(config(drawn, tmp_path / "runs", "lenet5_relu", name="../try"))


@pytest.mark.parametrize(
    ("models", "more", "error", "words"),
    [
        (("lenet5_relu", "lenet5_relu"), {}, ConfigError, "'lenet5_relu' is there twice"),
        (("lenet5_relu", "rcnn"), {}, ConfigError, "'lenet5_relu' names whole pictures and 'rcnn' finds boxes"),
        (("lenet5_relu", "resnet51"), {}, UnknownNameError, "resnet51"),
        (("lenet5_relu", "resnet20"), {"size": 4}, ConfigError, "Nothing has been trained yet"),
        (("lenet5_relu", "resnet20"), {"data": "nowhere"}, DataError, "nowhere"),
        (("faster_rcnn", "yolo"), {}, DataError, "stripes"),
    ],
)
def test_mistakes_are_found_before_anything_is_trained(
    drawn: Path, tmp_path: Path, models: tuple[str, ...], more: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        run(config(drawn, tmp_path / "runs", *models, **more))
    assert not (tmp_path / "runs").exists()


def test_backbones() -> None:
    assert with_backbone("yolo", "squeezenet1_1") == "yolo_squeezenet1_1"
    assert with_backbone("faster_rcnn_squeezenet1_1", "squeezenet1_1") == "faster_rcnn_squeezenet1_1"
    assert with_backbone("faster_rcnn", "vgg16") == "faster_rcnn_vgg16"
    assert with_backbone("faster_rcnn", "resnet18") == "faster_rcnn_resnet18_fpn"
    assert with_backbone("resnet18", None) == "resnet18"
    with pytest.raises(ConfigError, match=r"'yolo' on backbone 'alexnet'.*efficientnet_lite0, squeezenet1_1"):
        with_backbone("yolo", "alexnet")
    with pytest.raises(ConfigError, match="'resnet18' has no backbone"):
        with_backbone("resnet18", "vgg16")
    with pytest.raises(ConfigError, match="'yolo_v1' has no backbone"):
        with_backbone("yolo_v1", "vgg16")
