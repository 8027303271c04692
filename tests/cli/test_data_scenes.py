"""`striate data scenes` on the command line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from striate.data.box_opening import open_boxes


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_scenes_of_built_in_shapes(run_cli: Callable[..., Any]) -> None:
    done = run_cli(
        "data", "scenes", "out", "--train", "4", "--val", "0", "--test", "2", "--size", "64", "96", "--to", "yolo"
    )
    assert done.code == 0
    assert done.err.splitlines()[0] == (
        "Make 6 scenes (train 4, test 2) of 96 × 64 pixels: textured shapes of 10 classes on textures, as YOLO."
    )
    lines = done.out.splitlines()
    assert lines[0].split() == ["scenes", "boxes", "a", "class", "difficult"]
    assert lines[1].split()[:2] == ["train", "4"]
    assert "Data    out" in lines
    assert lines[-1] == "Next    striate data check out"
    assert {part: len(boxes) for part, boxes in open_boxes("out").items()} == {"train": 4, "test": 2}


def test_the_same_as_json(run_cli: Callable[..., Any]) -> None:
    done = run_cli("data", "scenes", "out", "--train", "2", "--val", "0", "--test", "0", "--size", "48", "48", "--json")
    assert done.json["data"] == {"data": "out"}
    assert done.json["parts"]["train"]["scenes"] == 2
    assert len(done.json["classes"]) == 10


def test_what_a_user_may_get_wrong_is_one_line(run_cli: Callable[..., Any]) -> None:
    for words, said in (
        (["--size", "4", "4"], "size must be from 16"),
        (["--unseen", "0.2"], "drawn anew"),
        (["--sprites", "nowhere"], "no such file or folder"),
        (["--objects", "5", "2"], "objects must be a range"),
        (["--unseen", "1.5"], "unseen"),
    ):
        done = run_cli("data", "scenes", "out", *words)
        assert done.code == 2
        assert said in done.err
        assert "Traceback" not in done.err
    assert not Path("out").exists()
