"""The hub's real client against a loopback server that speaks as the hub does."""

import hashlib
import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from striate.errors import WeightsError
from striate.weights import locate
from striate.weights.fetching import Sources, fetch_file
from striate.weights.hub_origin import fetch_from_hub
from striate.weights.origin import Hub, WeightFile
from tests.weights.conftest import MakeRecord, file_of

pytest.importorskip("huggingface_hub", reason="pip install 'striate[hub]'")

CONTENT = bytes(range(256)) * 300
DIGEST = hashlib.sha256(CONTENT).hexdigest()
COMMIT = "c" * 40
ORIGIN = Hub(WeightFile("model.safetensors", "striate"), "made/tiny")


class FakeHub:
    def __init__(self) -> None:
        self.content = CONTENT
        self.etag = DIGEST
        self.requests: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                self.answer(with_body=False)

            def do_GET(self) -> None:
                self.answer(with_body=True)

            def answer(self, *, with_body: bool) -> None:
                hub.requests.append(f"{self.command} {self.path}")
                known = self.path.startswith("/made/tiny/resolve/")
                body = hub.content if known else json.dumps({"error": "Repository not found"}).encode()
                self.send_response(200 if known else 404)
                if known:
                    self.send_header("ETag", f'"{hub.etag}"')
                    self.send_header("X-Repo-Commit", COMMIT)
                else:
                    self.send_header("X-Error-Code", "RepoNotFound")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if with_body:
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.http.server_address[1]}"


@pytest.fixture
def hub(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    from huggingface_hub import constants

    # The client reads its environment once, at import.
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    hub = FakeHub()
    yield hub
    hub.http.shutdown()
    hub.http.server_close()
    hub.thread.join()


def test_fetched_verified_and_found_ever_after(hub: FakeHub, home: Path, make_record: MakeRecord) -> None:
    record = make_record(ORIGIN)
    seen: list[int] = []
    found = fetch_file(
        record, progress=lambda _, done, __: seen.append(done), sources=Sources(hub_endpoint=hub.endpoint)
    )
    assert found.path.read_bytes() == CONTENT
    assert found.sha256 == DIGEST
    assert (seen[0], seen[-1]) == (0, len(CONTENT))
    assert locate(record) == found.path
    # Not our copy, but our note: what the hub said at the first fetch is demanded ever after.
    note = home / "weights" / "tiny.made" / "model.safetensors.sha256"
    assert note.read_text().split()[0] == DIGEST
    asked = len(hub.requests)
    assert fetch_file(record).path == found.path
    assert len(hub.requests) == asked


def test_a_file_that_other_tools_fetched_is_used(hub: FakeHub, home: Path, make_record: MakeRecord) -> None:
    path, _ = fetch_from_hub(ORIGIN, label="tiny", endpoint=hub.endpoint)
    assert not home.exists()
    (path.parents[2] / "refs").mkdir(exist_ok=True)
    (path.parents[2] / "refs" / "main").write_text(COMMIT)
    assert locate(make_record(ORIGIN)) == path


def test_content_that_is_not_what_the_hub_names_is_refused_and_removed(hub: FakeHub) -> None:
    hub.content = b"!" + CONTENT[1:]
    with pytest.raises(WeightsError, match="is not what was to be fetched"):
        fetch_from_hub(ORIGIN, label="tiny", endpoint=hub.endpoint)
    hub.content = CONTENT
    path, digest = fetch_from_hub(ORIGIN, label="tiny", endpoint=hub.endpoint)
    assert digest == DIGEST
    assert path.read_bytes() == CONTENT


def test_a_published_hash_counts_more_than_the_hubs(hub: FakeHub) -> None:
    origin = Hub(file_of(b"something else", "model.safetensors", size=False), "made/tiny")
    with pytest.raises(WeightsError, match="is damaged or another file"):
        fetch_from_hub(origin, label="tiny", endpoint=hub.endpoint)


def test_a_missing_repository_is_said(hub: FakeHub) -> None:
    with pytest.raises(WeightsError, match=r"made/gone: .*(404|not found|Not Found)"):
        fetch_from_hub(Hub(ORIGIN.file, "made/gone"), label="tiny", endpoint=hub.endpoint)


@pytest.mark.parametrize("name", ["STRIATE_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_is_honored(home: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(WeightsError, match="forbids the network"):
        fetch_from_hub(ORIGIN, label="tiny")


def test_without_the_client_the_extra_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(WeightsError, match=r"pip install 'striate\[hub\]'"):
        fetch_from_hub(ORIGIN, label="tiny")


def test_progress_is_ours_alone(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Two bars in one terminal would write over each other."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", None)
    seen: list[tuple[str, int, int | None]] = []
    fetch_from_hub(ORIGIN, label="tiny", progress=lambda *step: seen.append(step), endpoint=hub.endpoint)
    assert len(seen) > 2  # also in between
    assert seen[1:] == sorted(seen[1:], key=lambda step: step[1])
    assert seen[-1] == ("tiny", len(CONTENT), len(CONTENT))
    assert capfd.readouterr().err == ""
