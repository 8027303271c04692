from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from striate.data import Labels, Preprocessing
from striate.errors import WeightsError
from striate.weights import Blueprint, import_file, load_file
from striate.weights import files as files_module
from striate.weights import importing as importing_module
from striate.weights.records import ForeignFile, find_record


def net() -> nn.Module:
    return nn.ModuleDict({"conv": nn.Conv2d(3, 4, 3), "fc": nn.Linear(4, 2)})


BLUEPRINT = Blueprint.of("net_v1", net(), variant="stride first", classifier=["fc"], first_conv="conv")
LABELS = Labels(("cat", "dog"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "best.pth"
    torch.save({"state_dict": net().state_dict()}, path)
    return path


def test_the_users_word_is_recorded(file: Path) -> None:
    written = import_file(file, blueprint=BLUEPRINT, preprocessing=Preprocessing(resize=300), labels=LABELS)
    assert written == file.with_name("best.net_v1.safetensors")
    source, loaded = load_file(file), load_file(written)
    torch.testing.assert_close(loaded.state, source.state, rtol=0, atol=0)
    metadata = loaded.metadata
    assert metadata is not None
    assert (metadata.architecture, metadata.variant, metadata.evidence) == ("net_v1", "stride first", "user")
    assert metadata.preprocessing == Preprocessing(resize=300)
    assert metadata.labels == LABELS
    assert metadata.provenance == {"source": "best.pth", "source_sha256": source.sha256}


def test_what_the_user_does_not_say_stays_unknown(file: Path, tmp_path: Path) -> None:
    metadata = load_file(import_file(file, blueprint=BLUEPRINT, out=tmp_path / "o.safetensors")).metadata
    assert metadata is not None
    assert metadata.preprocessing is None
    assert metadata.labels is None


def test_an_import_can_be_imported_anew(file: Path, tmp_path: Path) -> None:
    first = import_file(file, blueprint=BLUEPRINT, labels=LABELS)
    other = replace(BLUEPRINT, name="net", variant="stride second")
    metadata = load_file(import_file(first, blueprint=other)).metadata
    assert metadata is not None
    assert metadata.architecture == "net"
    assert metadata.labels == LABELS


def test_weights_that_do_not_fit_are_refused(file: Path) -> None:
    with torch.device("meta"):
        wide = Blueprint.of("wide", nn.ModuleDict({"conv": nn.Conv2d(3, 5, 3), "fc": nn.Linear(5, 2)}))
    with pytest.raises(
        WeightsError, match=r"does not fit wide: 'conv.weight' has shape .* look like weights of net_v1"
    ):
        import_file(file, blueprint=wide, blueprints=[BLUEPRINT])
    assert [path.name for path in file.parent.iterdir()] == ["best.pth"]


def test_an_existing_file_is_not_overwritten(file: Path) -> None:
    written = import_file(file, blueprint=BLUEPRINT)
    before = written.read_bytes()
    with pytest.raises(WeightsError, match="exists already; remove it, or name another file with --out"):
        import_file(file, blueprint=BLUEPRINT, labels=LABELS)
    assert written.read_bytes() == before


def test_labels_must_be_as_many_as_classes(file: Path) -> None:
    with pytest.raises(WeightsError, match="has 2 classes, but 3 labels were given"):
        import_file(file, blueprint=BLUEPRINT, labels=Labels(("a", "b", "c")))


def test_preprocessing_must_give_as_many_channels(file: Path) -> None:
    gray = Preprocessing(channels="L", mean=(0.5,), std=(0.5,))
    with pytest.raises(WeightsError, match="takes 3 image channels, but its preprocessing gives L"):
        import_file(file, blueprint=BLUEPRINT, preprocessing=gray)


def test_a_known_hash_is_not_overruled(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files_module, "record_for_sha256", lambda _: find_record("resnet50.tv_in1k"))
    with pytest.raises(WeightsError, match=r"is resnet50\.tv_in1k \(its SHA-256 is known\), which is not net_v1"):
        import_file(file, blueprint=BLUEPRINT)


def test_a_known_hash_brings_its_preprocessing_and_labels(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = replace(find_record("resnet50.tv_in1k"), architecture="net_v1", labels="")
    monkeypatch.setattr(files_module, "record_for_sha256", lambda _: record)
    metadata = load_file(import_file(file, blueprint=BLUEPRINT)).metadata
    assert metadata is not None
    assert metadata.evidence == "record"
    assert metadata.preprocessing == record.preprocessing
    assert metadata.license == record.license
    assert metadata.provenance["record"] == "net_v1.tv_in1k"


def test_a_known_file_of_another_graph_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = ForeignFile("0" * 8, "other.pth", "net_v1", "it pads otherwise")
    monkeypatch.setattr(importing_module, "foreign_file", lambda _: foreign)
    with pytest.raises(WeightsError, match=r"is other\.pth: it pads otherwise"):
        import_file(file, blueprint=BLUEPRINT)


def test_a_trained_file_knows_better_than_the_user(file: Path, tmp_path: Path) -> None:
    from striate.weights import NativeMetadata, save_native

    trained = save_native(
        tmp_path / "run.safetensors", load_file(file).state, metadata=NativeMetadata("net", "v", "trained")
    )
    with pytest.raises(WeightsError, match="is of net by its own metadata, not of net_v1"):
        import_file(trained, blueprint=BLUEPRINT)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(file: Path, tmp_path: Path, value: float) -> None:
    """They would be recorded as good, and every answer of such a network is NaN."""
    state = load_file(file).state
    name = next(iter(state))
    state[name] = torch.full_like(state[name], value)
    torch.save(state, tmp_path / "diverged.pth")
    with pytest.raises(WeightsError, match=rf"no numbers \(NaN or infinite\) in {name}; "):
        import_file(tmp_path / "diverged.pth", blueprint=BLUEPRINT)
    assert not list(tmp_path.glob("*.safetensors"))
