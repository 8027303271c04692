"""The loop as a whole: it learns, repeats itself, tells what happens, and keeps nothing that is wrong."""

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from striate.data.augment import build_augmentation
from striate.data.image_set import ImageSet
from striate.data.stores import FileStore
from striate.errors import ConfigError, DataError
from striate.training import checkpoint
from striate.training.events import (
    CheckpointFailed,
    CheckpointWritten,
    EpochDone,
    PicturesSkipped,
    Started,
    StepDone,
    TrainingDone,
    Validating,
)
from striate.training.loop import Trainer
from tests.training.small import VIEW, bars, only, small_net, small_task, trainer, weights_of, with_module, write_plain


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(value, b[name]) for name, value in a.items())


def test_it_learns_stripes(tmp_path: Path) -> None:
    run = trainer(tmp_path, epochs=8)
    events = list(run.run())
    done = events[-1]
    assert isinstance(done, TrainingDone)
    assert (done.epochs, done.early) == (8, False)
    assert done.best_score is not None
    assert done.best_score >= 15 / 16  # chance is .5
    rows = [event.row for event in only(iter(events), EpochDone)]
    assert rows[-1]["train_loss"] < 0.3 * rows[0]["train_loss"]
    assert run.folder.metrics() == rows
    assert run.folder.status()["state"] == "finished"
    assert run.folder.status()["best_score"] == done.best_score


def test_the_events_come_in_order_and_count_right(tmp_path: Path) -> None:
    events = list(trainer(tmp_path).run())
    assert isinstance(events[0], Started)
    assert (events[0].steps, events[0].steps_per_epoch) == (15, 5)
    assert [event.step for event in only(iter(events), StepDone)] == list(range(1, 16))
    kinds = [type(event) for event in events[1:13]]
    assert kinds == [StepDone] * 5 + [Validating] * 2 + [EpochDone, CheckpointWritten] + [StepDone] * 3
    assert [event.done for event in only(iter(events), Validating)][:2] == [8, 16]
    assert len(list((tmp_path / "state").iterdir())) == 2


@pytest.mark.parametrize("given", [{}, {"ema": 0.9, "precision": "bfloat16", "optimizer": "adamw"}])
def test_the_same_seed_gives_the_same_weights(tmp_path: Path, given: dict[str, Any]) -> None:
    runs = []
    for number, workers in enumerate((0, 1, 3)):
        run = trainer(
            tmp_path / str(number), small_task(small_net(dropout=0.3), policy="digits"), workers=workers, **given
        )
        list(run.run())
        runs.append(weights_of(run))
        torch.rand(number)  # the global generator is somewhere else
    assert same(runs[0], runs[1])
    assert same(runs[0], runs[2])
    other = trainer(tmp_path / "other", small_task(small_net(dropout=0.3), policy="digits"), seed=1, **given)
    list(other.run())
    assert not same(runs[0], weights_of(other))


def test_best_is_the_epoch_with_the_best_score_and_last_the_last(tmp_path: Path) -> None:
    kept: list[tuple[str, dict[str, Tensor]]] = []

    def save(path: Path, state: dict[str, Tensor]) -> None:
        kept.append((path.name, {name: value.clone() for name, value in state.items()}))
        write_plain(path, state)

    run = trainer(tmp_path, lr=0.4, epochs=6)
    run._keeper._save_weights = save
    events = list(run.run())
    epochs = only(iter(events), EpochDone)
    scores = [(event.row["val_top1"], -event.row["val_loss"]) for event in epochs]
    done = events[-1]
    assert isinstance(done, TrainingDone)
    assert done.best_epoch == scores.index(max(scores)) + 1
    assert [name for name, _ in kept].count("best.safetensors") == sum(event.is_best for event in epochs)
    assert [name for name, _ in kept].count("last.safetensors") == 6
    assert (tmp_path / "predictions.npz").exists()


def test_the_lowest_loss_may_decide(tmp_path: Path) -> None:
    run = trainer(tmp_path, keep_best="loss", lr=0.4, epochs=6)
    events = list(run.run())
    losses = [event.row["val_loss"] for event in only(iter(events), EpochDone)]
    assert run.progress.best_epoch == losses.index(min(losses)) + 1


def test_without_validation_the_training_loss_decides(tmp_path: Path) -> None:
    run = trainer(tmp_path, small_task(validation=None))
    events = list(run.run())
    rows = [event.row for event in only(iter(events), EpochDone)]
    assert "val_top1" not in rows[0]
    losses = [row["train_loss"] for row in rows]
    assert run.progress.best_epoch == losses.index(min(losses)) + 1
    assert events[-1].best_score is None  # type: ignore[union-attr]
    assert not (tmp_path / "predictions.npz").exists()


def test_it_stops_when_nothing_gets_better(tmp_path: Path) -> None:
    run = trainer(tmp_path, small_task(small_net(norm=False)), epochs=40, patience=2, lr=1e-30, warmup_epochs=0)
    events = list(run.run())
    done = events[-1]
    assert isinstance(done, TrainingDone)
    assert done.early
    assert (done.epochs, done.best_epoch) == (3, 1)
    assert run.folder.status()["state"] == "finished"


# What is no number


def poisoned(after: int, value: float) -> Callable[[Tensor], Tensor]:
    """A user's augmentation that breaks its n-th batch without becoming NaN itself."""
    seen = [0]

    def poison(images: Tensor) -> Tensor:
        seen[0] += 1
        return images * value if seen[0] > after else images

    return poison


@pytest.mark.parametrize("after", [3, 4, 7])
def test_a_loss_that_is_no_number_ends_the_run_and_names_the_pictures(tmp_path: Path, after: int) -> None:
    task = small_task(validation=bars(8, seed=1))
    task = replace(task, augmentation=build_augmentation("none", VIEW, transforms=[poisoned(after, 3e38)]))
    run = trainer(tmp_path, task)
    with pytest.raises(DataError, match=f"loss became NaN or infinite at step {after + 1} ") as caught:
        list(run.run())
    message = str(caught.value)
    assert message.count("bars.npz, picture ") == 8
    assert run.folder.status()["state"] == "failed"
    assert run.folder.status()["message"] == message
    _nothing_kept_is_nan(tmp_path)
    assert ("best weights before are kept" in message) == (after >= 5)
    assert (tmp_path / "best.safetensors").exists() == (after >= 5)


@pytest.mark.parametrize("validated", [False, True])
@pytest.mark.parametrize("given", [{}, {"checkpoint_minutes": 1e-9}, {"ema": 0.9}])
def test_weights_that_break_in_the_last_step_of_an_epoch_are_not_kept(
    tmp_path: Path, given: dict[str, Any], validated: bool
) -> None:
    """The loss of a step is that of the weights before it: the break shows in no loss of this epoch."""
    run = trainer(tmp_path, small_task(validation=bars(8, seed=1) if validated else None), **given)
    rate = run._rate
    run._rate = lambda step: float("inf") if step == 9 else rate(step)  # type: ignore[method-assign]
    with pytest.raises(DataError, match=r"weight became NaN or infinite at step 10 \(epoch 2\)"):
        list(run.run())
    _nothing_kept_is_nan(tmp_path)
    assert len(run.folder.metrics()) == 1
    assert run.folder.status()["state"] == "failed"


def test_weights_that_answer_with_no_number_end_the_run(tmp_path: Path) -> None:
    """They are numbers themselves: neither a loss nor a weight shows it."""
    run = trainer(tmp_path, small_task(validation=bars(8, seed=1)))
    rate = run._rate
    run._rate = lambda step: 1e37 if step == 9 else rate(step)  # type: ignore[method-assign]
    with pytest.raises(
        DataError, match=r"An answer to a validation picture became NaN .* at step 10 \(epoch 2\)"
    ) as caught:
        list(run.run())
    assert "Lower lr" in str(caught.value)
    _nothing_kept_is_nan(tmp_path)
    assert len(run.folder.metrics()) == 1


def _nothing_kept_is_nan(folder: Path) -> None:
    from safetensors.torch import load_file

    for path in folder.rglob("*.safetensors"):
        assert all(bool(value.isfinite().all()) for value in load_file(path).values() if value.is_floating_point()), (
            path
        )
    for path in folder.rglob("*.json*"):
        assert "NaN" not in path.read_text().replace("became NaN", "")
        assert "Infinity" not in path.read_text()


# Pictures that cannot be read


def files(folder: Path, count: int, broken: set[int]) -> ImageSet:
    """Stripes as PNG files, some of which are none."""
    drawn = bars(count)
    folder.mkdir(parents=True)
    names = tuple(f"{index:03d}.png" for index in range(count))
    for index, name in enumerate(names):
        if index in broken:
            (folder / name).write_bytes(b"not a picture")
        else:
            Image.fromarray(drawn.pixels(index)).save(folder / name)
    return ImageSet(drawn.classes, drawn.labels, FileStore(folder, names), folder, "folder")


def test_a_broken_picture_in_every_batch_is_left_out_and_named_once(tmp_path: Path) -> None:
    broken = set(range(0, 40, 5)) | {39}
    train = files(tmp_path / "pictures", 40, broken)
    validation = files(tmp_path / "more", 16, {3})
    run = trainer(tmp_path / "run", small_task(train=train, validation=validation), batch_size=10, epochs=8)
    events = list(run.run())
    named = [problem.where for event in only(iter(events), PicturesSkipped) for problem in event.problems]
    assert len(named) == len(set(named)) == 10
    assert {Path(where).name for where in named if "more" not in where} == {f"{i:03d}.png" for i in broken}
    assert [where for _, where, _ in run.progress.skipped] == named
    assert events[-1].best_score > 0.9  # type: ignore[union-attr,operator]


def test_batches_of_which_no_picture_can_be_read_are_passed_over(tmp_path: Path) -> None:
    train = files(tmp_path / "pictures", 12, set(range(9)))
    run = trainer(tmp_path / "run", small_task(train=train), batch_size=2)
    events = list(run.run())
    assert isinstance(events[-1], TrainingDone)
    assert len(run.progress.skipped) == 9


def test_when_none_can_be_read_one_sentence_says_so(tmp_path: Path) -> None:
    train = files(tmp_path / "pictures", 8, set(range(8)))
    run = trainer(tmp_path / "run", small_task(train=train))
    with pytest.raises(DataError, match="None of the training pictures can be read"):
        list(run.run())
    assert run.folder.status()["state"] == "failed"
    validation = files(tmp_path / "more", 4, set(range(4)))
    run = trainer(tmp_path / "run2", small_task(validation=validation))
    with pytest.raises(DataError, match="None of the validation pictures can be read"):
        list(run.run())


def test_refused_without_pictures(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no pictures to learn from"):
        trainer(tmp_path, small_task(train=bars(8).subset([])))


# A disk that is full


class Disk:
    """Takes bytes, or does not."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_full = False
        fsync, save = os.fsync, checkpoint.save_file

        def full_fsync(descriptor: int) -> None:
            self.check()
            fsync(descriptor)

        def full_save(*args: Any, **more: Any) -> None:
            self.check()
            save(*args, **more)

        monkeypatch.setattr(os, "fsync", full_fsync)
        monkeypatch.setattr(checkpoint, "save_file", full_save)

    def check(self) -> None:
        if self.is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def save_weights(self, path: Path, state: dict[str, Tensor]) -> None:
        self.check()
        write_plain(path, state)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def uninterrupted(tmp_path: Path) -> dict[str, Tensor]:
    run = trainer(tmp_path / "whole", epochs=5)
    list(run.run())
    return _file(tmp_path / "whole" / "best.safetensors") | {"step": torch.tensor(run.progress.best_epoch)}


def _file(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    return load_file(path)


def fill(events: Iterator[Any], disk: Disk, *, from_step: int, to_step: int) -> list[Any]:
    told = []
    for event in events:
        told.append(event)
        if isinstance(event, StepDone):
            disk.is_full = from_step <= event.step < to_step
    return told


def test_a_full_disk_does_not_end_a_training_that_outlasts_it(tmp_path: Path, disk: Disk) -> None:
    expected = uninterrupted(tmp_path)
    run = trainer(tmp_path / "run", epochs=5)
    run.save_weights = disk.save_weights
    events = fill(run.run(), disk, from_step=6, to_step=16)  # the ends of epochs 2 and 3
    failed = only(iter(events), CheckpointFailed)
    assert [event.step for event in failed] == [10, 15]
    assert all(event.reason.endswith(f"to '{tmp_path / 'run'}': the disk is full.") for event in failed)
    assert isinstance(events[-1], TrainingDone)
    best = _file(tmp_path / "run" / "best.safetensors")
    assert same(best, {name: value for name, value in expected.items() if name != "step"})
    assert run.progress.best_epoch == int(expected["step"])
    assert len(run.folder.metrics()) == 5


@pytest.mark.parametrize("from_step", [6, 11, 21])
def test_a_disk_that_stays_full_ends_in_one_sentence_and_the_run_can_go_on(
    tmp_path: Path, disk: Disk, from_step: int
) -> None:
    expected = uninterrupted(tmp_path)
    run = trainer(tmp_path / "run", epochs=5)
    run.save_weights = disk.save_weights
    with pytest.raises(
        DataError, match=r"weights of epoch 5 cannot be written to .*: the disk is full. Free .* resume the run"
    ):
        fill(run.run(), disk, from_step=from_step, to_step=99)
    disk.is_full = False
    again = trainer(tmp_path / "run", epochs=5)
    events = list(again.run(resume=True))
    assert isinstance(events[-1], TrainingDone)
    best = _file(tmp_path / "run" / "best.safetensors")
    assert same(best, {name: value for name, value in expected.items() if name != "step"})
    assert len(again.folder.metrics()) == 5


def test_a_checkpoint_in_the_middle_of_an_epoch_may_fail_too(tmp_path: Path, disk: Disk) -> None:
    run = trainer(tmp_path, checkpoint_minutes=1e-9)
    events = fill(run.run(), disk, from_step=2, to_step=4)
    assert [event.step for event in only(iter(events), CheckpointFailed)] == [2, 3]
    assert isinstance(events[-1], TrainingDone)
    assert run.folder.status()["state"] == "finished"


def test_stopping_on_a_full_disk_says_that_nothing_was_kept(tmp_path: Path, disk: Disk) -> None:
    run = trainer(tmp_path)
    run.save_weights = disk.save_weights
    stop = [False]
    events = []
    for event in run.run(should_stop=lambda: stop[0]):
        events.append(event)
        if isinstance(event, StepDone) and event.step == 7:
            stop[0] = disk.is_full = True
    assert not events[-1].is_kept  # type: ignore[union-attr]
    assert isinstance(events[-2], CheckpointFailed)


def test_an_error_of_any_kind_is_in_the_status(tmp_path: Path) -> None:
    class Broken(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = small_net()

        def forward(self, x: Tensor) -> Tensor:
            raise RuntimeError("out of something")

    task = with_module(small_task(), Broken())
    run = Trainer(task, trainer(tmp_path).settings, trainer(tmp_path).folder, save_weights=write_plain)
    with pytest.raises(RuntimeError, match="out of something"):
        list(run.run())
    assert run.folder.status()["state"] == "failed"
    assert "out of something" in run.folder.status()["message"]


def test_who_stops_listening_leaves_a_stopped_run(tmp_path: Path) -> None:
    events = trainer(tmp_path).run()
    for event in events:
        if isinstance(event, StepDone) and event.step == 7:
            break
    events.close()  # type: ignore[attr-defined]
    assert trainer(tmp_path).folder.status()["state"] == "stopped"


def test_the_rows_say_how_fast_and_how_far(tmp_path: Path) -> None:
    run = trainer(tmp_path)
    list(run.run())
    rows = run.folder.metrics()
    assert [row["step"] for row in rows] == [5, 10, 15]
    assert all(row["images_per_s"] > 0 for row in rows)
    assert np.all(np.diff([row["seconds"] for row in rows]) > 0)
    names = "epoch step lr train_loss train_top1 val_loss val_top1 val_top5 seconds images_per_s"
    assert " ".join(rows[0]) == names
