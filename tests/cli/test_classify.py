"""Many photos, some of them bad."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image


@pytest.fixture
def folder(tmp_path: Path, photo_path: Callable[[str], Path]) -> Path:
    """Two good photos, one of them a level down, and two bad files."""
    (tmp_path / "more").mkdir()
    shutil.copyfile(photo_path("coffee.png"), tmp_path / "coffee.png")
    Image.open(photo_path("chelsea.png")).save(tmp_path / "more" / "cat [1].jpg")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut off")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("not an image, and not asked for")
    return tmp_path


def test_bad_files_do_not_stop_the_others(folder: Path, run_cli: Callable[..., Any]) -> None:
    result = run_cli("classify", folder, folder / "missing.png", "--json", "--top", "3")
    assert result.code == 1
    document = result.json
    assert (document["classified"], document["failed"]) == (2, 3)
    by_name = {Path(entry["file"]).name: entry for entry in document["results"]}
    assert by_name["coffee.png"]["answers"][0]["label"] == "espresso"
    assert "cat" in by_name["cat [1].jpg"]["answers"][0]["label"]
    assert [len(by_name[name]["answers"]) for name in ("coffee.png", "cat [1].jpg")] == [3, 3]
    for name in ("broken.jpg", "empty.png", "missing.png"):
        assert name in by_name[name]["error"]
        assert result.err.count(by_name[name]["error"]) == 1
    assert "notes.txt" not in by_name


def test_for_people(folder: Path, run_cli: Callable[..., Any]) -> None:
    result = run_cli("classify", folder, "--top", "2")
    lines = result.out.splitlines()
    assert result.code == 1
    assert lines[0] == str(folder / "coffee.png")
    assert lines[1].endswith("%  espresso")
    assert "2 classified with efficientnet_lite0, 2 failed." in result.err
    assert lines[-1] == f"Next    striate explain {folder / 'coffee.png'}"


def test_one_answer_is_one_line(folder: Path, run_cli: Callable[..., Any]) -> None:
    result = run_cli("classify", folder / "coffee.png", "--top", "1")
    assert result.code == 0
    assert result.out.splitlines()[0].startswith(f"{folder / 'coffee.png'}: espresso (9")


def test_the_next_command_asks_the_network_that_answered(folder: Path, run_cli: Callable[..., Any]) -> None:
    photo = folder / "coffee.png"
    result = run_cli("classify", photo, "--network", "efficientnet_lite0.in1k")
    assert result.code == 0
    assert result.out.splitlines()[-1] == f"Next    striate explain {photo} --network efficientnet_lite0.in1k"


def test_the_batch_size_changes_nothing(folder: Path, run_cli: Callable[..., Any]) -> None:
    whole, single = (
        run_cli("classify", folder, "--json", "--batch-size", size).json["results"] for size in ("16", "1")
    )
    assert [entry["file"] for entry in whole] == [entry["file"] for entry in single]
    for one, other in zip(whole, single, strict=True):
        if "answers" in one:
            assert [a["label"] for a in one["answers"]] == [a["label"] for a in other["answers"]]
            assert one["answers"][0]["probability"] == pytest.approx(other["answers"][0]["probability"], abs=1e-4)


def test_when_nothing_can_be_read_no_network_is_loaded(tmp_path: Path, run_cli: Callable[..., Any]) -> None:
    result = run_cli("classify", tmp_path, "--network", "no_such_network", "--json")
    assert result.code == 1
    assert result.json["classified"] == 0
    assert "no image in this folder" in result.json["results"][0]["error"]


@pytest.mark.parametrize("flag", ["--top", "--batch-size", "--max-megapixels"])
def test_refusals(flag: str, folder: Path, run_cli: Callable[..., Any]) -> None:
    result = run_cli("classify", folder, flag, "0")
    assert result.code == 2
    assert f"{flag} must be greater than 0, got 0" in result.err


def test_an_unknown_device_is_refused(folder: Path, run_cli: Callable[..., Any]) -> None:
    result = run_cli("classify", folder / "coffee.png", "--device", "gpu9")
    assert result.code == 2
    said = "Error: device must be 'cpu', 'cuda' (or 'cuda:1' and so on) or 'auto', got 'gpu9'."
    assert result.err.splitlines()[-1] == said
