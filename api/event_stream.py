"""Server-Sent Events on the wire (WHATWG HTML §9.2), and how a stream of them ends.

A stream ends when its source does, when the client leaves or stops reading, when its caller may
not read it any more, after the time of an access token, or when the server drains: an open one
never holds up a shutdown.
"""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.access_watch import AccessWatch, OpenRequest
from api.client_address import ADDRESS
from api.gate import visitor_of
from api.streams import Start, StreamClosed, Streamed, Streams, TooSlow
from payflow.domain.errors import PayflowError
from payflow.domain.event_ports import FeedEvent

MEDIA_TYPE = "text/event-stream"
RETRY_MS = 1_000  # how long a client waits before it comes again
SEND_WITHIN_S = 20.0  # a reader that takes nothing for so long is gone
END_WITHIN_S = 1.0  # what a draining server gives a stream to say goodbye


class EventStream(Response):
    """What a source brings, as Server-Sent Events."""

    media_type = MEDIA_TYPE

    def __init__(
        self,
        source: AsyncGenerator[Streamed, None],
        streams: Streams,
        watch: AccessWatch,
    ) -> None:
        super().__init__(headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._source = source
        self._streams = streams
        self._watch = watch

    async def __call__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        """Send events until something ends the stream."""
        visitor = visitor_of(scope)
        with (
            self._streams.admitted(visitor.principal.user_id, scope[ADDRESS]),
            self._watch.watching(visitor) as request,
        ):
            sending = asyncio.ensure_future(self._send(send))
            leaving = asyncio.ensure_future(_left(receive))
            closing = asyncio.ensure_future(self._streams.closing.wait())
            refused = asyncio.ensure_future(request.refused())
            tasks = (sending, leaving, closing, refused)
            try:
                await asyncio.wait(
                    tasks, timeout=self._streams.life_s, return_when=asyncio.FIRST_COMPLETED
                )
                if closing.done() and not sending.done():
                    await asyncio.wait({sending}, timeout=END_WITHIN_S)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        if not sending.cancelled():
            sending.result()
        elif leaving.cancelled():  # the client is there, and is to know that this is the end
            with suppress(TimeoutError):
                await _end(send, request)

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        with suppress(TimeoutError):  # it reads nothing any more
            try:
                async with aclosing(self._source) as source:
                    async for item in source:
                        await _within(SEND_WITHIN_S, send, _frame(item))
            except StreamClosed:
                pass
            except TooSlow as cut_off:
                await _within(SEND_WITHIN_S, send, _goodbye(cut_off))
            except PayflowError as error:
                await _within(SEND_WITHIN_S, send, _goodbye(error))
            await _within(SEND_WITHIN_S, send, b"", more=False)


def event_object(event: FeedEvent) -> dict[str, Any]:
    """An event with its position, as the contract spells it."""
    return {**event.body, "position": event.position}


def event_text(event: dict[str, Any]) -> bytes:
    """The same on the wire."""
    data = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    return format_sse_event(id=str(event["position"]), event=event["type"], data_str=data)


async def _end(send: Send, request: OpenRequest) -> None:
    if request.refusal is not None:
        await _within(END_WITHIN_S, send, _goodbye(request.refusal))
    await _within(END_WITHIN_S, send, b"", more=False)


def start_text(position: int) -> bytes:
    """The first frame: an id without data, so that the client resumes there if none follows."""
    return format_sse_event(retry=RETRY_MS, comment="connected", id=str(position))


def _frame(item: Streamed) -> bytes:
    if item is None:
        return KEEPALIVE_COMMENT
    if isinstance(item, Start):
        return start_text(item.position)
    return event_text(event_object(item))


def _goodbye(error: PayflowError) -> bytes:
    """Why the stream ends; without an id, so that the client resumes after the last one."""
    data = json.dumps({"code": error.code, "detail": str(error)}, separators=(",", ":"))
    return format_sse_event(event="stream.ended", data_str=data)


async def _within(limit_s: float, send: Send, body: bytes, *, more: bool = True) -> None:
    async with asyncio.timeout(limit_s):
        await send({"type": "http.response.body", "body": body, "more_body": more})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
