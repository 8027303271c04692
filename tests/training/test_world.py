"""Who is who among the processes, what they tell each other, and how they find each other again."""

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.distributed import TCPStore

from striate.errors import ConfigError
from striate.training import launch
from striate.training.meeting import meet
from striate.training.world import ALONE, World, join_world
from tests.training.jobs import gang

NAMES = (
    "RANK",
    "WORLD_SIZE",
    "LOCAL_RANK",
    "SLURM_PROCID",
    "SLURM_NTASKS",
    "SLURM_LOCALID",
    "MASTER_ADDR",
    "MASTER_PORT",
)


@pytest.fixture(autouse=True)
def _nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return gang("talk", tmp_path_factory.mktemp("talk"))


@pytest.mark.parametrize(
    "place",
    [
        {},
        {"RANK": "0", "WORLD_SIZE": "1"},
        {"SLURM_PROCID": "0", "SLURM_NTASKS": "1", "MASTER_ADDR": "host"},
        {"SLURM_PROCID": "0", "SLURM_NTASKS": "4"},  # a batch script without srun
    ],
)
def test_alone(monkeypatch: pytest.MonkeyPatch, place: dict[str, str]) -> None:
    for name, value in place.items():
        monkeypatch.setenv(name, value)
    assert join_world("cpu") == (ALONE, torch.device("cpu"))


def test_places_that_are_no_numbers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "first")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="RANK, WORLD_SIZE and LOCAL_RANK must be whole numbers, got 'first', '2'"):
        join_world("cpu")


def test_a_place_without_a_meeting_point_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match=r"cannot reach the others.*MASTER_ADDR"):
        join_world("cpu")


def test_alone_everything_is_what_one_says_oneself() -> None:
    rows = torch.rand(3, 2)
    assert ALONE.is_main
    assert ALONE.sum(1, 2.5) == [1, 2.5]
    assert torch.equal(ALONE.gather(rows), rows)
    assert ALONE.words("a") == ["a"]
    assert ALONE.agree("a") == "a"
    assert ALONE.share({"rows": rows}) == {"rows": rows}
    ALONE.wait()
    ALONE.check_same("nothing", {})


def test_sums_rows_and_words_of_all(heard: list[dict[str, Any]]) -> None:
    for rank, said in enumerate(heard):
        assert said["rank"] == rank
        assert said["main"] == (rank == 0)
        assert said["sum"] == [2, 4]
        assert torch.equal(said["uneven"], torch.arange(6).view(3, 2))
        assert said["nothing"].shape == (0, 4)
        assert said["words"]
        assert said["agree"] == "yes"


def test_tensors_of_process_0_reach_all(heard: list[dict[str, Any]]) -> None:
    shared = heard[1]["shared"]
    assert list(shared) == ["scalar", "half", "flag", "empty", "transposed"]
    assert int(shared["scalar"]) == 3
    assert torch.equal(shared["half"], torch.full((2, 3), 1.5, dtype=torch.bfloat16))
    assert shared["flag"].tolist() == [True, True]
    assert shared["empty"].shape == (0, 3)
    assert torch.equal(shared["transposed"], torch.arange(6.0).view(2, 3).t())


def test_processes_that_were_given_other_things_are_refused_on_all(heard: list[dict[str, Any]]) -> None:
    for said in heard:
        assert "Processes 0 and 1 differ in their data" in said["differ"]


def test_the_first_failure_is_the_one_that_is_said(heard: list[dict[str, Any]]) -> None:
    assert heard[0]["failure"] == ["ConfigError", "the disk is full", False]
    assert heard[1]["failure"] == ["ProcessLostError", "the disk is full", True]


def test_slurm_says_who_is_who(tmp_path: Path) -> None:
    heard = gang("talk", tmp_path, launcher="slurm")
    assert [said["rank"] for said in heard] == [0, 1]
    assert heard[1]["sum"] == [2, 4]


def _store() -> TCPStore:
    return TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)


def _meet_all(store: TCPStore, size: int) -> list[str]:
    def come(rank: int) -> None:
        own = TCPStore("127.0.0.1", store.port, is_master=False, wait_for_workers=False)
        met[rank] = meet(own, rank=rank, size=size, patience=timedelta(seconds=20))[0]

    met: dict[int, str] = {}
    threads = [threading.Thread(target=come, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [met[rank] for rank in range(size)]


def test_a_second_meeting_is_not_taken_for_the_first() -> None:
    store = _store()
    first, second, smaller = _meet_all(store, 3), _meet_all(store, 3), _meet_all(store, 2)
    assert len(set(first)) == len(set(second)) == len(set(smaller)) == 1
    assert len({first[0], second[0], smaller[0]}) == 3


def test_a_process_that_came_and_went_is_not_counted() -> None:
    store = _store()
    with pytest.raises(ConfigError, match=r"Process 1 of 2 waited 0.1 seconds"):
        meet(store, rank=1, size=2, patience=timedelta(seconds=0.1))
    with pytest.raises(ConfigError, match=r"Process 0 of 2 waited 0.3 seconds"):
        meet(store, rank=0, size=2, patience=timedelta(seconds=0.3))
    assert len(set(_meet_all(store, 2))) == 1


def test_a_launch_remembers_its_run(monkeypatch: pytest.MonkeyPatch) -> None:
    assert launch.begun_run({"data": "a"}) is None
    store = _store()
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", str(store.port))
    assert launch.begun_run({"data": "a"}) is None
    launch.remember_run({"data": "a"}, "/runs/ä")
    assert launch.begun_run({"data": "a"}) == "/runs/ä"
    assert launch.begun_run({"data": "b"}) is None


def test_an_error_alone_stays_what_it_is() -> None:
    with pytest.raises(RuntimeError, match="Connection closed"), launch.failing_together(size=1):
        raise RuntimeError("Connection closed by peer")
    assert launch.first_failure("mine") == "mine"
    assert not launch.is_told_by_another("mine")


def test_a_world_says_who_writes() -> None:
    assert World(0, 2).is_main
    assert not World(1, 2).is_main
