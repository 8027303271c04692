"""The page on which a person labels the pictures of a study, and the server behind it.

The page gets the choices, the times and a number for each trial; pictures are asked for by that number, only the next
two are given, and nothing that is sent before an answer depends on which answer is right. An answer is written to the
disk before the next trial is named, so that the study goes on there, whatever happens.
"""

import json
import math
import socket
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from striate.errors import ConfigError, StriateError
from striate.insight.human_study import HumanStudy
from striate.insight.human_study_records import StudyAnswer, Trial
from striate.studio.gate import Gate, GateMiddleware

__all__ = ["KEYS", "build_label_app", "open_socket", "serve_label_page"]

KEYS = "123456789abcdefghijklmnopqrstuvwxyz"
"""The key of each choice."""
MOST_BYTES = 4096
_TRIAL_S = 1.6  # what a person needs beside the times of the study


class Desk:
    """One browser at one study: who sits there, and what comes next.

    Args:
        study: The study.
        participant: Who it is for; asked on the page where it is None.
    """

    def __init__(self, study: HumanStudy, participant: str | None) -> None:
        self.study = study
        self.fixed = participant
        self.participant: str | None = None

    def state(self) -> dict[str, Any]:
        """All that the page needs to know."""
        settings = self.study.settings
        practice = sum(picture.practice for picture in self.study.pictures.values())
        total = len(self.study.tested)
        each = _TRIAL_S + (settings.fixation_ms + settings.exposure_ms) / 1000
        return {
            "title": settings.title,
            "choices": [{"name": name, "key": KEYS[k]} for k, name in enumerate(settings.classes)],
            "exposure_ms": settings.exposure_ms,
            "fixation_ms": settings.fixation_ms,
            "mask_ms": settings.mask_ms,
            "practice": practice,
            "total": total,
            "minutes": max(1, math.ceil((practice + total) * each / 60)),
            "consent": str(settings.facts.get("consent") or ""),
            "fixed": self.fixed,
            "participant": self.participant,
            "trial": self._trial(),
        }

    def begin(self, name: str, screen: dict[str, Any]) -> dict[str, Any]:
        """Let a person sit down.

        Raises:
            StriateError: If the name cannot be taken.
        """
        if self.fixed is not None and name != self.fixed:
            raise ConfigError(f"This page is for '{self.fixed}'.")
        self.participant = self.study.join(name, facts={"screen": screen}).name
        return self.state()

    def leave(self) -> dict[str, Any]:
        """Make room for the next person."""
        self.participant = None
        return self.state()

    def picture(self, position: int) -> bytes | None:
        """The PNG of one of the next two trials, None for any other."""
        for skip in (0, 1):
            trial = None if self.participant is None else self.study.next_trial(self.participant, skip=skip)
            if trial is not None and trial.position == position:
                return self.study.picture_file(trial.picture.id).read_bytes()
        return None

    def answer(self, position: int, choice: int, times: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Write an answer down: the status, and what to tell the page."""
        if self.participant is None:
            return 409, {"error": "Nobody has begun here.", **self.state()}
        trial = self.study.next_trial(self.participant)
        if trial is None or trial.position != position:
            return 409, {"error": "This picture is answered already.", "trial": self._trial()}
        answer = StudyAnswer(self.participant, trial.picture.id, choice, **times)
        if not self.study.add(self.participant, [answer], kind="person", facts={}):
            return 409, {"error": "This picture is answered already.", "trial": self._trial()}
        told: dict[str, Any] = {"trial": self._trial()}
        if trial.picture.practice:
            told["right"] = trial.picture.label
        return 200, told

    def _trial(self) -> dict[str, Any] | None:
        first = None if self.participant is None else self.study.next_trial(self.participant)
        second = None if self.participant is None else self.study.next_trial(self.participant, skip=1)
        return None if first is None else _told(first) | {"following": None if second is None else second.position}


def _told(trial: Trial) -> dict[str, Any]:
    """A trial without its picture's name, class or condition."""
    return {
        "position": trial.position,
        "practice": trial.picture.practice,
        "done": trial.done,
        "total": trial.total,
    }


def build_label_app(study: HumanStudy, gate: Gate, *, participant: str | None = None) -> Starlette:
    """The server's application.

    Args:
        study: The study.
        gate: Who is let in.
        participant: Who the page is for; asked there where it is None.
    """
    desk = Desk(study, participant)
    choices = len(study.settings.classes)

    def page(_: Request) -> Response:
        return Response(_web("label.html"), media_type="text/html")

    def style(_: Request) -> Response:
        shared = files("striate.report").joinpath("web", "report.css").read_text(encoding="utf-8")
        return Response(f"{shared}\n{_web('label.css')}", media_type="text/css")

    def script(_: Request) -> Response:
        shared = files("striate.report").joinpath("web", "theme.js").read_text(encoding="utf-8")
        return Response(f"{shared}\n{_web('label.js')}", media_type="text/javascript")

    def state(_: Request) -> Response:
        return JSONResponse(desk.state())

    def picture(request: Request) -> Response:
        data = desk.picture(int(request.path_params["position"]))
        return Response(status_code=404) if data is None else Response(data, media_type="image/png")

    async def begin(request: Request) -> Response:
        async def work(body: dict[str, Any]) -> Response:
            screen = {name: _number(body, name) for name in ("width", "height", "ratio", "picture")}
            return JSONResponse(await run_in_threadpool(desk.begin, str(body.get("name", "")).strip(), screen))

        return await _answered(request, work)

    async def leave(request: Request) -> Response:
        async def work(_: dict[str, Any]) -> Response:
            return JSONResponse(await run_in_threadpool(desk.leave))

        return await _answered(request, work)

    async def answer(request: Request) -> Response:
        async def work(body: dict[str, Any]) -> Response:
            position, choice = _whole(body, "position", 10**9), _whole(body, "choice", choices - 1)
            times = {
                "rt_ms": _number(body, "rt_ms"),
                "shown_ms": _number(body, "shown_ms"),
                "interrupted": body.get("interrupted") is True,
            }
            status, told = await run_in_threadpool(desk.answer, position, choice, times)
            return JSONResponse(told, status)

        return await _answered(request, work)

    routes = [
        Route("/", page),
        Route("/label.css", style),
        Route("/label.js", script),
        Route("/state", state),
        Route("/picture/{position:int}", picture),
        Route("/begin", begin, methods=["POST"]),
        Route("/leave", leave, methods=["POST"]),
        Route("/answer", answer, methods=["POST"]),
    ]
    return Starlette(routes=routes, middleware=[Middleware(GateMiddleware, gate=gate)])


def open_socket(port: int = 0) -> socket.socket:
    """A socket on this machine's loopback address, 127.0.0.1.

    Args:
        port: 0 takes a free one.

    Raises:
        ConfigError: If the port is taken, or cannot be used.
    """
    if not 0 <= port <= 65_535:
        raise ConfigError(f"--port must be from 0 to 65535, got {port}.")
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(("127.0.0.1", port))
    except OSError as error:
        opened.close()
        reason = (error.strerror or str(error)).lower()
        raise ConfigError(f"Port {port} cannot be used ({reason}); give another --port, or none.") from error
    return opened


def serve_label_page(
    study: HumanStudy,
    listener: socket.socket,
    *,
    participant: str | None = None,
    started: Callable[[str], None] | None = None,
) -> None:
    """Serve the page until the process is asked to end.

    Args:
        study: The study.
        listener: From `open_socket`; closed at the end.
        participant: Who the page is for.
        started: Called with the link as soon as it can be opened.

    Raises:
        KeyboardInterrupt: After a clean end by Ctrl-C.
    """
    gate = Gate(int(listener.getsockname()[1]))
    config = uvicorn.Config(
        build_label_app(study, gate, participant=participant),
        access_log=False,  # the link is a secret
        lifespan="off",
        limit_concurrency=64,
        log_level="error",
        server_header=False,
        timeout_graceful_shutdown=2,
        ws="none",
    )
    server = _Server(config, (lambda: started(gate.link)) if started is not None else None)
    try:
        server.run(sockets=[listener])
    finally:
        listener.close()


class _Server(uvicorn.Server):
    """Says when it has begun."""

    def __init__(self, config: uvicorn.Config, began: Callable[[], None] | None) -> None:
        super().__init__(config)
        self._began = began

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, then say so."""
        await super().startup(sockets)
        if self._began is not None:
            self._began()


async def _answered(request: Request, work: Callable[[dict[str, Any]], Any]) -> Response:
    """The answer to a change, or what is wrong with it."""
    data = b""
    async for part in request.stream():
        data += part
        if len(data) > MOST_BYTES:
            return JSONResponse({"error": "Too much."}, 413)
    try:
        body = json.loads(data)
        if not isinstance(body, dict):
            raise ValueError("must be an object")
        answer: Response = await work(body)
    except StriateError as error:
        return JSONResponse({"error": str(error)}, 400)
    except (ValueError, RecursionError):
        return JSONResponse({"error": "Not what the page would send."}, 400)
    return answer


def _whole(body: dict[str, Any], name: str, most: int) -> int:
    value = body.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise ValueError(name)
    return value


def _number(body: dict[str, Any], name: str) -> float | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise ValueError(name)
    return float(value)


def _web(name: str) -> str:
    return files("striate.studio").joinpath("web", name).read_text(encoding="utf-8")
