"""`striate evaluate`, `runs` and `compare`: what is printed, what is JSON, what ends with which code."""

import pytest

from tests.training.scenes import class_folders, predictions, run_folder


@pytest.fixture
def runs(tmp_path):
    data = class_folders(tmp_path / "shades")
    root = tmp_path / "runs"
    return [
        run_folder(root / "classify" / name, data=data, answers=predictions(300, right=right, seed=4), lr=lr).path
        for name, right, lr in (("a", 0.6, 0.1), ("b", 0.9, 0.2))
    ]


def test_evaluate_says_the_answer_the_page_and_what_comes_next(run_cli, runs):
    done = run_cli("evaluate", runs[0])
    assert done.code == 0, done.err
    first = done.out.splitlines()[0]
    assert " right (" in first
    assert "12 pictures" in first
    assert f"Report  {runs[0] / 'evaluation' / 'report.html'}" in done.out
    assert "held out by the run" in done.err
    assert "Next    striate " in done.out
    assert "best.safetensors" not in done.out  # the run itself is a network


def test_evaluate_json_is_one_document(run_cli, runs):
    done = run_cli("evaluate", runs[0], "--json")
    document = done.json
    assert document["pictures"] == 12
    assert document["top1"]["low"] <= document["top1"]["value"] <= document["top1"]["high"]
    assert document["files"]["report"] == document["report"]
    again = run_cli("evaluate", "--from", document["folder"], "--json")
    assert again.json["report"] == document["report"]


def test_a_picture_that_cannot_be_read_is_named_and_gives_code_1(run_cli, runs, tmp_path):
    broken = tmp_path / "shades" / "val" / "dark" / "000.png"
    broken.write_bytes(b"x")
    done = run_cli("evaluate", runs[0])
    assert done.code == 1
    assert "dark/000.png" in done.err
    assert "Could not be read and left out: 1 of 12 pictures." in done.err


def test_runs_are_a_table_and_json(run_cli, runs, tmp_path):
    (runs[0] / "config.yaml").write_text("[")
    done = run_cli("runs", "--root", tmp_path / "runs")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0].split() == ["run", "state", "network", "data", "epochs", "score", "when", "path"]
    assert {line.split()[0]: line.split()[1] for line in lines[1:3]} == {"a": "broken", "b": "finished"}
    assert "config.yaml: damaged" in done.err
    document = run_cli("runs", tmp_path / "runs", "--json").json
    assert {line["name"]: line["best_score"] for line in document["runs"]} == {"a": 0.8, "b": 0.8}


def test_no_runs_is_no_failure_but_a_folder_that_is_not_there_is(run_cli, tmp_path):
    done = run_cli("runs", "--root", tmp_path)
    assert done.code == 0
    assert "No runs in" in done.err
    assert run_cli("runs", tmp_path / "none").code == 2


def test_runs_needs_no_torch(tmp_path):
    import subprocess
    import sys

    run_folder(tmp_path / "r")
    program = (
        "import sys; from striate.cli import main; code = main(['runs', '--root', sys.argv[1], '--json']);"
        "sys.exit(code or 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_compare_says_which_is_better_and_what_was_set_differently(run_cli, runs, tmp_path):
    done = run_cli("compare", *runs, "--out", tmp_path / "page.html")
    assert done.code == 0, done.err
    assert "b is better than a by" in done.out
    assert "McNemar p" in done.out
    assert any(line.split() == ["lr", "0.1", "0.2"] for line in done.out.splitlines())
    assert (tmp_path / "page.html").is_file()
    document = run_cli("compare", *runs, "--out", tmp_path / "page.html", "--json").json
    assert document["pairs"][0]["significant"] is True
    assert document["pairs"][0]["pictures"] == 300


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("evaluate",), "needs either a network"),
        (("evaluate", "lenet5_relu"), "give the data, too"),
        (("evaluate", "no/such/run"), "is not the folder of a run"),
        (("evaluate", "x", "--from", "y"), "needs either a network"),
        (("evaluate", "x", "--view", "wide"), "--view"),
        (("evaluate", "--from", "nowhere"), "holds no saved evaluation"),
        (("compare", "a"), "needs 2 or more runs, got 1"),
        (("compare", "a", "b"), "neither the folder of a run"),
    ],
)
def test_mistakes_are_one_sentence(run_cli, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    done = run_cli(*words)
    assert done.code == 2
    assert message in done.err
    assert "Traceback" not in done.err
