"""What a request may weigh: its head and its body."""

import asyncio
import re
from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import problem

MAX_HEADERS = 100
MAX_HEAD_BYTES = 16_384  # of all names and values; a proxy's default is 8 to 32 KiB
MAX_TARGET_BYTES = 8_192  # path and query; RFC 9110 §4.1 asks for 8,000 at least
MAX_DEPTH = 32  # no body of ours is deeper than 4
BODY_WITHIN_S = 20.0  # 64 KiB at the speed of a modem; who takes longer holds a place for nothing

_TOO_DEEP = f"The body nests deeper than {MAX_DEPTH} levels; no request needs that."
# a string that never ends is one to the end of the body: looked at once
_JSON_MARKS = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


class HeadLimit:
    """Refuses a request whose target or headers are larger than anything a client of ours sends."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection of any kind; only HTTP requests are limited."""
        code = _too_large(scope) if scope["type"] == "http" else None
        if code is not None:
            await problem(scope, code)(scope, receive, send)
            return
        await self._app(scope, receive, send)


class BodyLimit:
    """Refuses a body of more than ``max_bytes``, announced or not, too deep, or too slow.

    The paths of ``by_path`` have their own size and read for themselves.
    """

    def __init__(
        self, app: ASGIApp, max_bytes: int, by_path: Mapping[str, int] | None = None
    ) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._by_path = by_path or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection of any kind; only HTTP requests are limited."""
        if scope["type"] != "http" or not _has_body(scope):
            await self._app(scope, receive, send)
            return
        max_bytes = self._by_path.get(scope["path"], self._max_bytes)
        if int(Headers(scope=scope).get("content-length", 0)) > max_bytes:
            await problem(scope, "body_too_large")(scope, receive, send)
        elif scope["path"] in self._by_path:
            await self._app(scope, _counting(receive, max_bytes), send)
        else:
            await self._read_first(scope, receive, send)

    async def _read_first(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(BODY_WITHIN_S):
                body = await _read(_counting(receive, self._max_bytes))
        except HTTPException:
            await problem(scope, "body_too_large")(scope, receive, send)
        except TimeoutError:
            await problem(scope, "request_timeout")(scope, receive, send)
        else:
            if body is None:
                return  # the client has left
            if depth_exceeds(body, MAX_DEPTH):
                await problem(scope, "malformed_json", detail=_TOO_DEEP)(scope, receive, send)
            else:
                await self._app(scope, _replaying(body, receive), send)


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


def _too_large(scope: Scope) -> str | None:
    if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > MAX_TARGET_BYTES:
        return "target_too_long"
    headers = scope["headers"]
    if len(headers) > MAX_HEADERS:
        return "headers_too_large"
    weight = sum(len(name) + len(value) for name, value in headers)
    return "headers_too_large" if weight > MAX_HEAD_BYTES else None


def _has_body(scope: Scope) -> bool:
    return any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])


def _counting(receive: Receive, max_bytes: int) -> Receive:
    received = 0

    async def receive_counted() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > max_bytes:
            raise HTTPException(413)
        return message

    return receive_counted


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
