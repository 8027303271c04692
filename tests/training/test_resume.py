"""A run that was interrupted ends with the same weights, bit by bit, as one that was not: stopped, dropped, killed."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from striate.data.augment import build_augmentation
from striate.errors import ConfigError, DataError
from striate.training.classification import ClassificationTask
from striate.training.events import EpochDone, Resumed, StepDone, Stopped, TrainingDone, Validating
from striate.training.loop import Trainer
from striate.training.run_folder import RunFolder
from tests.training.small import VIEW, bars, only, small_net, small_task, trainer

STEPS = 15
CASES: dict[str, dict[str, Any]] = {
    "sgd": {},
    "everything": {
        "optimizer": "adamw",
        "ema": 0.9,
        "accumulate": 3,
        "precision": "bfloat16",
        "label_smoothing": 0.1,
        "clip_norm": 1.0,
        "layer_decay": 0.8,
        "class_weights": "balanced",
        "lr": 0.01,
    },
    "head first": {"head_epochs": 1, "ema": 0.8},
    "head first, adamw": {"head_epochs": 2, "optimizer": "adamw", "lr": 0.01},
    "frozen": {"freeze": "norm1", "momentum": 0.0},
    "channels first": {"channels_last": False, "nesterov": False},
    "step": {"schedule": "step", "step_epochs": (1, 2), "precision": "float64"},
    "one cycle": {"schedule": "one-cycle", "warmup_epochs": 1, "keep_best": "loss"},
}


def task(*, norm: bool = True) -> ClassificationTask:
    """Dropout, warped pictures, two of them mixed."""
    made = small_task(small_net(3, dropout=0.3, norm=norm), train=bars(40, classes=3))
    return replace(made, augmentation=build_augmentation("digits", VIEW, settings={"mixup": 0.4, "cutmix": 1.0}))


def kept(folder: Path) -> dict[str, Any]:
    """Everything that a run leaves, but times."""
    rows = RunFolder(folder).metrics()
    for row in rows:
        del row["seconds"], row["images_per_s"]
    status = RunFolder(folder).status()
    del status["seconds"]
    predictions = (folder / "predictions.npz").read_bytes()
    return {"rows": rows, "status": status, "predictions": predictions}


def assert_same_end(a: Path, b: Path) -> None:
    assert kept(a) == kept(b)
    for name in ("best.safetensors", "last.safetensors"):
        ours, theirs = load_file(a / name), load_file(b / name)
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(value, theirs[key]) for key, value in ours.items()), name


def stop_after(run: Trainer, step: int, *, resume: bool) -> list[Any]:
    at = [0]
    events = []
    for event in run.run(resume=resume, should_stop=lambda: at[0] >= step):
        at[0] = event.step if isinstance(event, StepDone) else at[0]
        events.append(event)
    return events


@pytest.mark.parametrize("case", CASES)
def test_stopped_after_any_step(tmp_path: Path, case: str) -> None:
    """`should_stop` is asked before a step is told: it answers of the step before."""
    list(trainer(tmp_path / "whole", task(), **CASES[case]).run())
    for steps in ((1, 9), (5,), (4, 6, 10, 14)):
        folder = tmp_path / "-".join(map(str, steps))
        for number, step in enumerate(steps):
            events = stop_after(trainer(folder, task(), **CASES[case]), step, resume=number > 0)
            assert isinstance(events[-1], Stopped)
            assert events[-1].is_kept
        assert RunFolder(folder).status()["state"] == "stopped"
        events = list(trainer(folder, task(), **CASES[case]).run(resume=True))
        assert isinstance(events[-1], TrainingDone)
        assert_same_end(tmp_path / "whole", folder)


@pytest.mark.parametrize("case", ["everything", "head first"])
def test_dropped_at_any_event(tmp_path: Path, case: str) -> None:
    """Nothing is written when it happens: what counts are the checkpoints that were written before."""
    rng = random.Random(case)
    list(trainer(tmp_path / "whole", task(), **CASES[case]).run())
    for number in range(3):
        folder = tmp_path / str(number)
        for sitting in range(50):
            every_step = {"checkpoint_minutes": 1e-9} if number % 2 else {}
            events = trainer(folder, task(), **CASES[case], **every_step).run(resume=sitting > 0)
            for left in range(rng.randint(4, 22), -1, -1):
                event = next(events, None)
                if not left or event is None:
                    break
            events.close()  # type: ignore[attr-defined]
            if event is None:
                break
        assert sitting > 0
        assert_same_end(tmp_path / "whole", folder)


def test_stopped_while_it_validates(tmp_path: Path) -> None:
    list(trainer(tmp_path / "whole", task()).run())
    stop = [False]
    events = []
    for event in trainer(tmp_path / "run", task()).run(should_stop=lambda: stop[0]):
        events.append(event)
        stop[0] = isinstance(event, Validating) and event.epoch == 2
    assert isinstance(events[-1], Stopped)
    assert (events[-1].step, events[-1].epoch) == (10, 1)
    assert len(only(iter(events), EpochDone)) == 1
    events = list(trainer(tmp_path / "run", task()).run(resume=True))
    assert isinstance(events[2], Validating)  # after Resumed and Started
    assert_same_end(tmp_path / "whole", tmp_path / "run")


@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_a_damaged_newest_checkpoint_falls_back_and_ends_the_same(tmp_path: Path, damage: str) -> None:
    list(trainer(tmp_path / "whole", task()).run())
    stop_after(trainer(tmp_path / "run", task()), 12, resume=False)
    newest = max((tmp_path / "run" / "state").iterdir())
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 4
    newest.write_bytes({"flip": bytes(data), "cut": bytes(data[:-7]), "empty": b""}[damage])
    events = list(trainer(tmp_path / "run", task()).run(resume=True))
    resumed = events[0]
    assert isinstance(resumed, Resumed)
    assert resumed.step == 10
    assert str(newest) in resumed.problems[0]
    assert_same_end(tmp_path / "whole", tmp_path / "run")
    assert len(list((tmp_path / "run" / "state").iterdir())) == 2


def test_when_no_checkpoint_is_whole_nothing_is_trained_over(tmp_path: Path) -> None:
    stop_after(trainer(tmp_path, task()), 12, resume=False)
    for path in (tmp_path / "state").iterdir():
        path.write_bytes(b"")
    best = (tmp_path / "best.safetensors").read_bytes()
    with pytest.raises(DataError, match=r"No checkpoint of this run is whole: .* --weights"):
        list(trainer(tmp_path, task()).run(resume=True))
    assert (tmp_path / "best.safetensors").read_bytes() == best
    assert RunFolder(tmp_path).status()["state"] == "stopped"


def test_a_run_without_a_checkpoint_begins_anew(tmp_path: Path) -> None:
    list(trainer(tmp_path / "whole", task()).run())
    events = trainer(tmp_path / "run", task()).run()
    next(events)
    events.close()  # type: ignore[attr-defined]
    again = list(trainer(tmp_path / "run", task()).run(resume=True))
    assert again[0] == Resumed(0, 0, ())
    assert_same_end(tmp_path / "whole", tmp_path / "run")


def test_a_finished_run_changes_nothing(tmp_path: Path) -> None:
    list(trainer(tmp_path, task()).run())
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name != "status.json"}
    events = list(trainer(tmp_path, task()).run(resume=True))
    assert isinstance(events[-1], TrainingDone)
    assert not only(iter(events), StepDone)
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name != "status.json"}
    assert after == before


def changed_tasks() -> dict[str, tuple[ClassificationTask, dict[str, Any], str]]:
    made = task()
    train = made.train
    moved = replace(train, labels=train.labels[::-1].copy())
    return {
        "other labels": (replace(made, train=moved), {}, "training pictures"),
        "a picture less": (replace(made, train=train.subset(range(39))), {}, "training pictures"),
        "other validation": (replace(made, validation=None), {}, "validation pictures"),
        "another view": (replace(made, preprocessing=replace(VIEW, mean=(0.4,))), {}, "preprocessing"),
        "other augmentation": (replace(made, augmentation=build_augmentation("none", VIEW)), {}, "augmentation"),
        "another rate": (made, {"lr": 0.06}, r"settings \(lr\)"),
        "more epochs": (made, {"epochs": 4}, r"settings \(epochs\)"),
    }


@pytest.mark.parametrize("change", list(changed_tasks()))
def test_refused_with_something_else_than_it_was_begun_with(tmp_path: Path, change: str) -> None:
    stop_after(trainer(tmp_path, task()), 7, resume=False)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    other, given, says = changed_tasks()[change]
    with pytest.raises(ConfigError, match=f"was begun with other .*{says}"):
        list(trainer(tmp_path, other, **given).run(resume=True))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_readers_and_the_time_between_checkpoints_may_change(tmp_path: Path) -> None:
    list(trainer(tmp_path / "whole", task()).run())
    stop_after(trainer(tmp_path / "run", task(), workers=2), 7, resume=False)
    list(trainer(tmp_path / "run", task(), workers=1, checkpoint_minutes=1e-9).run(resume=True))
    assert_same_end(tmp_path / "whole", tmp_path / "run")


# Killed processes: nothing in the process can tidy up

CHILD = """
import json, os, sys
from pathlib import Path
import torch
from striate.training import checkpoint
from tests.training.test_resume import CASES, task
from tests.training.small import trainer
torch.set_num_threads(1)

def train(folder, case, resume):
    for _ in trainer(Path(folder), task(), **CASES[case], checkpoint_minutes=1e-9).run(resume=resume):
        pass

for line in sys.stdin:  # imports once, forks for each sitting
    folder, case, resume = json.loads(line)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            train(folder, case, resume)
            code = 0
        finally:
            os._exit(code)
    print(child, flush=True)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


@pytest.fixture(scope="module")
def nursery() -> Any:
    """A process that trains in children, which may be killed."""
    root = Path(__file__).parents[2]
    path = os.pathsep.join([str(root), str(root / "src")])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    yield process
    assert process.stdin is not None
    process.stdin.close()
    process.wait(timeout=60)


def sitting(nursery: Any, folder: Path, case: str, *, resume: bool, kill_after: float | None) -> int:
    """One child; gives how it ended."""
    nursery.stdin.write(json.dumps([str(folder), case, resume]) + "\n")
    nursery.stdin.flush()
    child = int(nursery.stdout.readline())
    if kill_after is not None:
        time.sleep(kill_after)
        with suppress(ProcessLookupError):  # it was quicker
            os.kill(child, signal.SIGKILL)
    return int(nursery.stdout.readline())


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes")
@pytest.mark.parametrize("case", ["sgd", "everything"])
def test_killed_at_random_moments(nursery: Any, tmp_path: Path, case: str) -> None:
    sitting(nursery, tmp_path / "warm", case, resume=False, kill_after=None)
    began = time.perf_counter()
    assert sitting(nursery, tmp_path / "whole", case, resume=False, kill_after=None) == 0
    took = time.perf_counter() - began
    rng = random.Random(case)
    killed = 0
    for number in range(3):
        folder = tmp_path / str(number)
        code = turn = 0
        while turn == 0 or code:
            moment = rng.uniform(0.05, 0.8) * took if turn < 4 else None
            code = sitting(nursery, folder, case, resume=(folder / "state").exists(), kill_after=moment)
            assert code in {0, -signal.SIGKILL}
            killed += code != 0
            turn += 1
        assert_same_end(tmp_path / "whole", folder)
        assert not list((folder / "state").glob("*.part"))
    assert killed >= 3
