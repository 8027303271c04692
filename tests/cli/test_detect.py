"""`striate detect`: the table, JSON, exit codes, and what a person is told who asks for what cannot be."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from striate.data import Labels, Preprocessing
from striate.models import create_model
from striate.weights import NativeMetadata, save_native
from tests.recipes.boxes import CLASSES, rectangles, sure_detector

Cli = Callable[..., Any]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector, a network that names pictures, and two photos."""
    folder = tmp_path_factory.mktemp("place")
    sure_detector(folder / "best.safetensors")
    module = create_model("squeezenet1_1", num_classes=2)
    said = NativeMetadata("squeezenet1_1", "small", "trained", preprocessing=Preprocessing(), labels=Labels(("a", "b")))
    save_native(folder / "names.safetensors", dict(module.state_dict()), metadata=said)
    rectangles(folder / "photos", 2)
    return folder


@pytest.fixture
def here(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to write into."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_table_of_what_was_found(run_cli: Cli, place: Path, here: Path) -> None:
    result = run_cli("detect", place / "photos", "--network", place / "best.safetensors", "--score", 0.1)
    assert result.code == 0, result.err
    assert result.err.startswith("Look for 3 classes with yolo_squeezenet1_1 on 2 photos; boxes with a score of at")
    lines = result.out.splitlines()
    assert lines[0].split() == ["picture", "boxes", "surest", "what"]
    assert "s0-00.png" in lines[1]
    assert any(name in lines[1] for name in CLASSES)
    assert "ms a picture, reading and drawing left out" in result.err
    assert (here / "striate-out" / "detect" / "detections.json").is_file()
    assert len(list((here / "striate-out" / "detect" / "pictures").iterdir())) == 2
    assert lines[-1].startswith("Next    striate ")


def test_one_json_document(run_cli: Cli, place: Path, here: Path) -> None:
    words = ("detect", place / "photos", "--network", place / "best.safetensors", "--json", "--out", "boxes")
    document = run_cli(*words, "--format", "voc", "--no-pictures").json
    assert document["labels"] == list(CLASSES)
    assert [len(one["size"]) for one in document["pictures"]] == [2, 2]
    assert document["failed"] == []
    assert document["stopped"] is False
    assert sorted(path.name for path in (here / "boxes").iterdir()) == ["voc"]
    assert set(document["files"]) == {"voc"}


def test_a_broken_file_gives_one_line_and_exit_code_1(run_cli: Cli, place: Path, here: Path) -> None:
    (here / "torn.jpg").write_bytes(b"\xff\xd8 torn")
    result = run_cli("detect", "torn.jpg", place / "photos", "--network", place / "best.safetensors", "--no-pictures")
    assert result.code == 1
    assert len([line for line in result.err.splitlines() if "torn.jpg" in line]) == 1
    assert "s0-01.png" in result.out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("{photos}",), "needs --network RUN, a detector that was trained: striate train DATA --model faster_rcnn"),
        (("{photos}", "--network", "{names}"), "names pictures and finds no boxes"),
        (("{photos}", "--network", "resnet18.tv_in1k"), "resnet18"),
        (("{photos}", "--network", "yolo"), "yolo"),
        (("{photos}", "--network", "runs/nothing"), "runs/nothing"),
        (("--network", "{best}"), "needs photos, a folder, a film or camera"),
        (("empty", "--network", "{best}"), "empty"),
        (("gone.jpg", "--network", "{best}"), "gone.jpg"),
        (("gone.mp4", "--network", "{best}"), "gone.mp4"),
        (("{photos}", "--network", "{best}", "--score", "1.5"), "score"),
        (("{photos}", "--network", "{best}", "--score", "nan"), "score"),
        (("{photos}", "--network", "{best}", "--every", "0"), "every"),
        (("{photos}", "--network", "{best}", "--max-proposals", "0"), "proposals"),
        (("{photos}", "--network", "{best}", "--out", "file/out"), "file"),
        (("{photos}", "--network", "{best}", "--format", "pdf"), "pdf"),
        (("{photos}", "--network", "{best}", "--max-megapixels", "0"), "--max-megapixels"),
    ],
)
def test_mistakes_are_told_in_a_line_without_a_traceback(
    run_cli: Cli, place: Path, here: Path, words: tuple[str, ...], says: str
) -> None:
    (here / "empty").mkdir()
    (here / "file").write_text("")
    known = {"photos": place / "photos", "best": place / "best.safetensors", "names": place / "names.safetensors"}
    result = run_cli("detect", *(word.format(**known) for word in words))
    assert result.code == 2, result.err
    assert says in result.err
    assert "Traceback" not in result.err
    assert "validation error" not in result.err
    last = result.err.strip().splitlines()[-1]
    assert len(last) < 400
    assert not result.out


def test_other_verbs_say_what_detectors_are_for(run_cli: Cli, place: Path, here: Path) -> None:
    photo = place / "photos" / "s0-00.png"
    for verb in ("classify", "explain"):
        result = run_cli(verb, photo, "--network", place / "best.safetensors")
        assert result.code == 2, (verb, result.err)
        assert "Traceback" not in result.err
        assert "finds boxes" in result.err
