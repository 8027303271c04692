from pathlib import Path

import pytest

from striate.weights import is_offline, striate_home
from striate.weights.cache import cache_path, places
from striate.weights.origin import Embedded, Hub, Package, Url, WeightFile
from tests.weights.conftest import MakeRecord

FILE = WeightFile("resnet18-f37072fd.pth", "torchvision", sha256_prefix="f37072fd")


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def test_home_is_the_named_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STRIATE_HOME", str(tmp_path / "here"))
    assert striate_home() == tmp_path / "here"


def test_home_is_absolute_and_knows_the_tilde(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("STRIATE_HOME", "~/weights")
    assert striate_home() == tmp_path / "weights"
    monkeypatch.setenv("STRIATE_HOME", "weights")
    assert striate_home() == Path.cwd() / "weights"


def test_home_is_the_systems_cache_otherwise(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("STRIATE_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert striate_home().name == "striate"


@pytest.mark.parametrize(("value", "off"), [("1", True), ("true", True), ("YES", True), ("0", False), ("", False)])
def test_offline(monkeypatch: pytest.MonkeyPatch, home: Path, value: str, off: bool) -> None:
    monkeypatch.setenv("STRIATE_OFFLINE", value)
    assert is_offline() is off
    assert is_offline(hub=True) is off


def test_the_hubs_own_switch_closes_the_hub_only(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert is_offline(hub=True)
    assert not is_offline()


def test_torchvisions_files_are_found(home: Path, tmp_path: Path, make_record: MakeRecord) -> None:
    origin = Url(FILE, "https://download.pytorch.org/models/resnet18-f37072fd.pth")
    record = make_record(origin)
    assert places(record, origin) == []
    theirs = put(tmp_path / "torch" / "hub" / "checkpoints" / FILE.name)
    assert places(record, origin) == [theirs]
    ours = put(cache_path(record, FILE))
    assert ours == home / "weights" / "tiny.made" / FILE.name
    assert places(record, origin) == [ours, theirs]


def test_torch_home_has_torchs_own_default(
    monkeypatch: pytest.MonkeyPatch, home: Path, tmp_path: Path, make_record: MakeRecord
) -> None:
    monkeypatch.delenv("TORCH_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    origin = Url(FILE, "https://example.com/resnet18-f37072fd.pth")
    theirs = put(tmp_path / "xdg" / "torch" / "hub" / "checkpoints" / FILE.name)
    assert places(make_record(origin), origin) == [theirs]


def test_the_hubs_cache_is_found_as_its_client_lays_it_out(home: Path, tmp_path: Path, make_record: MakeRecord) -> None:
    origin = Hub(WeightFile("model.safetensors", "timm_resnet"), "timm/resnet18.a1_in1k")
    folder = tmp_path / "hf" / "hub" / "models--timm--resnet18.a1_in1k"
    put(folder / "refs" / "main").write_text("abc\n")
    snapshot = put(folder / "snapshots" / "abc" / "model.safetensors")
    assert places(make_record(origin), origin) == [snapshot]


def test_an_installed_package_is_found(home: Path, make_record: MakeRecord) -> None:
    """numpy stands for a data package: it is installed in every environment that runs this."""
    file = WeightFile("__init__.py", "striate", sha256="0" * 64)
    origin = Package(file, "numpy", "0", "wheel", "0" * 64, 1, "numpy/__init__.py", "numpy/__init__.py")
    found = places(make_record(origin), origin)
    assert [path.parts[-2:] for path in found] == [("numpy", "__init__.py")]


def test_a_package_that_is_not_installed_is_no_error(home: Path, make_record: MakeRecord) -> None:
    origin = Package(FILE, "no-such-package-anywhere", "0", "wheel", "0" * 64, 1, "a/b.pth", "a/b.pth")
    assert places(make_record(origin), origin) == []


def test_a_missing_embedded_file_is_no_error(home: Path, make_record: MakeRecord) -> None:
    origin = Embedded(WeightFile("nothing.safetensors", "striate", sha256="0" * 64))
    assert places(make_record(origin), origin) == []


def test_a_user_without_a_home_has_an_empty_cache(monkeypatch: pytest.MonkeyPatch, make_record: MakeRecord) -> None:
    """As in a container that runs under a number: no HOME, and no entry among the system's users."""
    for name in ("STRIATE_HOME", "TORCH_HOME", "HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    pwd = pytest.importorskip("pwd")
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)
    assert striate_home() == Path("/nonexistent/.cache/striate")
    file = WeightFile("w.pth", "striate", sha256="0" * 64)
    for origin in (Url(file, "https://example.com/w.pth"), Hub(file, "made/tiny")):
        assert places(make_record(origin), origin) == []


def test_the_home_of_nobody_known_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIATE_HOME", "~no-such-user-here/striate")
    assert striate_home() == Path("/nonexistent/no-such-user-here/striate")
