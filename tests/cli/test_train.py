"""`striate train` as a person meets it: the plan, the end, signals, and one sentence for every mistake."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from striate.cli.train import _as_option
from striate.training.learner import Learner
from striate.training.run_folder import RunFolder
from tests.recipes.drawn import draw_folder

FAST = (
    "--model",
    "lenet5_relu",
    "--batch-size",
    "8",
    "--workers",
    "0",
    "--augment",
    "none",
    "--weights",
    "none",
    "--lr",
    "0.003",
)
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


@pytest.fixture(scope="module")
def finished(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run of three epochs."""
    from striate.cli import main

    root = tmp_path_factory.mktemp("finished")
    assert main(["train", str(drawn), *FAST, "--epochs", "3", "--root", str(root), "--name", "whole", "--json"]) == 0
    return RunFolder(root / "classify" / "whole")


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_same_weights(a: RunFolder, b: RunFolder) -> None:
    for one, other in ((a.best, b.best), (a.last, b.last)):
        ours, theirs = load_file(one), load_file(other)
        assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_the_plan_goes_to_stderr_and_the_end_to_stdout(run_cli: Cli, drawn: Path, here: Path) -> None:
    result = run_cli("train", drawn, *FAST, "--epochs", "2")
    assert result.code == 0
    plan = result.err.splitlines()
    assert plan[0].startswith("Train lenet5_relu (fresh weights) on 27 pictures of 2 classes")
    assert [line.split(":")[0] for line in plan[1:5]] == ["Pictures", "Augmentation", "Learning", "Cost"]
    assert sum(line.startswith("epoch ") for line in plan) == 2
    lines = result.out.splitlines()
    assert lines[0].startswith("Finished: 2 epochs in ")
    assert lines[1:] == [
        "Weights runs/classify/lenet5_relu-stripes/best.safetensors",
        "Run     runs/classify/lenet5_relu-stripes",
        "Report  runs/classify/lenet5_relu-stripes/report.html",
        "Next    striate evaluate runs/classify/lenet5_relu-stripes",
    ]
    assert (here / "runs/classify/lenet5_relu-stripes/best.safetensors").exists()


def test_one_json_document_at_the_end(run_cli: Cli, drawn: Path, here: Path) -> None:
    result = run_cli("train", drawn, *FAST, "--epochs", "2", "--json")
    document = result.json
    assert document["state"] == "finished"
    assert [row["epoch"] for row in document["rows"]] == [1, 2]
    assert document["run"] == "runs/classify/lenet5_relu-stripes"
    assert document["plan"]["config"]["epochs"] == 2
    assert document["plan"]["classes"] == ["class 0", "class 1"]


def test_a_dry_run_says_the_plan_and_writes_nothing(run_cli: Cli, drawn: Path, here: Path) -> None:
    result = run_cli("train", drawn, *FAST, "--dry-run")
    assert result.code == 0
    assert result.out.splitlines()[0].startswith("Train lenet5_relu")
    assert result.out.splitlines()[-1] == "Would go to runs/classify/lenet5_relu-stripes"
    document = run_cli("train", drawn, *FAST, "--dry-run", "--json").json
    assert document["folder"] == "runs/classify/lenet5_relu-stripes"
    assert document["estimate"]["parameters"] == 61_706 - 8 * 85  # two classes instead of ten
    assert not list(here.iterdir())


def test_a_dry_run_names_what_is_wrong_with_the_pictures(run_cli: Cli, tmp_path: Path) -> None:
    data = draw_folder(tmp_path / "data")
    lines = [f"{path.relative_to(tmp_path)},{path.parent.name}" for path in sorted(data.rglob("*.png"))]
    lines.insert(3, "data/class 0/gone.png,class 0")
    (tmp_path / "list.csv").write_text("path,label\n" + "\n".join(lines) + "\n")
    result = run_cli("train", tmp_path / "list.csv", *FAST, "--dry-run")
    assert result.code == 0
    assert "list.csv, line 5" in result.out
    assert "gone.png" in result.out


def test_a_finished_run_says_so_and_changes_nothing(run_cli: Cli, finished: RunFolder, drawn: Path) -> None:
    before = files(finished.path)
    result = run_cli("train", "--resume", finished.path)
    assert result.code == 0
    lines = result.out.splitlines()
    assert lines[0].startswith(f"{finished.path} is finished: 3 epochs; best ")
    assert "start a new run from its weights" in lines[0]
    assert lines[1] == f"Next    striate train {drawn} --model lenet5_relu --weights {finished.path}"
    assert run_cli("train", "--resume", finished.path, "--json").json["state"] == "finished"
    assert files(finished.path) == before


def test_the_command_that_a_finished_run_offers_works(
    run_cli: Cli, finished: RunFolder, drawn: Path, here: Path
) -> None:
    words = ["train", drawn, "--model", "lenet5_relu", "--weights", finished.path]
    result = run_cli(*words, "--epochs", "1", "--workers", "0", "--augment", "none")
    assert result.code == 0
    assert f"Train lenet5_relu (weights of {finished.path})" in result.err


def raised_at(monkeypatch: pytest.MonkeyPatch, numbers: dict[int, int]) -> None:
    """Send this process signals while it learns."""
    learn = Learner.learn

    def learn_and_be_asked(self: Learner, *args: Any, **more: Any) -> Any:
        # The plan tries steps, too: with a rate of next to nothing.
        if more["rate"] > 1e-8 and more["step"] in numbers:
            signal.raise_signal(numbers.pop(more["step"]))
        return learn(self, *args, **more)

    monkeypatch.setattr(Learner, "learn", learn_and_be_asked)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("step", [1, 4, 11])
def test_asked_to_stop_it_writes_a_checkpoint_and_says_how_to_go_on(
    run_cli: Cli,
    drawn: Path,
    here: Path,
    finished: RunFolder,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
    step: int,
) -> None:
    raised_at(monkeypatch, {step: number})
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    result = run_cli("train", drawn, *FAST, "--epochs", "3", "--name", "cut")
    assert result.code == 130
    assert result.out.splitlines() == [
        "Stopped; a checkpoint is in runs/classify/cut/state",
        "Next    striate train --resume runs/classify/cut",
    ]
    assert f"{number.name}: stopping after this step; once more to stop at once." in result.err
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
    run = RunFolder(Path("runs/classify/cut"))
    assert run.status()["state"] == "stopped"
    result = run_cli("train", "--resume", "runs/classify/cut")
    assert result.code == 0
    assert "Going on after step " in result.err
    assert_same_weights(run, finished)


def test_asked_twice_it_stops_at_once(
    run_cli: Cli, drawn: Path, here: Path, finished: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn = Learner.learn

    def asked_twice(self: Learner, *args: Any, **more: Any) -> Any:
        if more["rate"] > 1e-8 and more["step"] == 6:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        return learn(self, *args, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "learn", asked_twice)
        result = run_cli("train", drawn, *FAST, "--epochs", "3", "--name", "cut")
    assert result.code == 130
    assert result.err.splitlines()[-1] == "Error: Interrupted; nothing more was written."
    run = RunFolder(Path("runs/classify/cut"))
    assert run.status()["state"] == "stopped"
    assert run_cli("train", "--resume", "runs/classify/cut").code == 0
    assert_same_weights(run, finished)


def test_interrupted_while_it_plans_nothing_is_there(
    run_cli: Cli, drawn: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Learner, "begin_epoch", lambda _: signal.raise_signal(signal.SIGINT))
    result = run_cli("train", drawn, *FAST)
    assert result.code == 130
    assert not list(here.iterdir())


def test_stopped_with_json(run_cli: Cli, drawn: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raised_at(monkeypatch, {2: signal.SIGINT})
    result = run_cli("train", drawn, *FAST, "--epochs", "3", "--json")
    assert result.code == 130
    assert result.json["state"] == "stopped"


def test_a_damaged_checkpoint_is_told(
    run_cli: Cli, drawn: Path, here: Path, finished: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    raised_at(monkeypatch, {9: signal.SIGTERM})
    run_cli("train", drawn, *FAST, "--epochs", "3", "--name", "cut")
    run = RunFolder(Path("runs/classify/cut"))
    newest = max(run.state.iterdir())
    newest.write_bytes(newest.read_bytes()[:-1])
    result = run_cli("train", "--resume", run.path)
    assert result.code == 0
    assert f"{newest}: its bytes are not those that were written; it is damaged." in result.err
    assert_same_weights(run, finished)


def test_a_loss_that_is_no_number(run_cli: Cli, drawn: Path, here: Path) -> None:
    result = run_cli("train", drawn, *FAST[:-1], "1e30", "--name", "flown")
    assert result.code == 2
    assert "became NaN or infinite at step " in result.err
    assert ".png" in result.err
    assert "Traceback" not in result.err
    assert RunFolder(Path("runs/classify/flown")).status()["state"] == "failed"
    assert not list(here.rglob("*.safetensors"))


# Mistakes: one sentence, code 2, nothing left behind


def mistaken(run_cli: Cli, here: Path, *words: object) -> str:
    before = sorted(here.rglob("*"))
    result = run_cli("train", *words)
    assert result.code == 2, result.err
    assert result.out == ""
    assert "Traceback" not in result.err
    (line,) = [line for line in result.err.splitlines() if line.startswith("Error: ")]
    assert result.err.splitlines()[-1] == line
    assert sorted(here.rglob("*")) == before
    return line.removeprefix("Error: ")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--model", "lenet6"), "No network named 'lenet6'. Nearest: 'lenet5'"),
        (("--model", "resnet18", "--weights", "in2k"), "No weights named 'resnet18.in2k'"),
        (("--weights", "gone/run"), "There is no file gone/run"),
        (("--recipe", "scrach"), "No recipe named 'scrach'. Nearest: 'scratch'"),
        (("--augment", "ligt"), "No augmentation named 'ligt'. Nearest: 'light'"),
        (("--freeze", "c11"), "No layer named 'c11' to freeze. Nearest: 'c1'"),
        (("--freeze", "trunk", "--head-epochs", "1"), "give one"),
        (("--name", "../up"), "name '../up' must be letters"),
        (("--size", "8"), "'lenet5_relu' needs pictures of at least 32 pixels a side, got 8"),
        (("--model", "vgg16_features"), "ends at its features"),
        (("--device", "tpu"), "tpu"),
        (("--lr", "-1"), "'--lr' must be greater than 0, got -1"),
        (("--lr", "fast"), "'--lr' must be"),
        (("--epochs", "0"), "'--epochs' must be greater than or equal to 1, got 0"),
        (("--epoch", "3"), "has no option '--epoch'. Nearest: '--epochs'"),
        (("--optimizer", "adam"), "'--optimizer'"),
        (("--schedule", "step"), "needs step_epochs"),
        (("--loss", "map", "--label-smoothing", "0.1"), "loss 'map' knows one right class"),
        (
            ("--loss", "map", "--label-smoothing", "0", "--mixup", "0.2"),
            "loss 'map' knows one right class a picture",
        ),
        (("--model", "resnet18", "--size", "32", "--batch-size", "1"), "cannot learn from 1 picture of 32 pixels"),
        (("--config", "gone.yaml"), "gone.yaml: no such file"),
        (("--root", "/dev/null"), "Choose another --root"),
        (("--find-lr", "--dry-run"), "leave --resume and --dry-run out"),
    ],
)
def test_mistakes_in_the_settings(run_cli: Cli, drawn: Path, here: Path, words: tuple[str, ...], says: str) -> None:
    given = [word for pair in zip(FAST[::2], FAST[1::2], strict=True) if pair[0] not in words for word in pair]
    assert says in mistaken(run_cli, here, drawn, *given, *words)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("epohcs: 3", "no setting 'epohcs'. Nearest: 'epochs'"),
        ("- 1", "must hold settings"),
        ("", "must hold settings"),
        ("1: 2", "no setting '1'"),
        ("epochs: many", "'--epochs' must be"),
        ("lr: .inf", "'--lr' must be a finite number"),
        ("a: [", "no YAML"),
        ("!!python/object/apply:os.system ['echo']", "no YAML"),
        ("[" * 3000, "brackets"),
        ("data: 7", "data"),
        ("\x00", "no YAML"),
    ],
)
def test_mistakes_in_the_config_file(run_cli: Cli, drawn: Path, here: Path, text: str, says: str) -> None:
    (here / "config.yaml").write_text(text)
    data = [] if text.startswith("data") else [drawn]
    assert says in mistaken(run_cli, here, *data, "--config", here / "config.yaml", "--workers", "0")


def test_a_config_file_gives_what_no_option_gives(run_cli: Cli, drawn: Path, here: Path) -> None:
    (here / "mine.yaml").write_text(
        "epochs: 4\nlr: 0.5\nmodel: lenet5_relu\nweights: none\nname: taken\nsize: null\nworkers: 0\n"
    )
    document = run_cli("train", drawn, "--config", "mine.yaml", "--lr", "0.25", "--dry-run", "--json").json
    assert (document["config"]["epochs"], document["config"]["lr"]) == (4, 0.25)
    assert document["config"]["name"] == "lenet5_relu-stripes"


def empty(root: Path) -> None:
    root.mkdir()


def one_class(root: Path) -> None:
    draw_folder(root, classes=1)


def no_pictures(root: Path) -> None:
    for name in "ab":
        (root / name).mkdir(parents=True)


def all_broken(root: Path) -> None:
    for path in draw_folder(root, count=6).rglob("*.png"):
        path.write_bytes(b"broken")


def only_missing(root: Path) -> None:
    root.mkdir()
    (root / "labels.csv").write_text("path,label\na.png,a\nb.png,b\n")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (empty, "no class folder in it"),
        (one_class, "only one class has pictures ('class 0')"),
        (no_pictures, ""),
        (all_broken, "None of "),
        (only_missing, "does not exist"),
        (lambda root: root, "no such file or folder"),
    ],
)
def test_mistakes_in_the_data(run_cli: Cli, here: Path, make: Callable[[Path], Any], says: str) -> None:
    make(here / "data")
    data = here / "data" / "labels.csv" if make is only_missing else here / "data"
    message = mistaken(run_cli, here, data, *FAST)
    assert says in message
    assert str(data) in message


def test_a_picture_that_cannot_be_read_is_named_in_one_sentence(run_cli: Cli, here: Path) -> None:
    broken = next(draw_folder(here / "data").rglob("*.png"))
    broken.write_bytes(b"")
    result = run_cli("train", here / "data", *FAST, "--epochs", "1", "--val", "0")
    assert result.code == 0
    assert f"Left out {broken}: the file is empty.\n" in result.err


@pytest.mark.parametrize("names", [("été", "日本語"), ("-x", "--y"), ("a b", "c'd"), ("e\u0301", "f")])
def test_names_of_every_kind(run_cli: Cli, here: Path, names: tuple[str, str]) -> None:
    data = draw_folder(here / "täglich", names=names)
    result = run_cli("train", data, *FAST, "--epochs", "1")
    assert result.code == 0
    assert "runs/classify/lenet5_relu-täglich" in result.out
    assert sum(RunFolder(here / "runs/classify/lenet5_relu-täglich").data()["train"].values()) == 27


def test_mistakes_in_resuming(run_cli: Cli, drawn: Path, here: Path, finished: RunFolder) -> None:
    assert "is not the folder of a run" in mistaken(run_cli, here, "--resume", "gone")
    assert "is not the folder of a run" in mistaken(run_cli, here, "--resume", drawn)
    assert "'--epochs' cannot change" in mistaken(run_cli, here, "--resume", finished.path, "--epochs", "9")
    assert "leave DATA and --config out" in mistaken(run_cli, here, drawn, "--resume", finished.path)
    assert "needs DATA, or --resume RUN" in mistaken(run_cli, here)
    damaged = RunFolder(here / "damaged")
    damaged.write_config({**finished.config(), "sorcery": 1})
    assert "unknown setting 'sorcery'" in mistaken(run_cli, here, "--resume", damaged.path)


def test_a_name_that_is_taken(run_cli: Cli, drawn: Path, finished: RunFolder) -> None:
    root = finished.path.parent.parent
    message = mistaken(run_cli, root, drawn, *FAST, "--root", root, "--name", "whole")
    assert f"'{finished.path}' is a run already. Go on with it: striate train --resume {finished.path}" in message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(run_cli: Cli, drawn: Path, here: Path) -> None:
    (here / "runs").mkdir(mode=0o500)
    assert "Choose another --root" in mistaken(run_cli, here, drawn, *FAST)


def test_a_disk_that_is_full_from_the_start(
    run_cli: Cli, drawn: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert "No space left on device. Choose another --root" in mistaken(run_cli, here, drawn, *FAST)


def test_the_help_lists_every_setting(run_cli: Cli) -> None:
    from striate.recipes.train_config import TrainConfig

    text = run_cli("train", "--help").out
    for name in TrainConfig.model_fields:
        assert name == "data" or f"--{name.replace('_', '-')}" in text, name
    assert "Attributes" not in text


def test_a_rate_is_suggested_with_its_curve_and_the_next_command(run_cli: Cli, drawn: Path, here: Path) -> None:
    result = run_cli("train", drawn, *FAST[:-2], "--find-lr", "--optimizer", "sgd", "--no-nesterov")
    assert result.code == 0
    first, reason, plot, then = result.out.splitlines()
    rate = first.removeprefix("Suggested learning rate: ")
    assert 1e-5 < float(rate) < 1
    assert "falls fastest" in reason
    assert Path(plot.removeprefix("Plot    ")).read_bytes().startswith(b"\x89PNG")
    assert then.endswith(f"--optimizer sgd --no-nesterov --workers 0 --lr {rate}")
    assert not (here / "runs" / "classify").exists()
    words = then.removeprefix("Next    striate ").split()
    assert run_cli(*words, "--epochs", "1").code == 0
    document = run_cli("train", drawn, *FAST, "--find-lr", "--json").json
    assert len(document["rates"]) == len(document["losses"]) == len(document["smoothed"])


def test_settings_as_options() -> None:
    assert _as_option("step_epochs", (3, 5)) == ["--step-epochs", "3", "5"]
    assert _as_option("flip", False) == ["--no-flip"]
    assert _as_option("root", Path("x")) == ["--root", "x"]


@pytest.mark.slow
def test_killed_from_outside_at_random_moments(drawn: Path, finished: RunFolder, tmp_path: Path) -> None:
    """The real command, in processes of its own; a checkpoint after every step, so that kills hit its writing."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    words = [sys.executable, "-m", "striate", "train"]
    run = RunFolder(tmp_path / "classify" / "killed")
    given = [str(drawn), *FAST, "--epochs", "3", "--root", str(tmp_path), "--name", run.name]
    killed = 0
    for turn in range(40):
        more = ["--resume", str(run.path)] if run.exists() else given
        process = subprocess.Popen(
            [*words, *more, "--checkpoint-minutes", "1e-9"], env=environment, stderr=subprocess.PIPE
        )
        assert process.stderr is not None
        for line in process.stderr:  # kill it soon after it has begun to learn
            if line.startswith((b"training", b"Going on")) and turn < 12:
                break
        else:
            if process.wait() == 0:
                break
            raise AssertionError(f"turn {turn} ended with {process.returncode}")
        try:
            process.wait(timeout=0.02 + 0.05 * (turn % 4))
        except subprocess.TimeoutExpired:
            process.kill()
            killed += 1
        process.stderr.close()
        process.wait()
    assert killed >= 3
    assert_same_weights(run, finished)
    rows = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    for mine, theirs in zip(rows, finished.metrics(), strict=True):
        for name in ("seconds", "images_per_s"):
            del mine[name], theirs[name]
        assert mine == theirs
