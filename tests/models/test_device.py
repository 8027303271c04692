"""Devices by name."""

import pytest
import torch

from striate.errors import ConfigError
from striate.models.device import pick_device


def test_names_are_devices() -> None:
    assert pick_device("cpu") == torch.device("cpu")
    assert pick_device(torch.device("cpu")).type == "cpu"
    assert pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("name", ["tpu", "gpu9", "cuda:x", "", " cpu", "cuda:99999999999999"])
def test_what_is_no_device_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        pick_device(name)
    assert str(caught.value) == f"device must be 'cpu', 'cuda' (or 'cuda:1' and so on) or 'auto', got {name!r}."


@pytest.mark.parametrize("name", ["mps", "xla", "cuda:99", "meta"])
def test_what_is_not_here_is_refused_in_one_line(name: str) -> None:
    if torch.device(name).type == "mps" and torch.backends.mps.is_available():
        pytest.skip("this machine has such a device")
    with pytest.raises(ConfigError, match=r"^device '\S+' (cannot be used here: .{5,120}|holds shapes .*) Use 'auto'"):
        pick_device(name)
