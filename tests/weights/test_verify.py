import hashlib
from pathlib import Path

import pytest

from striate.errors import WeightsError
from striate.weights.origin import Hub, WeightFile
from striate.weights.verify import check_file, file_sha256, noted_sha256, write_note
from tests.weights.conftest import MakeRecord, file_of

CONTENT = b"numbers"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.pth"
    path.write_bytes(CONTENT)
    return path


def test_the_hash_is_sha256(path: Path) -> None:
    assert file_sha256(path) == DIGEST


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"gone\.pth cannot be read: No such file"):
        file_sha256(tmp_path / "gone.pth")


@pytest.mark.parametrize("prefix", [False, True])
def test_the_right_content_passes(path: Path, prefix: bool) -> None:
    assert check_file(path, file_of(CONTENT, prefix=prefix)) == DIGEST


@pytest.mark.parametrize("prefix", [False, True])
def test_one_changed_byte_is_found(path: Path, prefix: bool) -> None:
    path.write_bytes(b"numbert")
    with pytest.raises(WeightsError, match="is damaged or another file: its SHA-256 is"):
        check_file(path, file_of(CONTENT, prefix=prefix))


def test_another_length_is_found(path: Path) -> None:
    path.write_bytes(CONTENT + b"!")
    with pytest.raises(WeightsError, match="has 8 bytes, not 7"):
        check_file(path, file_of(CONTENT))


def test_where_only_a_prefix_is_published_the_noted_hash_counts_too(path: Path) -> None:
    file = file_of(CONTENT, prefix=True)
    assert check_file(path, file, noted=DIGEST) == DIGEST
    with pytest.raises(WeightsError, match="is not what was to be fetched"):
        check_file(path, file, noted=DIGEST[:8] + "0" * 56)


def test_without_any_hash_nothing_passes(path: Path) -> None:
    file = WeightFile("tiny.pth", "striate")
    with pytest.raises(WeightsError, match="cannot be verified"):
        check_file(path, file)
    assert check_file(path, file, noted=DIGEST) == DIGEST


def test_a_note_is_found_again(home: Path, make_record: MakeRecord, path: Path) -> None:
    file = WeightFile("model.safetensors", "striate")
    record = make_record(Hub(file, "a/b"))
    target = home / "weights" / record.name / file.name
    assert noted_sha256(record, file, target) is None
    target.parent.mkdir(parents=True)
    write_note(target, DIGEST)
    assert noted_sha256(record, file, target) == DIGEST
    assert noted_sha256(record, file, path) == DIGEST  # wherever the file itself lies


@pytest.mark.parametrize("text", ["", "no hash here", "ABC", "\x00\xff"])
def test_a_damaged_note_is_no_note(home: Path, make_record: MakeRecord, text: str) -> None:
    file = WeightFile("model.safetensors", "striate")
    record = make_record(Hub(file, "a/b"))
    target = home / "weights" / record.name / file.name
    target.parent.mkdir(parents=True)
    target.with_name("model.safetensors.sha256").write_text(text, encoding="latin-1")
    assert noted_sha256(record, file, target) is None


def test_the_hubs_cache_names_content_by_its_hash(home: Path, make_record: MakeRecord, tmp_path: Path) -> None:
    file = WeightFile("model.safetensors", "striate")
    blob = tmp_path / "blobs" / DIGEST
    blob.parent.mkdir()
    blob.write_bytes(CONTENT)
    link = tmp_path / "model.safetensors"
    link.symlink_to(blob)
    assert noted_sha256(make_record(Hub(file, "a/b")), file, link) == DIGEST
