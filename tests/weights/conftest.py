"""A loopback server, an own cache, and records of tiny made files."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from striate.weights.origin import Origin, Url, WeightFile
from striate.weights.record import WeightRecord
from tests.weights.loopback import Server


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty STRIATE_HOME, and no caches of other tools."""
    for name in ("STRIATE_OFFLINE", "HF_HUB_OFFLINE", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("STRIATE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


MakeRecord = Callable[..., WeightRecord]


@pytest.fixture
def make_record() -> MakeRecord:
    def make(*origins: Origin, name: str = "tiny.made") -> WeightRecord:
        architecture, tag = name.split(".")
        return WeightRecord(
            architecture=architecture,
            tag=tag,
            origins=origins,
            license="CC0",
            variant="a made one",
            source="here",
            settings={},
        )

    return make


def file_of(content: bytes, name: str = "tiny.pth", *, prefix: bool = False, size: bool = True) -> WeightFile:
    digest = hashlib.sha256(content).hexdigest()
    return WeightFile(
        name,
        "striate",
        size_bytes=len(content) if size else None,
        size_mib=None if size else len(content) / 2**20,
        sha256=None if prefix else digest,
        sha256_prefix=digest[:8] if prefix else None,
    )


def url_of(address: str, content: bytes, **facts: object) -> Url:
    return Url(file_of(content, **facts), address)  # type: ignore[arg-type]
