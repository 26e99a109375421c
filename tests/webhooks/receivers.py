"""Receivers for the tests: real listeners on loopback that behave as badly as they are told."""

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

from payflow.storage.identity import SystemClock

Behave = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Request:
    """What a receiver was sent."""

    headers: dict[str, str]
    body: bytes
    arrived_at: datetime = field(default_factory=SystemClock().now)
    event: dict[str, Any] | None = None  # verified on arrival, where the receiver has a secret


@dataclass
class Receiver:
    """A listener that counts its connections."""

    behave: Behave
    port: int = 0
    secret: str = ""
    connections: int = 0
    written: int = 0
    requests: list[Request] = field(default_factory=list)
    tries: Counter[str] = field(default_factory=Counter)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def take(self, request: Request) -> None:
        if self.secret:  # now: the stock verifier refuses what is older than five minutes
            with suppress(WebhookVerificationError):
                request.event = Webhook(self.secret).verify(request.body, request.headers)
        self.requests.append(request)
        self.tries[request.headers.get("webhook-id", "")] += 1

    @property
    def ids(self) -> list[str]:
        return [request.headers["webhook-id"] for request in self.requests]


@asynccontextmanager
async def receiver(
    behave: Behave | None = None,
    *,
    host: str = "127.0.0.1",
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Receiver]:
    """A listener for as long as the block; the default answers 200."""
    one = Receiver(behave or answering(OK))
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        one.connections += 1
        task = asyncio.current_task()
        assert task
        tasks.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                one.take(await read_request(reader))
                await one.behave(reader, writer)
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, host, 0, ssl=tls)
    one.port = server.sockets[0].getsockname()[1]
    try:
        yield one
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def read_request(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    lines = head.split("\r\n")[1:]
    pairs = (line.partition(":") for line in lines if line)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    return Request(headers, await reader.readexactly(int(headers.get("content-length", 0))))


def answering(*answers: bytes) -> Behave:
    """Give these answers in turn, the last one from then on."""
    left = list(answers)

    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(left.pop(0) if len(left) > 1 else left[0])
        await writer.drain()

    return behave


@asynccontextmanager
async def refusing_twice() -> AsyncIterator[Receiver]:
    """A listener that answers 500 to the first two attempts of each delivery."""

    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # nobody else has run since the request was taken
        tries = one.tries[one.ids[-1]]
        writer.write(OK if tries > 2 else status(500))
        await writer.drain()

    async with receiver(behave) as one:
        yield one


async def hanging(*_: object) -> None:
    """Take the request and never answer."""
    await asyncio.Event().wait()


def status(code: int, *headers: str, body: bytes = b"") -> bytes:
    """An answer."""
    lines = [f"HTTP/1.1 {code} Whatever", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
