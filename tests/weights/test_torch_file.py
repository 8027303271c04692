import argparse
import os
import pickle
from pathlib import Path

import pytest
import torch
from torch import nn

from striate.errors import WeightsError
from striate.weights.torch_file import read_torch_file


@pytest.mark.parametrize("new_format", [True, False])
def test_both_formats_of_torch_save_are_read(tmp_path: Path, new_format: bool) -> None:
    module = nn.Linear(3, 2)
    path = tmp_path / "w.pth"
    torch.save({"state_dict": module.state_dict()}, path, _use_new_zipfile_serialization=new_format)
    found = read_torch_file(path)
    torch.testing.assert_close(found, dict(module.state_dict()))


class Trap:
    """Leaves a trace when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.trace),)


@pytest.mark.parametrize("new_format", [True, False])
def test_code_in_a_checkpoint_never_runs(tmp_path: Path, new_format: bool) -> None:
    path = tmp_path / "evil.pth"
    torch.save({"a": torch.ones(1), "b": Trap(tmp_path / "it-ran")}, path, _use_new_zipfile_serialization=new_format)
    with pytest.raises(WeightsError, match=r"refers to (posix|nt)\.mkdir\): opening it would run code, which is never"):
        read_torch_file(path)
    assert not (tmp_path / "it-ran").exists()
    torch.load(path, weights_only=False)
    assert (tmp_path / "it-ran").exists()  # so the trap was armed


def test_the_environment_cannot_open_the_door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    path = tmp_path / "evil.pth"
    torch.save({"b": Trap(tmp_path / "it-ran")}, path)
    with pytest.raises(WeightsError, match="would run code"):
        read_torch_file(path)
    assert not (tmp_path / "it-ran").exists()


def test_harmless_objects_are_refused_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "run.pth"
    torch.save({"state_dict": {"a": torch.ones(1)}, "args": argparse.Namespace(lr=0.1)}, path)
    with pytest.raises(WeightsError, match=r"refers to argparse\.Namespace.*torch\.save\(module\.state_dict\(\)"):
        read_torch_file(path)


def test_a_whole_module_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "module.pth"
    torch.save(nn.Linear(2, 2), path)
    with pytest.raises(WeightsError, match=r"torch\.nn\.modules\.linear\.Linear"):
        read_torch_file(path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_program_is_no_weight_file(tmp_path: Path) -> None:
    path = tmp_path / "script.pt"
    torch.jit.trace(nn.Linear(2, 2), torch.ones(1, 2)).save(str(path))
    with pytest.raises(WeightsError, match="is a program"):
        read_torch_file(path)
    exported = tmp_path / "exported.pt2"
    torch.export.save(torch.export.export(nn.Linear(2, 2), (torch.ones(1, 2),)), exported)
    with pytest.raises(WeightsError, match="is a program"):
        read_torch_file(exported)


@pytest.mark.parametrize("new_format", [True, False])
@pytest.mark.parametrize("kept", [20, 200, 700])
def test_a_cut_file_is_said(tmp_path: Path, new_format: bool, kept: int) -> None:
    path = tmp_path / "cut.pth"
    torch.save(nn.Linear(9, 9).state_dict(), path, _use_new_zipfile_serialization=new_format)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(WeightsError, match=r"cut\.pth (is damaged|holds more than tensors)"):
        read_torch_file(path)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_every_single_damaged_byte_is_an_error_or_still_plain_tensors(tmp_path: Path) -> None:
    path = tmp_path / "flipped.pth"
    torch.save(nn.Linear(2, 1).state_dict(), path)
    content = path.read_bytes()
    for position in range(0, len(content), 13):
        path.write_bytes(content[:position] + bytes([content[position] ^ 0x41]) + content[position + 1 :])
        try:
            found = read_torch_file(path)
        except WeightsError:
            continue
        assert all(isinstance(value, torch.Tensor) for value in found.values())


def test_a_pickle_that_torch_cannot_follow_is_refused_in_silence(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    """torch's message first tells how to run the code after all, and names `torch.load` on the way."""
    path = tmp_path / "net.pth"
    path.write_bytes(pickle.dumps({"a": argparse.Namespace()}, protocol=4))
    with pytest.raises(WeightsError, match="holds more than tensors") as caught:
        read_torch_file(path)
    assert "torch.load" not in str(caught.value)
    assert not recwarn.list
