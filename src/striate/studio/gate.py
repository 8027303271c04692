"""Who may ask a server on this machine: the browser that was given the link, and no web page that it also has open.

Any page in any tab can send requests to 127.0.0.1, and a name of its own can be made to point there. So the `Host` must
be this machine's, requests of other sites are refused, changes need the page's own `Origin`, a content type and a
header that forms cannot send, and everything needs the cookie that the one-time token of the link was exchanged for.
There are no CORS headers at all.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from hmac import compare_digest

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["HEADER", "Gate", "GateMiddleware"]

HEADER = "x-striate"
_POLICY = (
    "default-src 'none'; connect-src 'self'; img-src 'self' data:; script-src 'self'; style-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_USED = (
    "This link was opened already, or is not complete.\n\nIn the terminal, press Ctrl-C and start the same command "
    "again: it prints a new link. Nothing that was answered is lost.\n"
)


@dataclass
class Gate:
    """The token of the link and the cookie of the one browser that has used it.

    Attributes:
        port: Where the server listens.
        token: In the link, good for one browser.
    """

    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    _session: str | None = field(default=None, repr=False)

    @property
    def link(self) -> str:
        """What to open in a browser."""
        return f"http://127.0.0.1:{self.port}/?token={self.token}"

    @property
    def cookie(self) -> str:
        """The cookie's name; browsers do not tell the ports of a host apart."""
        return f"striate_label_{self.port}"

    @property
    def hosts(self) -> tuple[str, ...]:
        """What the `Host` header may say."""
        return tuple(f"{name}:{self.port}" for name in ("127.0.0.1", "localhost", "[::1]"))

    def knows(self, cookies: Mapping[str, str]) -> bool:
        """Whether these are the cookies of the browser that was let in."""
        given = cookies.get(self.cookie, "")
        return self._session is not None and compare_digest(given.encode(), self._session.encode())

    def exchange(self, token: str) -> str | None:
        """The secret of a new session for the right token, once; None else."""
        if self._session is not None or not compare_digest(token.encode(), self.token.encode()):
            return None
        self._session = secrets.token_urlsafe(32)
        return self._session


class GateMiddleware:
    """Asks every request for what `Gate` says, before anything else sees it."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self.app = app
        self.gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with what is wrong."""
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        request = Request(scope)
        secret: str | None = None
        refusal = self._refusal(request, headers)
        if refusal is None and not self.gate.knows(request.cookies):
            # A browser that only looks ahead must not use the token up.
            looking = "prefetch" in (headers.get("sec-purpose") or headers.get("purpose") or "")
            if scope["path"] == "/" and request.method == "GET" and not looking:
                secret = self.gate.exchange(request.query_params.get("token", ""))
            refusal = None if secret else PlainTextResponse(_USED, 403)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                out = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    out[name] = value
                if secret is not None:
                    out.append("set-cookie", f"{self.gate.cookie}={secret}; HttpOnly; SameSite=Strict; Path=/")
            await send(message)

        await (refusal or self.app)(scope, receive, with_headers)

    def _refusal(self, request: Request, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        if host not in self.gate.hosts:
            return PlainTextResponse("This server answers to its own address only.\n", 421)
        site = headers.get("sec-fetch-site", "none")
        to_page = request.method == "GET" and request.url.path == "/" and "token" in request.query_params
        if site not in ("same-origin", "none") and not to_page:
            return PlainTextResponse("Requests of other sites are refused.\n", 403)
        if request.method == "GET":
            return None
        if request.method != "POST":
            return PlainTextResponse("Only GET and POST.\n", 405)
        if headers.get("origin") != f"http://{host}" or headers.get(HEADER) is None:
            return PlainTextResponse("Changes come from the page itself only.\n", 403)
        if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return PlainTextResponse("A change is sent as JSON.\n", 415)
        return None
