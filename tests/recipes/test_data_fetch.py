"""Public sets from a server on this machine: verified, continued, from the next origin, or refused."""

import gzip
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from striate.data.opening import open_data
from striate.errors import DataError, UnknownNameError
from striate.recipes.data_fetch import DataSet, SetFile, fetch_data_set, find_data_set, list_data_sets
from striate.weights.download import Timing
from striate.weights.fetching import Sources
from tests.data.layouts import idx_bytes
from tests.weights.loopback import Page, Server

SOURCES = Sources(timing=Timing(stall_s=5, attempts=2, pause_s=0), allow_loopback_http=True)
IMAGES = idx_bytes(np.random.default_rng(0).integers(0, 256, (4, 5, 5), dtype=np.uint8))
LABELS = idx_bytes(np.array([0, 1, 1, 0], dtype=np.uint8))
CONTENT = {"train-images-idx3-ubyte.gz": gzip.compress(IMAGES), "train-labels-idx1-ubyte.gz": gzip.compress(LABELS)}


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def made(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataSet:
    monkeypatch.setenv("STRIATE_HOME", str(tmp_path / "home"))
    server.pages = {f"/good/{name}": Page(data) for name, data in CONTENT.items()}
    files = tuple(
        SetFile(
            name,
            len(data),
            hashlib.sha256(data).hexdigest(),
            hashlib.md5(data).hexdigest(),
            hashlib.sha256(gzip.decompress(data)).hexdigest(),
        )
        for name, data in CONTENT.items()
    )
    return DataSet(
        "tiny", "Tiny", "made", files, (server.url("/good/"),), ("zero", "one"), "tiny-package", tmp_path / "package"
    )


def test_a_set_is_fetched_once_and_opens_with_its_names(made: DataSet, server: Server) -> None:
    told: list[str] = []
    path, came_from = fetch_data_set(made, progress=lambda what, *_: told.append(what), sources=SOURCES)
    assert came_from == server.url("/good/")
    assert set(told) == {f"tiny/{name}" for name in CONTENT}
    images = open_data(path)["train"]
    assert images.classes == ("zero", "one")
    assert images.labels.tolist() == [0, 1, 1, 0]
    asked = len(server.requests)
    assert fetch_data_set(made, sources=SOURCES) == (path, "cache")
    assert len(server.requests) == asked


def test_a_damaged_file_in_the_cache_is_fetched_again(made: DataSet) -> None:
    path, _ = fetch_data_set(made, sources=SOURCES)
    damaged = path / "train-images-idx3-ubyte.gz"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    fetch_data_set(made, sources=SOURCES)
    assert damaged.read_bytes() == CONTENT[damaged.name]


@pytest.mark.parametrize("fault", ["missing", "other content", "cut"])
def test_the_next_origin_is_asked(made: DataSet, server: Server, fault: str) -> None:
    if fault != "missing":
        for name, data in CONTENT.items():
            cuts = [10, 10] if fault == "cut" else []
            server.pages[f"/bad/{name}"] = Page(data[:-1] + b"x" if fault == "other content" else data, cut_after=cuts)
    chosen = replace(made, origins=(server.url("/bad/"), server.url("/good/")))
    path, _ = fetch_data_set(chosen, sources=SOURCES)
    assert {name: (path / name).read_bytes() for name in CONTENT} == CONTENT


def test_a_file_that_is_not_the_published_one_is_never_kept(made: DataSet, server: Server) -> None:
    name = "train-labels-idx1-ubyte.gz"
    server.pages[f"/good/{name}"] = Page(CONTENT[name][:-1] + b"x")
    with pytest.raises(DataError, match="sent another file than the published one") as caught:
        fetch_data_set(made, sources=SOURCES)
    assert "apt install tiny-package" in str(caught.value)
    assert hashlib.sha256(CONTENT[name]).hexdigest() in str(caught.value)
    assert not (made.path / name).exists()


def test_an_installed_package_is_used_and_its_content_verified(made: DataSet, server: Server) -> None:
    assert made.folder is not None
    made.folder.mkdir()
    for name, data in CONTENT.items():  # the same content in another wrapper, as Debian has it
        (made.folder / name).write_bytes(gzip.compress(gzip.decompress(data), 1, mtime=5))
    path, came_from = fetch_data_set(made, sources=SOURCES)
    assert came_from == "package"
    assert server.requests == []
    assert open_data(path)["train"].labels.tolist() == [0, 1, 1, 0]
    assert fetch_data_set(made, sources=SOURCES)[1] == "cache"


def test_a_package_with_other_content_is_not_used(made: DataSet, server: Server) -> None:
    assert made.folder is not None
    made.folder.mkdir()
    for name in CONTENT:
        (made.folder / name).write_bytes(gzip.compress(LABELS + b"x"))
    assert fetch_data_set(made, sources=SOURCES)[1] == server.url("/good/")


def test_offline_nothing_is_asked_and_the_way_out_is_told(
    made: DataSet, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIATE_OFFLINE", "1")
    with pytest.raises(DataError, match=r"STRIATE_OFFLINE is set.*By hand: download .* and put it at .*tiny"):
        fetch_data_set(made, sources=SOURCES)
    assert server.requests == []


def test_plain_http_is_refused(made: DataSet) -> None:
    with pytest.raises(DataError, match="over https only"):
        fetch_data_set(made, sources=Sources())


def test_the_sets_that_are_known() -> None:
    known = list_data_sets()
    assert [each.name for each in known] == ["fashion-mnist", "mnist"]
    for each in known:
        assert all(origin.startswith("https://") and origin.endswith("/") for origin in each.origins)
        assert [len(file.sha256) for file in each.files] == [64] * 4
        assert [len(file.md5) for file in each.files] == [32] * 4
    assert len(known[0].classes) == 10
    with pytest.raises(UnknownNameError, match="Nearest: 'mnist'"):
        find_data_set("mnits")


def test_debians_fashion_mnist_is_the_published_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = find_data_set("fashion-mnist")
    if chosen.folder is None or not chosen.folder.is_dir():
        pytest.skip("needs the Debian package dataset-fashion-mnist")
    monkeypatch.setenv("STRIATE_HOME", str(tmp_path))
    path, came_from = fetch_data_set(chosen, sources=Sources())
    assert came_from == "package"
    sets = open_data(path)
    assert {name: len(images) for name, images in sets.items()} == {"train": 60_000, "test": 10_000}
    assert sets["train"].label(0) == "Ankle boot"
