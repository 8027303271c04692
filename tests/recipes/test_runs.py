"""The table of runs: newest first, and a broken folder is one line."""

import os

import pytest

from striate.errors import ConfigError, DataError
from striate.recipes.compare_runs import CompareConfig, read_contenders, run
from striate.recipes.runs import list_runs
from striate.training.evaluation import Evaluation
from tests.training.scenes import predictions, run_folder


def test_runs_are_listed_the_newest_first(tmp_path):
    for number, name in enumerate(("old", "new", "middle")):
        made = run_folder(tmp_path / "classify" / name, epochs=number + 1)
        for file in made.path.iterdir():
            os.utime(file, (1000 + {"old": 0, "middle": 1, "new": 2}[name],) * 2)
    found = list_runs(tmp_path)
    assert [line.name for line in found] == ["new", "middle", "old"]
    assert (found[0].state, found[0].network, found[0].epoch, found[0].epochs) == ("finished", "lenet5_relu", 2, 2)
    assert found[0].best_score == 0.8
    assert found[0].when == "1970-01-01T00:16:42+00:00"
    assert found[0].problem == ""


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("config.yaml", "a: [", "damaged"),
        ("config.yaml", "", "damaged"),
        ("config.yaml", "just text", "damaged"),
        ("status.json", "{", "damaged"),
        ("status.json", None, "no such file"),
    ],
)
def test_a_broken_run_is_one_line(tmp_path, name, content, words):
    run_folder(tmp_path / "good")
    broken = run_folder(tmp_path / "broken").path / name
    broken.unlink() if content is None else broken.write_text(content)
    lines = {line.name: line for line in list_runs(tmp_path)}
    assert lines["broken"].state == "broken"
    assert words in lines["broken"].problem
    assert lines["good"].state == "finished"


def test_wild_values_do_not_stop_the_table(tmp_path):
    made = run_folder(tmp_path / "wild")
    made.write_status(state=["?"], epoch="many", epochs=-3, best_epoch=True, best_score="high", message=None)
    (line,) = list_runs(tmp_path)
    assert (line.epoch, line.epochs, line.best_score, line.best_epoch) == (0, 3, None, None)


def test_no_runs_and_no_folder(tmp_path):
    assert list_runs(tmp_path / "none") == []
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ConfigError, match="is a file"):
        list_runs(file)


# The comparison.


def test_runs_are_read_with_all_they_have(tmp_path):
    a = run_folder(tmp_path / "a", answers=predictions(right=0.5), lr=0.1)
    b = run_folder(tmp_path / "b", answers=predictions(right=0.95), lr=0.2)
    *_, done = run(CompareConfig(runs=(a.path, b.path), out=tmp_path / "out" / "page.html"))
    result = done.result
    assert done.files["report"].read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert [one.name for one in result.contenders] == ["a", "b"]
    assert result.differing == {"lr": (0.1, 0.2)}
    assert result.contenders[0].cost["parameters"] > 50_000
    assert result.contenders[0].cost["seconds"] == 90.0
    assert result.best == 1
    assert result.pairs[0].significant


def test_what_is_missing_is_said_and_the_rest_is_compared(tmp_path):
    a = run_folder(tmp_path / "a")
    b = run_folder(tmp_path / "b", answers=predictions())
    (b.path / "metrics.jsonl").write_text('{"epoch": 1}\nbroken\n')
    b.best.write_bytes(b"damaged")
    (b.path / "status.json").unlink()
    first, second = read_contenders([a.path, b.path])
    assert "no such file, so nothing can be tested" in first.notes[0]
    assert first.predictions is None
    assert [one.split(": ")[0].rpartition("/")[2].split(",")[0].split(" ")[0] for one in second.notes] == [
        "status.json",
        "metrics.jsonl",
        "best.safetensors",
    ]
    assert second.predictions is not None
    a.predictions.write_bytes(b"damaged")
    assert "damaged" in read_contenders([a.path, b.path])[0].notes[0]


def test_an_evaluation_can_be_compared_with_a_run(tmp_path):
    a = run_folder(tmp_path / "a", answers=predictions())
    Evaluation.from_predictions(predictions(right=0.6)).save(tmp_path / "e")
    *_, done = run(CompareConfig(runs=(a.path, tmp_path / "e"), out=tmp_path / "page.html"))
    assert done.result.contenders[1].state == "evaluation"
    assert done.result.pairs[0].count == 40


def test_runs_of_one_name_are_told_apart_by_their_folders(tmp_path):
    paths = [run_folder(tmp_path / where / "r").path for where in ("x", "y")]
    assert [one.name for one in read_contenders(paths)] == ["x/r", "y/r"]


def test_refusals(tmp_path):
    a = run_folder(tmp_path / "a")
    with pytest.raises(DataError, match="given twice"):
        read_contenders([a.path, tmp_path / "." / "a"])
    with pytest.raises(DataError, match="neither the folder of a run"):
        read_contenders([a.path, tmp_path])
