"""Around every request: its id, and the headers every answer carries."""

import re

from loguru import logger
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from ulid import ULID

from api.problems import REQUEST_ID, problem
from api.security_headers import SecurityHeaders
from payflow.observability.context import about

_SAFE_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")  # goes into logs and headers as is
_TRANSFER = re.compile(r"/(trf_[0-9A-HJKMNP-TV-Z]{26})(?:/|$)")


class RequestContext:
    """Gives a request its id and its log context, an answer its headers, a bug its 500."""

    def __init__(self, app: ASGIApp, headers: SecurityHeaders) -> None:
        self._app = app
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection of any kind; only HTTP requests are touched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = scope[REQUEST_ID] = _request_id(scope)
        headers = [(b"x-request-id", request_id.encode()), *self._headers.of(scope)]
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message.get("headers", ()), *headers]
            await send(message)

        asked_about = _TRANSFER.search(scope["path"])
        transfer_id = asked_about and asked_about[1]
        with about(request_id=request_id, transfer_id=transfer_id):
            try:
                await self._app(scope, receive, send_with_headers)
            except Exception:
                logger.exception("{} {} failed", scope["method"], scope["path"])
                if started:
                    raise
                answer = problem(scope, "internal_error")
                await answer(scope, receive, send_with_headers)


def _request_id(scope: Scope) -> str:
    given = Headers(scope=scope).getlist("x-request-id")
    if len(given) == 1 and _SAFE_REQUEST_ID.fullmatch(given[0]):
        return given[0]
    return f"req_{ULID()}"
