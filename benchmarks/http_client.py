"""An HTTP/1.1 client that costs next to nothing: it shares the machine with what it measures."""

import asyncio
import re
from dataclasses import dataclass
from typing import cast

from benchmarks.jobs import Order

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_HEAD_END = b"\r\n\r\n"
_STATUS = slice(9, 12)  # of "HTTP/1.1 200 OK"


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a body."""

    status: int
    body: bytes


class Connection(asyncio.Protocol):
    """One kept-alive connection: one request after the other, answers with a length only."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._answer: asyncio.Future[Answer] | None = None

    @classmethod
    async def to(cls, host: str, port: int) -> "Connection":
        """An open connection."""
        _, connection = await asyncio.get_running_loop().create_connection(cls, host, port)
        return connection

    async def ask(self, request: bytes) -> Answer:
        """Send the bytes and wait for the answer.

        Raises:
            ConnectionError: the server closed instead.
        """
        if self._transport is None:
            raise ConnectionError("not connected")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    @property
    def is_open(self) -> bool:
        """Whether neither end has closed it."""
        return self._transport is not None and not self._transport.is_closing()

    def close(self) -> None:
        """Close it."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are so in all but name

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail who waits."""
        self._transport = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError(f"closed: {exc!r}"))

    def data_received(self, data: bytes) -> None:
        """Hand over the answer once it is whole."""
        self._received += data
        head_end = self._received.find(_HEAD_END)
        if head_end < 0:
            return
        length = _LENGTH.search(self._received, 0, head_end + 2)
        whole = head_end + len(_HEAD_END) + (int(length[1]) if length else 0)
        if len(self._received) < whole or self._answer is None:
            return
        answer = Answer(
            int(self._received[_STATUS]), self._received[head_end + len(_HEAD_END) : whole]
        )
        self._received = b""
        if not self._answer.done():
            self._answer.set_result(answer)


def rendered(order: Order, host: str) -> tuple[bytes, bytes]:
    """The request before and behind its idempotency key, the last header."""
    lines = [
        f"{order.method} {order.path} HTTP/1.1",
        f"Host: {host}",
        f"Authorization: Bearer {order.token}",
    ]
    if order.body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(order.body)}"]
    if order.prefer:
        lines.append(f"Prefer: {order.prefer}")
    head = "\r\n".join([*lines, "Idempotency-Key: "])
    return head.encode(), f"\r\n\r\n{order.body}".encode()
