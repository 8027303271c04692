"""A web server on this machine that misbehaves as told."""

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Page:
    """What one address answers.

    Attributes:
        content: The file.
        cut_after: Bytes after which the connection is closed, one entry a request; then whole answers.
        ignore_range: Answer 200 with everything, whatever is asked.
        statuses: Status codes to answer with first, one a request.
        location: Redirect there.
        stall: Never send the body (until the server closes).
        no_length: Do not say the length.
        false_length: Say this length.
    """

    content: bytes = b""
    cut_after: list[int] = field(default_factory=list)
    ignore_range: bool = False
    statuses: list[int] = field(default_factory=list)
    location: str | None = None
    stall: bool = False
    no_length: bool = False
    false_length: int | None = None
    headers: dict[str, str] = field(default_factory=dict)


class Server:
    """Serves `pages` by path on a free port and notes every request as `(path, Range header)`."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.closing = threading.Event()
        self.gate = threading.Event()  # answers wait until it is set
        self.gate.set()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                """A client that hung up is what some tests want."""

        self.http = Quiet(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.http.server_address[1]}"

    def url(self, path: str) -> str:
        return self.address + path

    def close(self) -> None:
        if self.closing.is_set():
            return
        self.closing.set()
        self.gate.set()
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        asked = request.headers.get("Range")
        self.requests.append((request.path, asked))
        self.gate.wait()
        page = self.pages.get(request.path)
        request.close_connection = True
        if page is None:
            return _status(request, 404)
        if page.statuses:
            return _status(request, page.statuses.pop(0))
        if page.location is not None:
            return _status(request, 302, {"Location": page.location})
        start = 0
        if asked and not page.ignore_range:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(page.content):
                return _status(request, 416, {"Content-Range": f"bytes */{len(page.content)}"})
        body = page.content[start:]
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(page.content) - 1}/{len(page.content)}")
        if not page.no_length:
            request.send_header("Content-Length", str(page.false_length or len(body)))
        for name, value in page.headers.items():
            request.send_header(name, value)
        request.send_header("Connection", "close")
        request.end_headers()
        if page.stall:
            self.closing.wait()
            return None
        if page.cut_after:
            body = body[: page.cut_after.pop(0)]
        request.wfile.write(body)
        return None


def _status(request: BaseHTTPRequestHandler, code: int, headers: dict[str, str] | None = None) -> None:
    request.send_response(code)
    for name, value in {"Content-Length": "0", "Connection": "close", **(headers or {})}.items():
        request.send_header(name, value)
    request.end_headers()
