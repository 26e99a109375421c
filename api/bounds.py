"""What a request may weigh and how long it may take to come: its head and its body."""

import asyncio
import re
import time
from collections.abc import Collection, Mapping

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import problem

MAX_HEADERS = 100
MAX_HEAD_BYTES = 16_384  # of all names and values; a proxy's default is 8 to 32 KiB
MAX_TARGET_BYTES = 8_192  # path and query; RFC 9110 §4.1 asks for 8,000 at least
MAX_DEPTH = 32  # no body of ours is deeper than 4
# A body has this time, and a second more for so many bytes of it: 64 KiB at the speed of a modem,
# 8 MiB in 52 s. Only the time in which more of it is waited for counts.
BODY_WITHIN_S = 20.0
LEAST_BYTES_PER_S = 262_144
TOO_DEEP = f"The body nests deeper than {MAX_DEPTH} levels; no request needs that."
# Fields that say one thing: two readers of a request that has two of them can differ, as a proxy
# and this API (RFC 9110 §5.3, RFC 9112 §3.2). Two Idempotency-Keys have a problem of their own.
SINGLE = frozenset(
    {
        b"authorization",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"host",
        b"last-event-id",
        b"origin",
        b"x-request-id",
    }
)

_WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
# a string that never ends is one to the end of the body: read once
_JSON_MARKS = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


class HeadLimit:
    """Refuses a head that is larger than anything a client of ours sends, or has two meanings."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection of any kind; only HTTP requests are limited."""
        refusal = _refusal(scope) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send)


class BodyLimit:
    """Refuses a body of more than ``max_bytes``, announced or not, too deep, or too slow.

    A body is read before the call is made, so that a slow one costs nothing else. The calls of
    ``by_path`` have their own size and read for themselves, as slowly as any other. A request
    whose method or path takes none is not read at all.
    """

    def __init__(
        self,
        app: ASGIApp,
        max_bytes: int,
        by_path: Mapping[str, int] | None = None,
        without: Collection[str] = (),
    ) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._by_path = by_path or {}
        self._without = without

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection of any kind; only HTTP requests are limited."""
        if scope["type"] != "http" or not has_body(scope):
            await self._app(scope, receive, send)
            return
        max_bytes = self._by_path.get(scope["path"], self._max_bytes)
        if int(Headers(scope=scope).get("content-length", 0)) > max_bytes:
            await problem(scope, "body_too_large")(scope, receive, send)
        elif scope["method"] in _WITHOUT_BODY or scope["path"] in self._without:
            await self._app(scope, receive, send)
        elif scope["path"] in self._by_path:
            await self._app(scope, _limited(receive, max_bytes), send)
        else:
            await self._read_first(scope, receive, send)

    async def _read_first(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await _read(_limited(receive, self._max_bytes))
        except HTTPException as refused:
            code = "request_timeout" if refused.status_code == 408 else "body_too_large"
            await problem(scope, code)(scope, receive, send)
            return
        if body is None:
            return  # the client has left
        if depth_exceeds(body, MAX_DEPTH):
            await problem(scope, "malformed_json", detail=TOO_DEEP)(scope, receive, send)
        else:
            await self._app(scope, _replaying(body, receive), send)


def has_body(scope: Scope) -> bool:
    """Whether the request announces a body."""
    return any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])


def depth_exceeds(body: bytes, limit: int) -> bool:
    """Whether brackets of the JSON nest deeper than that; what is no JSON is for the parser."""
    if body.count(b"[") + body.count(b"{") <= limit:
        return False
    depth = 0
    for mark in _JSON_MARKS.finditer(body):
        first = mark[0][0]
        if first in b"[{":
            depth += 1
            if depth > limit:
                return True
        elif first in b"]}":
            depth -= 1
    return False


def _refusal(scope: Scope) -> JSONResponse | None:
    if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > MAX_TARGET_BYTES:
        return problem(scope, "target_too_long")
    headers = scope["headers"]
    weight = sum(len(name) + len(value) for name, value in headers)
    if len(headers) > MAX_HEADERS or weight > MAX_HEAD_BYTES:
        return problem(scope, "headers_too_large")
    names = [name for name, _ in headers if name in SINGLE]
    if len(names) != len(set(names)):
        twice = next(name for name in names if names.count(name) > 1).decode()
        detail = f"The header {twice} may be sent once only."
        return problem(scope, "header_invalid", detail=detail)
    if scope.get("http_version") == "1.1" and b"host" not in names:
        return problem(scope, "header_invalid", detail="The header host is missing.")
    return None


def _limited(receive: Receive, max_bytes: int) -> Receive:
    """The body within its size and its time: HTTPException 413 or 408 when it exceeds them."""
    received, waited_s, more = 0, 0.0, True

    async def receive_limited() -> Message:
        nonlocal received, waited_s, more
        if not more:  # what is waited for now is that the client leaves
            return await receive()
        begun = time.monotonic()
        try:
            async with asyncio.timeout(BODY_WITHIN_S + received / LEAST_BYTES_PER_S - waited_s):
                message = await receive()
        except TimeoutError:
            raise HTTPException(408) from None
        waited_s += time.monotonic() - begun
        received += len(message.get("body", b""))
        more = message.get("more_body", False)
        if received > max_bytes:
            raise HTTPException(413)
        return message

    return receive_limited


async def _read(receive: Receive) -> bytes | None:
    """The whole body, or None when the client leaves before it has sent it."""
    chunks = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks)


def _replaying(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def receive_replayed() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_replayed
