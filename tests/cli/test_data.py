"""`striate data check|split|convert|fetch` on the command line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from striate.data.opening import open_data
from tests.data.layouts import class_folders, files, picture


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return class_folders(tmp_path, {"set/train/cat": 12, "set/train/dog": 9, "set/val/cat": 2, "set/val/dog": 2})


def test_a_clean_set(here: Path, run_cli: Callable[..., Any]) -> None:
    result = run_cli("data", "check", "set")
    assert result.code == 0
    assert result.err.splitlines()[0] == "Check set: 25 pictures (train 21, val 4) in 2 classes."
    lines = result.out.splitlines()
    assert lines[0].split() == ["class", "train", "val"]
    assert lines[1].split() == ["cat", "12", "2"]
    assert "Sizes   48 × 40 pixels, all of them" in lines
    assert "25 pictures were read; nothing is wrong." in lines
    assert lines[-1] == "Next    striate train set"


def test_what_is_wrong_is_grouped_counted_and_cut(here: Path, run_cli: Callable[..., Any]) -> None:
    files(here / "set", {f"train/cat/broken{n}.jpg": b"x" for n in range(8)} | {"val/dog/leak.png": picture(0)})
    result = run_cli("data", "check", "set", "--show", "2", "--out", "report.json")
    assert result.code == 1
    text = result.out
    assert "Errors: 10" in text
    assert "  cannot be read: 8\n    train/cat/broken0.jpg: this is text, not an image.\n" in text
    assert "    … 6 more\n" in text
    assert "val/dog/leak.png: in val, and the same file is in train as train/cat/0.png" in text
    assert "'dog', but the same file is 'cat' as train/cat/0.png" in text
    assert text.splitlines()[-1] == "Next    striate data check set --show 0"
    assert json.loads(Path("report.json").read_text(encoding="utf-8"))["errors"] == 10
    everything = run_cli("data", "check", "set", "--show", "0")
    assert everything.out.count("this is text") == 8
    document = run_cli("data", "check", "set", "--json").json
    assert document["errors"] == 10
    assert document["problems"][0] == {
        "level": "error",
        "kind": "unreadable",
        "where": "set/train/cat/broken0.jpg",
        "text": "this is text, not an image.",
    }


def test_warnings_alone_are_no_failure(here: Path, run_cli: Callable[..., Any]) -> None:
    files(here / "set", {"train/cat/again.png": picture(0)})
    result = run_cli("data", "check", "set")
    assert result.code == 0
    assert "the same picture twice: 1" in result.out


def test_many_classes_are_shown_at_both_ends(tmp_path: Path, run_cli: Callable[..., Any]) -> None:
    counts = np.arange(1, 41)
    labels = np.repeat(np.arange(40), counts)
    pictures = np.random.default_rng(0).integers(0, 256, (len(labels), 4, 4), dtype=np.uint8)
    np.savez(tmp_path / "set.npz", images=pictures, labels=labels)
    lines = run_cli("data", "check", tmp_path / "set.npz").out.splitlines()
    assert lines[1].split() == ["39", "40"]
    assert lines[9].split() == ["…", "24", "more", "…"]
    assert lines[17].split() == ["0", "1"]
    assert lines[18].split() == ["820"]


def test_names_that_would_move_the_cursor_are_escaped(tmp_path: Path, run_cli: Callable[..., Any]) -> None:
    files(tmp_path, {"a/\x1b[2J.png": b"", "b/1.png": picture()})
    assert "\x1b" not in run_cli("data", "check", tmp_path).out


def test_split_and_convert(here: Path, run_cli: Callable[..., Any]) -> None:
    result = run_cli("data", "split", "set", "--test", "0.25")
    assert result.code == 0
    assert result.out.splitlines()[-1] == "Next    striate train set-split.csv"
    assert {name: len(images) for name, images in open_data("set-split.csv").items()} == {
        "train": 16,
        "val": 4,
        "test": 5,
    }
    assert run_cli("data", "split", "set", "--test", "0.25").code == 2
    converted = run_cli("data", "convert", "set-split.csv", "--to", "npz", "--out", "set.npz")
    assert converted.code == 0
    assert converted.out.splitlines() == ["Data    set.npz", "Next    striate train set.npz"]
    assert len(open_data("set.npz")["train"]) == 16
    document = run_cli("data", "convert", "set.npz", "--to", "tar", "--json").json
    assert document == {"data": "set-tar", "problems": []}
    document = run_cli("data", "split", "set", "--test", "0.25", "--out", "x.csv", "--json").json
    assert document["counts"] == {"train": 16, "val": 4, "test": 5}


def test_convert_divides_on_the_way(here: Path, run_cli: Callable[..., Any]) -> None:
    assert run_cli("data", "convert", "set/train", "--to", "idx", "--val", "0.2", "--test", "0.2").code == 0
    found = {name: len(images) for name, images in open_data("train-idx").items()}
    assert found == {"train": 13, "val": 4, "test": 4}


def test_pictures_that_were_left_out_make_the_exit_code_one(here: Path, run_cli: Callable[..., Any]) -> None:
    files(here / "set", {"train/cat/broken.png": b"x"})
    result = run_cli("data", "convert", "set", "--to", "npz")
    assert result.code == 1
    assert "train/cat/broken.png: this is text, not an image. Left out." in result.out
    assert sum(map(len, open_data("set.npz").values())) == 25


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["check", "none"], "none: no such file or folder."),
        (["check", "empty"], "empty: no class folder in it; put the pictures of each class into a folder"),
        (["check", "set", "--show", "-1"], "--show must be 0 (all) or more, got -1."),
        (["check", "set", "--workers", "0"], "'--workers' must be greater than or equal to 1, got 0."),
        (["check", "set", "--out", "none/x.json"], "none/x.json: the report cannot be written"),
        (["check"], "'striate data check' needs"),
        (["split", "set"], "Nothing is divided off"),
        (["split", "set", "--val", "2"], "'--val' must be less than 1, got 2.0."),
        (["split", "set", "--val", "0.1"], "set: has val already; leave out --val."),
        (["convert", "set"], "'striate data convert' needs"),
        (["convert", "set", "--to", "idx", "--out", "set"], "set: exists already and is not overwritten"),
        (["convert", "set", "--to", "folder", "--out", "set/x"], "set/x: lies inside set"),
        (["fetch", "mnits"], "No public data set named 'mnits'. Nearest: 'mnist'"),
        (["chekc", "set"], "There is no verb 'chekc'"),
    ],
)
def test_mistakes_are_one_sentence(words: list[str], message: str, here: Path, run_cli: Callable[..., Any]) -> None:
    (here / "empty").mkdir()
    before = sorted(here.rglob("*"))
    result = run_cli("data", *words)
    assert result.code == 2, result.err
    assert message in result.err
    assert "Traceback" not in result.err
    assert sorted(here.rglob("*")) == before


def test_fetch_lists_and_tells_how_to_get_it_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_cli: Callable[..., Any]
) -> None:
    monkeypatch.setenv("STRIATE_HOME", str(tmp_path))
    monkeypatch.setenv("STRIATE_OFFLINE", "1")
    assert [each["name"] for each in run_cli("data", "fetch", "--json").json] == ["fashion-mnist", "mnist"]
    result = run_cli("data", "fetch", "mnist")
    assert result.code == 2
    assert "By hand: download https://" in result.err


def test_help_lists_the_verbs_without_torch(run_cli: Callable[..., Any]) -> None:
    text = run_cli("data", "--help").out
    assert all(verb in text for verb in ("check", "convert", "fetch", "split"))
