"""Whole or not at all, and always a whole one: damage, full disks, processes that end in the middle."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from striate.errors import DataError
from striate.training import checkpoint as module
from striate.training.checkpoint import Checkpoint, newest_checkpoint, write_checkpoint


def at(step: int) -> Checkpoint:
    tensors = {"a": torch.full((100,), float(step)), "b": torch.arange(6).view(2, 3), "c": torch.tensor(step)}
    return Checkpoint(tensors, {"progress": {"step": step, "loss": 0.1 + 0.2}, "name": "é"})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Checkpoints at steps 10 and 20."""
    first = write_checkpoint(tmp_path / "state", at(10), step=10)
    write_checkpoint(tmp_path / "state", at(20), step=20, before=first)
    return tmp_path / "state"


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir())


def step_of(folder: Path) -> int:
    found, _ = newest_checkpoint(folder)
    assert found is not None
    return int(found.facts["progress"]["step"])


def test_what_is_written_is_read_to_the_last_bit(tmp_path: Path) -> None:
    strided = torch.randn(4, 6).t()
    tied = torch.randn(3)
    tensors = {
        "strided": strided,
        "tied": tied,
        "twin": tied,
        "last": torch.randn(2, 3, 4, 4).contiguous(memory_format=torch.channels_last),
        "half": torch.randn(3).bfloat16(),
        "count": torch.tensor(7),
    }
    path = write_checkpoint(tmp_path, Checkpoint(tensors, {"x": [1e-300, 0.1 + 0.2]}), step=3)
    found, problems = newest_checkpoint(tmp_path)
    assert found is not None
    assert problems == ()
    assert found.path == path
    assert found.facts == {"x": [1e-300, 0.1 + 0.2]}
    assert set(found.tensors) == set(tensors)
    assert all(torch.equal(found.tensors[name], value) for name, value in tensors.items())


def test_two_are_kept(folder: Path) -> None:
    newest, _ = newest_checkpoint(folder)
    assert newest is not None
    write_checkpoint(folder, at(30), step=30, before=newest.path)
    assert [path.name[:13] for path in files(folder)] == ["step-00000020", "step-00000030"]


def test_no_folder_is_no_checkpoint(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path / "none") == (None, ())


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "one bit": flip,
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "empty": lambda path: path.write_bytes(b""),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"x"),
    "another": lambda path: path.write_bytes(next(p for p in files(path.parent) if p != path).read_bytes()),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_newest_falls_back_to_the_one_before_and_is_named(
    folder: Path, damage: Callable[[Path], object]
) -> None:
    newest = files(folder)[-1]
    damage(newest)
    found, problems = newest_checkpoint(folder)
    assert found is not None
    assert found.facts["progress"]["step"] == 10
    assert len(problems) == 1
    assert problems[0].startswith(str(newest))
    assert "damaged" in problems[0]


def test_after_a_fall_back_the_whole_one_stays_and_the_damaged_one_goes(folder: Path) -> None:
    flip(files(folder)[-1])
    found, _ = newest_checkpoint(folder)
    assert found is not None
    write_checkpoint(folder, at(15), step=15, before=found.path)
    assert [path.name[:13] for path in files(folder)] == ["step-00000010", "step-00000015"]
    assert step_of(folder) == 15


def test_all_damaged(folder: Path) -> None:
    for path in files(folder):
        flip(path)
    found, problems = newest_checkpoint(folder)
    assert found is None
    assert len(problems) == 2


def test_a_file_of_that_name_without_facts_is_damaged(folder: Path) -> None:
    bare = folder / "bare.safetensors"
    save_file({"a": torch.zeros(1)}, bare)
    bare.rename(folder / f"step-00000099-{module._hash(bare)}.safetensors")
    found, problems = newest_checkpoint(folder)
    assert found is not None
    assert found.facts["progress"]["step"] == 20
    assert "cannot be read" in problems[0]


def test_other_files_are_left_alone(folder: Path) -> None:
    (folder / "notes.txt").write_text("mine")
    (folder / "step-1.safetensors").write_text("mine")
    write_checkpoint(folder, at(30), step=30)
    assert (folder / "notes.txt").exists()
    assert (folder / "step-1.safetensors").exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("where", ["save_file", "fsync", "replace"])
def test_a_full_disk_changes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch, where: str, number: int) -> None:
    before = {path.name: path.read_bytes() for path in files(folder)}

    def full(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    targets = {"save_file": (module, "save_file"), "fsync": (os, "fsync"), "replace": (Path, "replace")}
    with monkeypatch.context() as patch:
        patch.setattr(*targets[where], full)
        with pytest.raises(DataError, match=r"checkpoint at step 30 cannot be written to '.*state': the disk is full"):
            write_checkpoint(folder, at(30), step=30)
    assert {path.name: path.read_bytes() for path in files(folder)} == before
    write_checkpoint(folder, at(40), step=40)
    assert step_of(folder) == 40


def test_a_folder_that_is_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        write_checkpoint(tmp_path / "state", at(1), step=1)


def test_what_a_killed_process_left_goes_with_the_next_one(folder: Path) -> None:
    (folder / ".deadbeef.part").write_bytes(b"half")
    assert step_of(folder) == 20
    write_checkpoint(folder, at(30), step=30)
    assert not list(folder.glob(".*.part"))


def test_the_same_step_again(folder: Path) -> None:
    newest, _ = newest_checkpoint(folder)
    assert newest is not None
    path = write_checkpoint(folder, at(20), step=20, before=newest.path)
    assert path.exists()
    assert step_of(folder) == 20
