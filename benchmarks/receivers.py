"""Subscribers of the benchmark's own: listeners on loopback that note what arrives, and when."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime

from cli.ports import LOOPBACK
from payflow.storage.identity import SystemClock

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass(slots=True)
class Mailbox:
    """What a subscriber got: by event id, the seconds from the event to its first arrival."""

    url: str
    late_s: dict[str, float] = field(default_factory=dict)

    def take(self, body: bytes, at: datetime) -> None:
        """Note an arrival; a repeated one changes nothing."""
        event = json.loads(body)
        late = at - datetime.fromisoformat(event["created_at"])
        self.late_s.setdefault(event["id"], late.total_seconds())


async def thankful(writer: asyncio.StreamWriter) -> None:
    """Take everything at once."""
    await _say(writer, b"204 No Content")


async def failing(writer: asyncio.StreamWriter) -> None:
    """Answer 500 to everything."""
    await _say(writer, b"500 Internal Server Error")


async def hanging(_: asyncio.StreamWriter) -> None:
    """Take the request and never answer."""
    await asyncio.Event().wait()


@asynccontextmanager
async def mailbox(answer: Answer) -> AsyncIterator[Mailbox]:
    """A listener for as long as the block."""
    tasks: set[asyncio.Task[None]] = set()
    clock = SystemClock()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if task := asyncio.current_task():
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                body = await _body(reader)
                box.take(body, clock.now())
                await answer(writer)
        writer.close()

    server = await asyncio.start_server(serve, LOOPBACK, 0)
    box = Mailbox(f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}/hook")
    try:
        yield box
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _body(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    (length,) = [
        int(line.partition(b":")[2])
        for line in head.lower().split(b"\r\n")
        if line.startswith(b"content-length:")
    ]
    return await reader.readexactly(length)


async def _say(writer: asyncio.StreamWriter, status: bytes) -> None:
    length = b"" if status.startswith(b"204") else b"content-length: 0\r\n"
    writer.write(b"HTTP/1.1 " + status + b"\r\n" + length + b"\r\n")
    await writer.drain()
