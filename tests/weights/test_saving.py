import errno
import os
import threading
from pathlib import Path

import pytest

from striate.errors import WeightsError
from striate.weights.saving import locked, save_checked, writing


def test_only_one_holds_the_lock(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "w.pth"
    order: list[str] = []
    inside = threading.Event()
    leave = threading.Event()

    def first() -> None:
        with locked(target):
            order.append("first in")
            inside.set()
            leave.wait()
            order.append("first out")

    def second() -> None:
        inside.wait()
        leave.set()
        with locked(target):
            order.append("second in")

    threads = [threading.Thread(target=work) for work in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert order == ["first in", "first out", "second in"]


def test_the_lock_is_released_after_an_error(tmp_path: Path) -> None:
    target = tmp_path / "w.pth"
    with pytest.raises(RuntimeError), locked(target):
        raise RuntimeError
    with locked(target):
        pass


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    wanted = r"cannot be written .*; set STRIATE_HOME to a folder that can"
    with pytest.raises(WeightsError, match=wanted), locked(tmp_path / "file" / "w.pth"):
        pass


def test_a_full_disk_is_said_and_the_part_removed(tmp_path: Path) -> None:
    part = tmp_path / "w.part"
    part.write_bytes(b"some")
    with pytest.raises(WeightsError, match="is full; nothing was kept"), writing(part):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert not part.exists()


def test_another_error_keeps_the_part(tmp_path: Path) -> None:
    part = tmp_path / "w.part"
    part.write_bytes(b"some")
    with pytest.raises(WeightsError, match="cannot be written"), writing(part):
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    assert part.read_bytes() == b"some"


def test_saving_replaces_in_one_step(tmp_path: Path) -> None:
    part, target = tmp_path / "w.part", tmp_path / "w.pth"
    part.write_bytes(b"new")
    target.write_bytes(b"old")
    save_checked(part, target, "0" * 64)
    assert target.read_bytes() == b"new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["w.pth", "w.pth.sha256"]
