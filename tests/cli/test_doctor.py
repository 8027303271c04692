"""What is installed and what is missing."""

import tomllib
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest

from striate.cli import doctor as doctor_module
from striate.cli.doctor import extras

PROJECT = Path(__file__).parents[2] / "pyproject.toml"


def test_extras_are_those_of_the_package() -> None:
    declared = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert set(extras()) == set(declared)
    for name, distributions in extras().items():
        assert len(distributions) == len(declared[name])


def test_versions_are_those_installed(run_cli: Callable[..., Any]) -> None:
    document = run_cli("doctor", "--json").json
    assert document["versions"]["torch"] == version("torch")
    assert document["machine"]["threads"] >= 1
    assert document["machine"]["cuda"] == [] or document["machine"]["cuda_build"]
    assert document["environment"]["variables"]["STRIATE_HOME"] == document["places"][0]["path"]
    assert document["environment"]["offline"] is False
    default = next(entry for entry in document["weights"] if entry["name"] == "efficientnet_lite0.in1k")
    assert default["verified"]
    assert Path(default["path"]).is_file()


def test_what_is_missing_comes_with_its_command(run_cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        if name == "h5py":
            raise PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(doctor_module, "version", absent)
    out = run_cli("doctor").out
    line = next(line for line in out.splitlines() if "h5py" in line)
    assert "h5py missing" in line
    assert line.endswith("pip install 'striate[weights]'")


def test_a_folder_that_cannot_be_written_is_said(
    tmp_path: Path, run_cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError("read-only")

    monkeypatch.setattr(doctor_module.tempfile, "TemporaryFile", refuse)
    assert "NOT WRITABLE" in run_cli("doctor").out


def test_offline_is_said(run_cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIATE_OFFLINE", "1")
    assert "forbidden by STRIATE_OFFLINE" in run_cli("doctor").out


def test_a_cache_that_does_not_exist_yet_is_no_problem(
    tmp_path: Path, run_cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIATE_HOME", str(tmp_path / "not" / "yet"))
    place = run_cli("doctor", "--json").json["places"][0]
    assert place == {**place, "exists": False, "writable": True}
    assert not (tmp_path / "not").exists()
