"""`torchrun … -m striate train`: one voice, one checkpoint, and the run that goes on when a process is lost."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import striate
from striate.draw import encode_png
from tests.training.jobs import environment, free_port

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")]
ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 150
SETTINGS = ("--model=lenet5_relu", "--batch-size=8", "--precision=float32", "--workers=1", "--device=cpu", "--name=run")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("torchrun") / "data"
    generator = np.random.default_rng(0)
    for label in range(3):
        (root / f"class {label}").mkdir(parents=True)
        for number in range(16):
            picture = generator.integers(0, 120, (16, 16, 3), dtype=np.uint8)
            picture[label * 5 : label * 5 + 5] += 100
            (root / f"class {label}" / f"{number}.png").write_bytes(encode_png(picture))
    return root


def torchrun(
    data: Path, root: Path, *words: str, launcher: tuple[str, ...] = ("--nproc-per-node", "2")
) -> subprocess.Popen[str]:
    """Start it; stdout and stderr are read at the end."""
    port = () if "--rdzv-endpoint" in launcher else ("--master-port", str(free_port()))
    line = [sys.executable, "-m", "torch.distributed.run", *launcher, *port, "-m", "striate", "train", str(data)]
    return subprocess.Popen(
        [*line, *SETTINGS, "--root", str(root), *words],
        env=environment(STRIATE_HOME=os.environ["STRIATE_HOME"]),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Its exit code and what it said; one that hangs is ended with all that it has started."""
    try:
        out, err = process.communicate(timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        for worker in workers(process):
            os.kill(worker, signal.SIGKILL)
        process.kill()
        raise
    return process.returncode, out, err


def workers(process: subprocess.Popen[str], rank: int | None = None) -> list[int]:
    """The processes that torchrun has started, or that of one rank."""
    found = []
    for task in Path(f"/proc/{process.pid}/task").iterdir():
        for pid in (task / "children").read_text().split():
            place = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            if (f"RANK={rank}".encode() in place) if rank is not None else any(p.startswith(b"RANK=") for p in place):
                found.append(int(pid))
    return found


def wait_until(true: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Look again until it is so; a process that has ended, or takes too long, fails the test."""
    end = time.monotonic() + TIMEOUT
    while not true():
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            pytest.fail(f"it never came to that:\n{process.communicate()[1]}")
        time.sleep(0.02)


def has_checkpoint(root: Path) -> Callable[[], bool]:
    """Whether the first epoch is done and kept."""
    return lambda: any((root / "classify" / "run" / "state").glob("step-*.safetensors"))


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    root = tmp_path_factory.mktemp("whole")
    code, out, err = finish(torchrun(data, root, "--epochs", "40"))
    assert code == 0, err
    return root / "classify" / "run", out, err


def assert_same_run(run: Path, whole: Path) -> None:
    """Weights bit by bit, and every number but time."""
    for name in ("last.safetensors", "best.safetensors"):
        got, wanted = load_file(run / name), load_file(whole / name)
        assert got.keys() == wanted.keys()
        assert all(torch.equal(got[key], wanted[key]) for key in wanted)
    rows = [[json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()] for path in (run, whole)]
    timeless = [[{k: v for k, v in row.items() if k not in {"seconds", "images_per_s"}} for row in r] for r in rows]
    assert timeless[0] == timeless[1]


def test_one_process_speaks_and_writes_what_every_verb_takes(whole: tuple[Path, str, str]) -> None:
    run, out, err = whole
    assert out.count("Finished: 40 epochs") == 1
    assert err.count("epoch   1") == 1
    assert "2 processes" in err
    assert json.loads((run / "environment.json").read_text())["processes"] == 2
    assert len(striate.load(run).labels) == 3


def test_a_failure_is_one_sentence(data: Path, tmp_path: Path) -> None:
    code, out, err = finish(torchrun(data / "nowhere", tmp_path))
    assert code == 1  # that of torchrun
    assert err.count("Error: ") - err.count("ChildFailedError: ") == 1
    assert "Error: " + str(data / "nowhere") in err
    assert not out
    assert "traceback : " + str(data / "nowhere") in err  # in torchrun's own summary


def test_all_stop_at_the_same_step(data: Path, tmp_path: Path) -> None:
    process = torchrun(data, tmp_path, "--epochs", "2000")
    wait_until(has_checkpoint(tmp_path), process)
    os.kill(workers(process, rank=1)[0], signal.SIGTERM)  # one is asked, and all of them agree
    code, out, err = finish(process)
    assert code == 0, err
    assert out.count("Stopped; a checkpoint is in") == 1
    run = tmp_path / "classify" / "run"
    status = json.loads((run / "status.json").read_text())
    assert status["state"] == "stopped"
    assert any(path.name.startswith(f"step-{status['step']:08d}-") for path in (run / "state").iterdir())


@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_process_is_started_again_and_the_run_ends_as_if_nothing_had_been(
    rank: int, data: Path, tmp_path: Path, whole: tuple[Path, str, str]
) -> None:
    process = torchrun(data, tmp_path, "--epochs", "40", launcher=("--nproc-per-node", "2", "--max-restarts", "2"))
    wait_until(has_checkpoint(tmp_path), process)
    os.kill(workers(process, rank=rank)[0], signal.SIGKILL)
    code, out, err = finish(process)
    assert code == 0, err
    assert err.count("Going on after step") == 1
    assert out.count("Finished: 40 epochs") == 1
    assert_same_run(tmp_path / "classify" / "run", whole[0])


def test_one_that_dies_before_the_first_checkpoint_begins_anew_in_its_own_folder(
    data: Path, tmp_path: Path, whole: tuple[Path, str, str]
) -> None:
    process = torchrun(data, tmp_path, "--epochs", "40", launcher=("--nproc-per-node", "2", "--max-restarts", "2"))
    wait_until(lambda: len(workers(process)) == 2, process)
    os.kill(workers(process, rank=1)[0], signal.SIGKILL)
    code, _, err = finish(process)
    assert code == 0, err
    assert [path.name for path in (tmp_path / "classify").iterdir()] == ["run"]
    assert_same_run(tmp_path / "classify" / "run", whole[0])


def test_a_name_that_is_taken_stays_refused_when_torchrun_tries_again(data: Path, whole: tuple[Path, str, str]) -> None:
    before = (whole[0] / "status.json").read_bytes()
    launcher = ("--nproc-per-node", "2", "--max-restarts", "1")
    code, _, err = finish(torchrun(data, whole[0].parents[1], "--epochs", "50", launcher=launcher))
    assert code == 1
    assert err.count("is a run already") >= 2
    assert (whole[0] / "status.json").read_bytes() == before


def test_shared_weights_end_cleanly(data: Path, tmp_path: Path) -> None:
    """Their threads live on while Python ends: a process that does not wait for them aborts."""
    process = torchrun(data, tmp_path, "--epochs", "2000", "--strategy", "fsdp")
    wait_until(has_checkpoint(tmp_path), process)
    os.kill(workers(process, rank=0)[0], signal.SIGTERM)
    code, _, err = finish(process)
    assert code == 0, err
    run = tmp_path / "classify" / "run"
    assert json.loads((run / "status.json").read_text())["state"] == "stopped"
    assert len(striate.load(run).labels) == 3
    code, _, err = finish(torchrun(data, tmp_path / "more", "--epochs", "2", "--strategy", "fsdp"))
    assert code == 0, err
    assert "terminate" not in err


def test_two_machines(data: Path, tmp_path: Path, whole: tuple[Path, str, str]) -> None:
    place = f"127.0.0.1:{free_port()}"
    launcher = ("--nnodes=2", "--nproc-per-node=1", "--rdzv-backend=c10d", "--rdzv-id=here", "--local-addr=127.0.0.1")
    machines = [
        torchrun(data, tmp_path, "--epochs", "40", launcher=(*launcher, "--rdzv-endpoint", place)) for _ in range(2)
    ]
    said = [finish(machine) for machine in machines]
    assert [code for code, _, _ in said] == [0, 0], said[0][2] + said[1][2]
    assert sum(out.count("Finished: 40 epochs") for _, out, _ in said) == 1
    assert_same_run(tmp_path / "classify" / "run", whole[0])
