"""`striate train --models …` as a person meets it: plans, one table, the next command, Ctrl-C, one failure."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from striate.recipes import train
from tests.recipes.drawn import draw_folder

FAST = ("--batch-size", "8", "--workers", "0", "--augment", "none", "--weights", "none", "--lr", "0.003")
Cli = Callable[..., Any]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty pictures of two classes."""
    return draw_folder(tmp_path_factory.mktemp("drawn") / "stripes")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_plans_then_a_table_then_the_comparison(run_cli: Cli, drawn: Path, here: Path) -> None:
    words = ("train", drawn, "--models", "lenet5_relu,lenet5", "--epochs", "1", *FAST)
    result = run_cli(*words)
    assert result.code == 0, result.err
    notes = result.err.splitlines()
    assert notes[0].startswith(f"Train 2 networks on {drawn}, one after another: about ")
    assert "1 of 2: lenet5_relu" in notes
    assert "2 of 2: lenet5" in notes
    assert sum(line.startswith("Learning: ") for line in notes) == 2
    lines = result.out.splitlines()
    assert lines[0].split() == ["run", "network", "score", "epochs", "time"]
    assert [line.split()[1] for line in lines[1:3]] == ["lenet5_relu", "lenet5"]
    runs = "runs/classify/lenet5_relu-stripes runs/classify/lenet5-stripes"
    assert lines[-1] == f"Next    striate compare {runs}"
    document = run_cli(*words, "--json").json  # nothing is left to do
    assert [run["state"] for run in document["runs"]] == ["finished", "finished"]
    assert document["compare"] == f"striate compare {runs}"
    assert document["runs"][0]["facts"]["epoch"] == 1


def test_a_dry_run_says_every_plan_and_writes_nothing(run_cli: Cli, drawn: Path, here: Path) -> None:
    words = ("train", drawn, "--models", "lenet5_relu", "lenet5", "--dry-run", *FAST)
    result = run_cli(*words)
    assert result.code == 0
    assert result.out.count("Would go to") == 2
    document = run_cli(*words, "--json").json
    assert [one["plan"]["config"]["model"] for one in document["networks"]] == ["lenet5_relu", "lenet5"]
    assert not list(here.iterdir())


def test_one_failure_is_said_and_the_others_are_trained(
    run_cli: Cli, drawn: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train.run

    def failing(given: dict[str, Any], **options: Any) -> Any:
        if given["model"] == "lenet5_relu":
            raise RuntimeError("no such luck")
        return whole(given, **options)

    monkeypatch.setattr(train, "run", failing)
    words = ("train", drawn, "--models", "lenet5_relu,lenet5", "--epochs", "1", *FAST)
    result = run_cli(*words)
    assert result.code == 1
    assert "lenet5_relu failed: A fault of Striate, not of yours: RuntimeError: no such luck" in result.out
    assert result.out.splitlines()[-1].startswith(f"Next    striate train {drawn} --models lenet5_relu,lenet5 ")
    assert (here / "runs/classify/lenet5-stripes/best.safetensors").exists()


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_and_the_same_command_again(drawn: Path, here: Path) -> None:
    words = [str(drawn), "--models", "lenet5_relu,lenet5", "--epochs", "3000", *FAST]
    program = [sys.executable, "-m", "striate", "train", *words]
    running = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if running.stderr is None or running.stdout is None:
        pytest.fail("no pipes")
    for line in running.stderr:
        if line.startswith("epoch"):
            break
    running.send_signal(signal.SIGINT)
    out, _ = running.communicate(timeout=120)
    assert running.returncode == 130
    lines = out.splitlines()
    assert lines[0] == "Stopped; what was done is kept. Left: lenet5_relu, lenet5."
    assert lines[-1].startswith("Next    striate train ")
    assert "--models lenet5_relu,lenet5 " in lines[-1]
    assert "--epochs 3000" in lines[-1]
    status = json.loads((here / "runs/classify/lenet5_relu-stripes/status.json").read_text())
    assert status["state"] == "stopped"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--models", "lenet5", "--model", "lenet5"), "--models and --model do not go together"),
        (("--models", "lenet5", "--find-lr"), "--models and --find-lr do not go together"),
        (("--models", ","), "--models needs names"),
        (("--models", "lenet5,lenet5"), "'lenet5' is there twice"),
        (("--models", "lenet5,faster_rcnn"), "'lenet5' names whole pictures and 'faster_rcnn' finds boxes"),
        (("--models", "lenet5,yolo_v2"), "No network named 'yolo_v2'"),
        (("--backbone", "vgg16"), "--backbone is for detectors"),
        (("--model", "lenet5", "--backbone", "vgg16"), "'lenet5' has no backbone to choose"),
    ],
)
def test_mistakes_are_one_sentence(
    run_cli: Cli, drawn: Path, here: Path, words: tuple[str, ...], sentence: str
) -> None:
    result = run_cli("train", drawn, *words)
    assert result.code == 2
    assert sentence in result.err
    assert "Traceback" not in result.err
    assert not list(here.iterdir())


def test_without_data_it_says_so(run_cli: Cli, here: Path) -> None:
    result = run_cli("train", "--models", "lenet5")
    assert result.code == 2
    assert "needs DATA" in result.err
