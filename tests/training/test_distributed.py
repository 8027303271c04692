"""Two processes learn what one learns, share weights, and go on as any other number of processes."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from striate.training.order import epoch_batches, share_of
from striate.training.settings import TrainSettings
from tests.training.jobs import fit, gang

EXACT = {"precision": "float64", "epochs": 2, "batch_size": 8}
SOME = {"train": 24, "validation": 9}
# All that the second of two processes gets of the first batch: it has nothing to learn then, and must take part.
TORN = next(share_of(epoch_batches(24, 8, seed=0, epoch=0), rank=1, size=2)).tolist()
CASES: dict[str, dict[str, Any]] = {
    "without normalization": {"model": "plain", "task": SOME, **EXACT},
    "normalized": {"model": "normalized", "task": SOME, "ema": 0.9, "class_weights": "balanced", **EXACT},
    "augmented": {"model": "normalized", "task": SOME | {"augment": "small"}, **EXACT},
    "a deep network": {"model": "resnet20", "task": {"train": 16, "validation": 5}, **EXACT},
    "uneven parts": {"model": "normalized", "task": {"train": 25, "validation": 1}, **EXACT, "batch_size": 9},
    "in parts": {"model": "normalized", "task": SOME, "accumulate": 2, "clip_norm": 0.5, **EXACT},
    "in parts that are empty": {
        "model": "plain",
        "task": {"train": 9, "validation": 0},
        **EXACT,
        "accumulate": 3,
        "batch_size": 3,
    },
    "pictures that cannot be read": {"model": "normalized", "task": SOME | {"broken": TORN}, **EXACT},
    "classifier first": {"model": "vgg", "task": SOME, "head_epochs": 1, **EXACT},
    "shared weights": {"model": "normalized", "task": SOME, "strategy": "fsdp", "accumulate": 2, **EXACT},
    "shared weights, averaged": {"model": "normalized", "task": SOME, "strategy": "fsdp", "ema": 0.9, **EXACT},
    "shared weights, float32": {
        "model": "vgg",
        "task": SOME,
        "strategy": "fsdp",
        "clip_norm": 0.3,
        **EXACT,
        "precision": "float32",
    },
    "shared weights, some frozen": {"model": "vgg", "task": SOME, "strategy": "fsdp", "freeze": "trunk", **EXACT},
}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return gang("train", tmp_path_factory.mktemp("pair"), cases=CASES)


def _alone(folder: Path, **case: Any) -> dict[str, Any]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return fit(folder, **case)
    finally:
        torch.set_num_threads(threads)


def _assert_same(got: dict[str, Any], wanted: dict[str, Any], *, within: float) -> None:
    assert got["saved"].keys() == wanted["saved"].keys()
    for file, state in wanted["saved"].items():
        assert list(got["saved"][file]) == list(state)
        for name, value in state.items():
            torch.testing.assert_close(got["saved"][file][name], value, atol=within, rtol=0)
    assert len(got["rows"]) == len(wanted["rows"])
    for row, other in zip(got["rows"], wanted["rows"], strict=True):
        assert row == pytest.approx(other, abs=max(within, 1e-7) if "val_loss" in row else within)
    if "logits" in wanted:  # they are kept in float32
        torch.testing.assert_close(got["logits"], wanted["logits"], atol=1e-6, rtol=0)
        assert got["names"] == wanted["names"]


@pytest.mark.parametrize("name", CASES)
def test_two_processes_learn_what_one_learns(name: str, pair: list[dict[str, Any]], tmp_path: Path) -> None:
    case = CASES[name]
    wanted, got = _alone(tmp_path / "run", **case), pair[0][name]
    _assert_same(got, wanted, within=1e-9 if case["precision"] == "float64" else 1e-6)
    assert sorted(got["skipped"]) == sorted(wanted["skipped"])
    assert got["skipped"] == pair[1][name]["skipped"]
    assert set(got["events"]) == set(wanted["events"])
    assert pair[1][name]["rows"] == got["rows"]
    assert not pair[1][name]["saved"]  # process 0 alone writes
    if "broken" in case["task"]:
        assert len(got["skipped"]) == len(TORN) + 1  # and one of the validation pictures


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_a_run_goes_on_with_another_number_of_processes(strategy: str, tmp_path: Path) -> None:
    case = {"model": "vgg", "task": SOME, "strategy": strategy, "ema": 0.9, **EXACT}
    wanted = _alone(tmp_path / "whole", **case)
    begun = gang("train", tmp_path / "two", cases={"run": case | {"stop": 5}})
    assert begun[0]["run"]["events"][-1] == begun[1]["run"]["events"][-1] == "Stopped"
    assert begun[0]["run"]["events"].count("StepDone") == 5  # in the middle of the second epoch
    got = _alone(tmp_path / "two" / "run", **case, resume=True)
    assert got["events"].count("StepDone") == 1
    got["saved"].pop("best.safetensors", None)
    wanted["saved"].pop("best.safetensors", None)
    _assert_same(got, wanted, within=1e-9)


def test_one_process_begins_and_two_share_weights_to_the_end(tmp_path: Path) -> None:
    case = {"model": "vgg", "task": SOME, "strategy": "fsdp", "optimizer": "adamw", **EXACT, "lr": 0.001}
    wanted = _alone(tmp_path / "whole", **case)
    _alone(tmp_path / "two" / "run", **case, stop=2)
    got = gang("train", tmp_path / "two", cases={"run": case | {"resume": True}})[0]["run"]
    assert got["events"].count("StepDone") == 4
    _assert_same(got, wanted, within=1e-6)  # Adam divides by √v: rounding of tiny gradients is seen


def test_what_an_epoch_has_added_up_is_counted_once_where_it_had_only_its_end_left(tmp_path: Path) -> None:
    case = {"model": "plain", "task": SOME, **EXACT}
    wanted = _alone(tmp_path / "whole", **case)
    _alone(tmp_path / "two" / "run", **case, stop=3)  # every step of the first epoch, but no word about it
    got = gang("train", tmp_path / "two", cases={"run": case | {"resume": True}})[0]["run"]
    assert got["events"].count("StepDone") == 3
    _assert_same(got, wanted, within=1e-9)


def test_shared_weights_cannot_open_the_trunk_later() -> None:
    with pytest.raises(ValidationError, match=r"strategy 'fsdp' cannot open the trunk later \(head_epochs 2\)"):
        TrainSettings(strategy="fsdp", head_epochs=2)


def test_two_processes_need_two_pictures_a_batch(tmp_path: Path) -> None:
    case = {"model": "plain", "task": {"train": 5, "validation": 0}, "batch_size": 1}
    with pytest.raises(AssertionError, match="2 processes cannot share batches of 1 pictures"):
        gang("train", tmp_path, cases={"run": case})
    assert json.loads((tmp_path / "run" / "status.json").read_text())["state"] == "failed"
