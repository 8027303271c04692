"""The files of a run: read as they were written, damage named, one writer at a time."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from striate.errors import ConfigError, DataError
from striate.training.run_folder import RunFolder, find_runs


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "classify" / "a run")
    folder.write_config({"epochs": 3, "name": "été", "root": "runs"})
    folder.write_status(state="running", epoch=1, best_score=None)
    folder.write_metrics([{"epoch": 1, "loss": 0.1 + 0.2}])
    return folder


def test_everything_comes_back(run: RunFolder) -> None:
    assert run.exists()
    assert run.name == "a run"
    assert run.config() == {"epochs": 3, "name": "été", "root": "runs"}
    assert run.status() == {"state": "running", "epoch": 1, "best_score": None}
    assert run.metrics() == [{"epoch": 1, "loss": 0.1 + 0.2}]
    run.write_data({"classes": ["ü"]})
    run.write_environment({"torch": "2"})
    assert run.data() == {"classes": ["ü"]}
    assert run.environment() == {"torch": "2"}


def test_nothing_half_written_stays(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        run.write_status(state="finished")
    assert run.status()["state"] == "running"
    assert not list(run.path.glob(".*.part"))


def test_numbers_that_are_none_are_no_json(run: RunFolder) -> None:
    with pytest.raises(ValueError, match="JSON"):
        run.write_status(best=float("nan"))
    assert run.status()["state"] == "running"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("status.json", "{", "damaged"),
        ("status.json", "[1]", "must hold names and values, got list"),
        ("config.yaml", "a: [", "damaged"),
        ("config.yaml", "", "got NoneType"),
    ],
)
def test_damage_is_named(run: RunFolder, name: str, content: str, says: str) -> None:
    (run.path / name).write_text(content)
    with pytest.raises(DataError, match=says) as caught:
        run.status() if name == "status.json" else run.config()
    assert str(run.path / name) in str(caught.value)


def test_no_run_at_all(tmp_path: Path) -> None:
    assert not RunFolder(tmp_path).exists()
    assert RunFolder(tmp_path).metrics() == []
    with pytest.raises(DataError, match="is not the folder of a run"):
        RunFolder(tmp_path).config()


@pytest.mark.parametrize(("line", "says"), [("{", "line 2: no JSON"), ("3", "line 2: must be a JSON object, got int")])
def test_a_damaged_line_of_metrics_is_named(run: RunFolder, line: str, says: str) -> None:
    (run.path / "metrics.jsonl").write_text(json.dumps({"epoch": 1}) + "\n" + line + "\n")
    with pytest.raises(DataError, match=says):
        run.metrics()


def test_runs_are_found_the_newest_first(tmp_path: Path) -> None:
    for number, name in enumerate(("old", "new", "middle")):
        folder = RunFolder(tmp_path / "classify" / name)
        folder.write_config({"number": number})
        moment = {"old": 100, "middle": 200, "new": 300}[name]
        os.utime(folder.path / "config.yaml", (moment, moment))
    assert [run.name for run in find_runs(tmp_path)] == ["new", "middle", "old"]
    assert find_runs(tmp_path / "none") == []


def test_refused_root_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(ConfigError, match="is a file"):
        find_runs(tmp_path / "runs")


HOLD = "from striate.training.run_folder import RunFolder; from pathlib import Path; import sys, time\n"
HOLD += "with RunFolder(Path(sys.argv[1])).claimed():\n print('held', flush=True); time.sleep(60)"


def test_one_process_at_a_time_and_a_killed_one_lets_go(run: RunFolder) -> None:
    other = subprocess.Popen([sys.executable, "-c", HOLD, str(run.path)], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == "held"
        with pytest.raises(ConfigError, match="Another process is training in"), run.claimed():
            pass
    finally:
        other.kill()
        other.wait()
    with run.claimed():
        pass
    with run.claimed():  # and once more
        pass
