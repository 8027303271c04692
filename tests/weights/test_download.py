import errno
import hashlib
import os
import random
import shutil
import socket
from pathlib import Path

import pytest

from striate.errors import WeightsError
from striate.weights.download import Timing, download
from tests.weights.conftest import file_of
from tests.weights.loopback import Page, Server

CONTENT = random.Random(7).randbytes(3_000_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
FILE = file_of(CONTENT)
HASTY = Timing(stall_s=0.3, attempts=3, pause_s=0.0)


def get(server: Server, target: Path, path: str = "/w.pth", **options: object) -> str:
    settings = {"file": FILE, "label": "tiny", "timing": HASTY, "allow_loopback_http": True, **options}
    return download(server.url(path), target, **settings)  # type: ignore[arg-type]


def left(target: Path) -> set[str]:
    return {path.name for path in target.parent.iterdir()}


def test_a_file_arrives_whole_with_its_note(server: Server, tmp_path: Path) -> None:
    server.pages["/w.pth"] = Page(CONTENT)
    seen: list[tuple[str, int, int | None]] = []
    target = tmp_path / "w.pth"
    assert get(server, target, progress=lambda *state: seen.append(state)) == DIGEST
    assert target.read_bytes() == CONTENT
    assert left(target) == {"w.pth", "w.pth.sha256"}
    assert (tmp_path / "w.pth.sha256").read_text() == f"{DIGEST}  w.pth\n"  # as `sha256sum --check` reads it
    assert seen[0] == ("tiny", 0, len(CONTENT))
    assert seen[-1] == ("tiny", len(CONTENT), len(CONTENT))
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)


def test_a_cut_connection_is_continued_where_it_broke(server: Server, tmp_path: Path) -> None:
    server.pages["/w.pth"] = Page(CONTENT, cut_after=[1_000_000, 500_000])
    target = tmp_path / "w.pth"
    assert get(server, target) == DIGEST
    assert [asked for _, asked in server.requests] == [None, "bytes=1000000-", "bytes=1500000-"]


def test_the_part_of_an_earlier_process_is_continued(server: Server, tmp_path: Path) -> None:
    server.pages["/w.pth"] = Page(CONTENT)
    target = tmp_path / "w.pth"
    target.with_name("w.pth.part").write_bytes(CONTENT[:2_000_000])
    assert get(server, target) == DIGEST
    assert [asked for _, asked in server.requests] == ["bytes=2000000-"]


def test_a_whole_part_needs_no_request(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "w.pth"
    target.with_name("w.pth.part").write_bytes(CONTENT)
    assert get(server, target) == DIGEST
    assert server.requests == []


def test_a_whole_part_of_unknown_size_is_recognized_by_its_hash(server: Server, tmp_path: Path) -> None:
    server.pages["/w.pth"] = Page(CONTENT)
    target = tmp_path / "w.pth"
    target.with_name("w.pth.part").write_bytes(CONTENT)
    assert get(server, target, file=file_of(CONTENT, prefix=True, size=False)) == DIGEST
    assert [asked for _, asked in server.requests] == ["bytes=3000000-"]  # answered 416: there is no more


def test_a_server_without_range_sends_all_again(server: Server, tmp_path: Path) -> None:
    server.pages["/w.pth"] = Page(CONTENT, cut_after=[1_000_000], ignore_range=True)
    target = tmp_path / "w.pth"
    assert get(server, target) == DIGEST
    assert target.read_bytes() == CONTENT


def test_a_part_of_another_file_is_thrown_away_and_fetched_anew(server: Server, tmp_path: Path) -> None:
    server.pages["/w.pth"] = Page(CONTENT)
    target = tmp_path / "w.pth"
    target.with_name("w.pth.part").write_bytes(b"?" * 1_000_000)
    assert get(server, target) == DIGEST
    assert [asked for _, asked in server.requests] == ["bytes=1000000-", None]


def test_a_part_longer_than_the_file_is_thrown_away(server: Server, tmp_path: Path) -> None:
    server.pages["/w.pth"] = Page(CONTENT)
    target = tmp_path / "w.pth"
    target.with_name("w.pth.part").write_bytes(CONTENT + b"more")
    assert get(server, target) == DIGEST


@pytest.mark.parametrize("prefix", [False, True])
def test_a_wrong_content_is_refused_and_removed(server: Server, tmp_path: Path, prefix: bool) -> None:
    server.pages["/w.pth"] = Page(b"!" + CONTENT[1:])
    target = tmp_path / "w.pth"
    with pytest.raises(WeightsError, match="sent another file than the published one") as caught:
        get(server, target, file=file_of(CONTENT, prefix=prefix))
    assert DIGEST[:8] in str(caught.value)
    assert left(target) == set()


def test_another_length_is_refused_before_a_byte_is_kept(server: Server, tmp_path: Path) -> None:
    server.pages["/w.pth"] = Page(CONTENT + b"!")
    target = tmp_path / "w.pth"
    with pytest.raises(WeightsError, match="announces 3000001 bytes, but 3000000 were published"):
        get(server, target)
    assert left(target) == set()


def test_an_endless_answer_is_cut_off(server: Server, tmp_path: Path) -> None:
    server.pages["/w.pth"] = Page(CONTENT * 2, no_length=True)
    target = tmp_path / "w.pth"
    with pytest.raises(WeightsError, match=r"sends more than the published 3\.0 MB"):
        get(server, target)
    assert left(target) == set()


def test_a_missing_file_is_no_reason_to_try_again(server: Server, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"/gone\.pth answered 404 Not Found"):
        get(server, tmp_path / "w.pth", "/gone.pth")
    assert len(server.requests) == 1


def test_a_busy_server_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.pages["/w.pth"] = Page(CONTENT, statuses=[503, 429])
    assert get(server, tmp_path / "w.pth") == DIGEST
    assert len(server.requests) == 3


def test_a_server_that_stays_busy_is_given_up(server: Server, tmp_path: Path) -> None:
    server.pages["/w.pth"] = Page(CONTENT, statuses=[503] * 9)
    with pytest.raises(WeightsError, match=r"\(3 tries\): the server answered 503"):
        get(server, tmp_path / "w.pth")
    assert len(server.requests) == 3


def test_a_connection_that_always_breaks_leaves_what_came(server: Server, tmp_path: Path) -> None:
    server.pages["/w.pth"] = Page(CONTENT, cut_after=[1_000_000, 0, 0, 0])
    target = tmp_path / "w.pth"
    with pytest.raises(WeightsError, match=r"1\.0 MB are kept, and the next try continues them"):
        get(server, target)
    assert left(target) == {"w.pth.part"}
    assert get(server, target) == DIGEST  # and it does
    assert server.requests[-1][1] == "bytes=1000000-"


def test_a_silent_server_is_given_up(server: Server, tmp_path: Path) -> None:
    server.pages["/w.pth"] = Page(CONTENT, stall=True)
    with pytest.raises(WeightsError, match="no byte came for a while"):
        get(server, tmp_path / "w.pth", timing=Timing(stall_s=0.05, attempts=2, pause_s=0.0))


def test_no_network_is_said(tmp_path: Path, server: Server) -> None:
    url = server.url("/w.pth")
    server.close()
    with pytest.raises(WeightsError, match=r"could not be fetched \(3 tries\): no connection \(Connection refused\)"):
        download(url, tmp_path / "w.pth", FILE, label="t", timing=HASTY, allow_loopback_http=True)
    assert list(tmp_path.iterdir()) == []


def test_a_redirect_is_followed(server: Server, tmp_path: Path) -> None:
    server.pages["/old"] = Page(location=server.url("/w.pth"))
    server.pages["/w.pth"] = Page(CONTENT)
    assert get(server, tmp_path / "w.pth", "/old") == DIGEST


@pytest.mark.parametrize("away", ["http://example.com/w.pth", "file:///etc/passwd", "ftp://example.com/w.pth"])
def test_a_redirect_away_from_https_is_refused(server: Server, tmp_path: Path, away: str) -> None:
    server.pages["/old"] = Page(location=away)
    with pytest.raises(WeightsError, match="(over https only, and not from|redirects away from https).*" + away):
        get(server, tmp_path / "w.pth", "/old")


@pytest.mark.parametrize("url", ["http://example.com/w.pth", "file:///etc/passwd", "http://127.0.0.1:9/w.pth", "w.pth"])
def test_only_https_is_spoken(tmp_path: Path, url: str) -> None:
    with pytest.raises(WeightsError, match="over https only"):
        download(url, tmp_path / "w.pth", FILE, label="t")


def test_loopback_http_is_for_this_machine_only(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="over https only"):
        download("http://example.com/w.pth", tmp_path / "w.pth", FILE, label="t", allow_loopback_http=True)


def test_a_compressed_answer_is_refused(server: Server, tmp_path: Path) -> None:
    server.pages["/w.pth"] = Page(CONTENT, headers={"Content-Encoding": "gzip"})
    with pytest.raises(WeightsError, match="sent compressed"):
        get(server, tmp_path / "w.pth")


def test_a_full_disk_gets_its_space_back(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.pages["/w.pth"] = Page(CONTENT)
    real_open = Path.open

    def full(self: Path, mode: str = "r", *rest: object, **named: object) -> object:
        if mode == "ab" and self.stat().st_size >= 500_000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real_open(self, mode, *rest, **named)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(WeightsError, match=r"is full; nothing was kept.*STRIATE_HOME"):
        get(server, tmp_path / "w.pth")
    assert list(tmp_path.iterdir()) == []


def test_too_little_space_is_said_before_the_first_byte(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.pages["/w.pth"] = Page(CONTENT)
    usage = type("usage", (), {"free": 1_000_000})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(WeightsError, match=r"has 1\.0 MB free, but 3\.0 MB are to come"):
        get(server, tmp_path / "w.pth")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_said(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.pages["/w.pth"] = Page(CONTENT)
    real_open = Path.open

    def read_only(self: Path, mode: str = "r", *rest: object, **named: object) -> object:
        if mode != "r" and self.name.endswith(".part"):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return real_open(self, mode, *rest, **named)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", read_only)
    with pytest.raises(WeightsError, match=r"cannot be written \(Read-only file system\); set STRIATE_HOME"):
        get(server, tmp_path / "w.pth")


def test_without_an_address_there_are_two_tries_and_not_five(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine without a network a person would wait for a quarter of a minute to be told so."""
    asked = []

    def unknown(*where: object, **_: object) -> None:
        asked.append(where)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(WeightsError, match=r"\(2 tries\): no connection \(Name or service not known\)"):
        download(
            "https://example.com/tiny.pth",
            tmp_path / "tiny.pth",
            file_of(b"content"),
            label="tiny",
            timing=Timing(stall_s=0.3, attempts=5, pause_s=0.0),
        )
    assert len(asked) == 2
