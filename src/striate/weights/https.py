"""One request for a file, or for the rest of it, over https and nothing else, also after a redirect."""

import http.client
import socket
import ssl
import urllib.error
import urllib.request
from email.message import Message
from typing import IO, Protocol
from urllib.parse import urlsplit

from striate.errors import WeightsError

__all__ = ["CutError", "NoAddressError", "Response", "Web", "plain"]

_AGAIN = {408, 425, 429, 500, 502, 503, 504}
_REDIRECTS = {301, 302, 303, 307, 308}
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class CutError(Exception):
    """The transfer broke off or could not begin just now; it may go on with the bytes that have arrived."""


class NoAddressError(CutError):
    """The server's name has no address: most often this machine has no network at all, and waiting is in vain."""


class Response(Protocol):
    """What is used of an answer."""

    status: int
    headers: Message

    def read(self, amount: int, /) -> bytes:
        """At most that many bytes; none at the end."""
        ...


class Web:
    """Opens https addresses.

    Args:
        stall_s: Seconds without a byte after which a connection counts as dead.
        allow_loopback_http: Also speak plain http, to this machine itself only (for tests).
    """

    def __init__(self, *, stall_s: float, allow_loopback_http: bool = False) -> None:
        self.stall_s = stall_s
        self.allow_loopback_http = allow_loopback_http
        self._opener = urllib.request.OpenerDirector()  # urllib's own one also opens file: and ftp: addresses
        handlers: list[urllib.request.BaseHandler] = [
            urllib.request.HTTPSHandler(context=ssl.create_default_context()),
            urllib.request.HTTPDefaultErrorHandler(),
            urllib.request.HTTPErrorProcessor(),
            urllib.request.UnknownHandler(),
            _CheckedRedirects(self),
            urllib.request.HTTPHandler() if allow_loopback_http else urllib.request.ProxyHandler(),
        ]
        for handler in handlers:
            self._opener.add_handler(handler)

    def check(self, url: str) -> None:
        """Refuse an address that is not https.

        Raises:
            WeightsError: With the address.
        """
        parts = urlsplit(url)
        loopback = self.allow_loopback_http and parts.scheme == "http" and parts.hostname in _LOOPBACK
        if parts.scheme != "https" and not loopback:
            raise WeightsError(f"Weights are fetched over https only, and not from {url}.")

    def open(self, url: str, *, start: int) -> Response | None:
        """The answer to a request for the bytes from `start` on; None if the server says that there are none (416).

        Raises:
            CutError: If another try may help.
            WeightsError: If no further try can help.
        """
        self.check(url)
        headers = {"User-Agent": "striate", "Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        request = urllib.request.Request(url, headers=headers)  # noqa: S310 - checked above
        try:
            response: Response = self._opener.open(request, timeout=self.stall_s)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                return None
            if error.code in _REDIRECTS:  # urllib itself refuses some schemes with this
                raise WeightsError(f"{url} redirects away from https ({error.reason}).") from error
            if error.code in _AGAIN:
                raise CutError(f"the server answered {error.code} {error.reason}") from error
            raise WeightsError(f"{url} answered {error.code} {error.reason}.") from error
        except urllib.error.URLError as error:
            if isinstance(error.reason, ssl.SSLCertVerificationError):
                raise WeightsError(f"{url} has no valid certificate: {error.reason.verify_message}.") from error
            kind = NoAddressError if isinstance(error.reason, socket.gaierror) else CutError
            raise kind(f"no connection ({plain(error.reason)})") from error
        except (OSError, http.client.HTTPException) as error:
            raise CutError(f"no connection ({plain(error)})") from error
        return response


class _CheckedRedirects(urllib.request.HTTPRedirectHandler):
    def __init__(self, web: Web) -> None:
        self._web = web

    def redirect_request(  # noqa: PLR0917 - urllib's signature
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        self._web.check(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def plain(error: object) -> str:
    """An error of the system in its own few words."""
    return str(getattr(error, "strerror", None) or error or type(error).__name__)
