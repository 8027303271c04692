import sys
from pathlib import Path

import numpy as np
import pytest

from striate.errors import WeightsError
from striate.weights.h5 import read_h5


def test_arrays_come_by_their_path(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="pip install 'striate[weights]'")
    path = tmp_path / "w.h5"
    with h5py.File(path, "w") as file:
        file["block1/conv/0"] = np.arange(6, dtype=np.float32).reshape(2, 3)
        file.create_group("empty")
    found = read_h5(path)
    assert list(found) == ["block1/conv/0"]
    assert found["block1/conv/0"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_arrays_outside_the_file_are_refused(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="pip install 'striate[weights]'")
    secret = tmp_path / "secret.bin"
    secret.write_bytes(np.ones(4, np.float32).tobytes())
    path = tmp_path / "w.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("a", shape=(4,), dtype="f4", external=[(str(secret), 0, 16)])
    with pytest.raises(WeightsError, match="'a' is not a plain array in the file itself"):
        read_h5(path)


def test_links_to_other_files_are_not_followed(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="pip install 'striate[weights]'")
    other, path = tmp_path / "other.h5", tmp_path / "w.h5"
    with h5py.File(other, "w") as file:
        file["a"] = np.ones(1)
    with h5py.File(path, "w") as file:
        file["b"] = np.ones(1)
        file["link"] = h5py.ExternalLink(str(other), "a")
    assert list(read_h5(path)) == ["b"]


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n and nonsense"])
def test_a_damaged_file_is_said(tmp_path: Path, content: bytes) -> None:
    pytest.importorskip("h5py", reason="pip install 'striate[weights]'")
    path = tmp_path / "w.h5"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"w\.h5 is damaged"):
        read_h5(path)


def test_without_h5py_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(WeightsError, match=r"pip install 'striate\[weights\]'"):
        read_h5(tmp_path / "w.h5")
