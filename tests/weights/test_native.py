import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from striate.data import Labels, Preprocessing
from striate.errors import WeightsError
from striate.weights.native import NativeMetadata, read_safetensors, save_native

META = NativeMetadata(
    architecture="resnet50_v1",
    variant="stride 2 in the 1×1 convolution",
    evidence="user",
    preprocessing=Preprocessing(resize=232, channels="BGR", scale=255.0, mean=(1.0, 2.0, 3.0), std=(1.0, 1.0, 1.0)),
    labels=Labels(names=("cat", "dög"), ids=("n1", "n2"), synonyms=(("kitty",), ())),
    license="MIT",
    provenance={"source": "net.pth", "source_sha256": "0" * 64},
)


def test_everything_comes_back(tmp_path: Path) -> None:
    state = {"a.weight": torch.randn(3, 4), "a.count": torch.tensor(7), "half": torch.ones(2, dtype=torch.float16)}
    path = save_native(tmp_path / "deep" / "w.safetensors", state, metadata=META)
    found, metadata = read_safetensors(path)
    torch.testing.assert_close(found, state, rtol=0, atol=0)
    assert metadata == META
    assert [p.name for p in path.parent.iterdir()] == ["w.safetensors"]


def test_what_is_not_known_stays_unknown(tmp_path: Path) -> None:
    bare = NativeMetadata("lenet5", "v", "trained")
    path = save_native(tmp_path / "w.safetensors", {"a": torch.ones(1)}, metadata=bare)
    assert read_safetensors(path)[1] == bare


def test_others_can_read_it(tmp_path: Path) -> None:
    path = save_native(tmp_path / "w.safetensors", {"a": torch.ones(1)}, metadata=META)
    with safe_open(path, framework="pt") as file:
        strings = file.metadata()
    assert strings["format"] == "pt"
    assert strings["architecture"] == "resnet50_v1"
    assert json.loads(strings["preprocessing"])["resize"] == 232


def test_views_of_one_memory_are_written_apart(tmp_path: Path) -> None:
    base = torch.arange(6.0)
    state = {"a": base[:3], "b": base, "t": base.reshape(2, 3).T}
    found, _ = read_safetensors(save_native(tmp_path / "w.safetensors", state, metadata=META))
    torch.testing.assert_close(found, state)


def test_an_existing_file_survives_a_failed_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_native(tmp_path / "w.safetensors", {"a": torch.ones(1)}, metadata=META)
    before = path.read_bytes()

    def full(_tensors: object, part: Path, **_: object) -> None:
        part.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("striate.weights.native.save_file", full)
    with pytest.raises(WeightsError, match="is full"):
        save_native(path, {"a": torch.zeros(1)}, metadata=META)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"ends with \.safetensors, got 'w\.pth'"):
        save_native(tmp_path / "w.pth", {"a": torch.ones(1)}, metadata=META)


def test_a_foreign_safetensors_file_has_no_metadata(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file({"a": torch.ones(1)}, path, metadata={"format": "pt"})
    assert read_safetensors(path)[1] is None
    save_file({"a": torch.ones(1)}, path)
    assert read_safetensors(path)[1] is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"striate_format": "2"}, "in format 2, this is striate .* update striate"),
        ({"preprocessing": '{"rezise": 3}'}, "damaged metadata: Preprocessing has no setting 'rezise'"),
        ({"preprocessing": "{"}, "damaged metadata"),
        ({"labels": '{"names": 3}'}, "damaged metadata"),
        ({"evidence": "hearsay"}, "damaged metadata: unknown evidence 'hearsay'"),
        ({"provenance": "[]"}, "damaged metadata"),
        ({"architecture": None}, "damaged metadata: 'architecture'"),
    ],
)
def test_damaged_metadata_is_said(tmp_path: Path, change: dict[str, str | None], message: str) -> None:
    good = {"striate_format": "1", "architecture": "a", "variant": "v", "evidence": "user"}
    strings = {key: value for key, value in {**good, **change}.items() if value is not None}
    path = tmp_path / "w.safetensors"
    save_file({"a": torch.ones(1)}, path, metadata=strings)
    with pytest.raises(WeightsError, match=message):
        read_safetensors(path)


@pytest.mark.parametrize("kept", [0, 7, 9, 60, 300])
def test_a_cut_file_is_said(tmp_path: Path, kept: int) -> None:
    path = save_native(tmp_path / "w.safetensors", {"a": torch.ones(100)}, metadata=META)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(WeightsError, match="is damaged or no safetensors file"):
        read_safetensors(path)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("preprocessing", "[" * 100_000, "damaged metadata: .*recursion"),
        ("labels", '{"names":' + "[" * 100_000, "damaged metadata: .*recursion"),
        ("preprocessing", json.dumps({**Preprocessing().to_dict(), "resize": 10**6}), "resize must be at most 16384"),
        (
            "preprocessing",
            json.dumps({**Preprocessing().to_dict(), "input_size": [10**6, 1]}),
            "input_size must be at most",
        ),
    ],
    ids=["deep", "deep labels", "huge", "huge crop"],
)
def test_hostile_metadata_is_refused(tmp_path: Path, key: str, value: str, message: str) -> None:
    """Nested too deep to be read, or asking for a picture that needs terabytes."""
    said = {"striate_format": "1", "architecture": "net", "variant": "v", "evidence": "user", key: value}
    save_file({"a": torch.ones(1)}, tmp_path / "w.safetensors", metadata=said)
    with pytest.raises(WeightsError, match=message):
        read_safetensors(tmp_path / "w.safetensors")
