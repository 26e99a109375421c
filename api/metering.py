"""Around every request: how it was answered, counted by route template and said in the log."""

import time

from loguru import logger
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.health import PROBES
from payflow.domain.observing import Answer, Observer

UNROUTED = "(no route)"  # a path nobody serves is somebody's text: it is no label
CLIENT_LEFT = 499  # nginx's number for it: no answer was due any more, so nothing went wrong here
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_READS = frozenset({"GET", "HEAD", "OPTIONS"})


class Metering:
    """Tells the observer of every answer, and the log of those that matter.

    Lines are INFO for what was to change something or was refused, DEBUG for reads that went
    well: they would be nine of ten.
    """

    def __init__(self, app: ASGIApp, observer: Observer) -> None:
        self._app = app
        self._observer = observer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection of any kind; only HTTP requests are counted."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = time.perf_counter(), CLIENT_LEFT

        async def send_noting_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_noting_status)
        except ClientDisconnect:
            pass  # half-way through its body
        except BaseException:
            status = 500 if status == CLIENT_LEFT else status
            raise
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "OTHER"
            answer = Answer(method, route_of(scope), status, time.perf_counter() - begun)
            self._observer.answered(answer)
            _say(answer)


def route_of(scope: Scope) -> str:
    """The template of the route that served the request."""
    return getattr(scope.get("route"), "path", None) or UNROUTED


def _say(answer: Answer) -> None:
    level = "INFO"
    if answer.status >= 500:
        level = "WARNING"
    elif answer.route in PROBES or (answer.method in _READS and answer.status < 400):
        level = "DEBUG"
    took_ms = answer.seconds * 1_000
    logger.log(level, "{} {} {} {:.1f} ms", answer.method, answer.route, answer.status, took_ms)
