"""``/metrics`` of a process that has no other door: one page, nothing else."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from loguru import logger

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MAX_HEAD_BYTES = 8_192
ASK_WITHIN_S = 5.0  # whoever has said nothing by then is hung up on

Page = Callable[[], Awaitable[bytes]]


@asynccontextmanager
async def metrics_door(host: str, port: int, page: Page) -> AsyncIterator[int | None]:
    """Answer ``GET /metrics`` on this address (port 0: a free one); the port it has.

    A port that cannot be had is logged, and the process works without: money goes first.
    """
    try:
        server = await asyncio.start_server(
            lambda reader, writer: _answer(reader, writer, page), host, port, limit=MAX_HEAD_BYTES
        )
    except OSError as error:
        logger.error("no /metrics on {}:{}: {!r}", host, port, error)
        yield None
        return
    async with server:
        taken: int = server.sockets[0].getsockname()[1]
        logger.info("/metrics on {}:{}", host, taken)
        yield taken


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, page: Page) -> None:
    try:
        async with asyncio.timeout(ASK_WITHIN_S):
            head = await reader.readuntil(b"\r\n\r\n")
            status, body = await _page_for(head, page)
            writer.write(_head(status, len(body)) + body)
            await writer.drain()
    except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        pass  # whoever asked is gone, or never asked
    finally:
        writer.close()


async def _page_for(head: bytes, page: Page) -> tuple[str, bytes]:
    method, _, rest = head.partition(b" ")
    path = rest.partition(b" ")[0].partition(b"?")[0]
    if path != b"/metrics":
        return "404 Not Found", b"Only /metrics is here.\n"
    if method != b"GET":
        return "405 Method Not Allowed", b"Only GET, please.\n"
    return "200 OK", await page()


def _head(status: str, length: int) -> bytes:
    lines = (
        f"HTTP/1.1 {status}",
        f"Content-Type: {CONTENT_TYPE}",
        f"Content-Length: {length}",
        "X-Content-Type-Options: nosniff",
        "Cache-Control: no-store",
        "Connection: close",
    )
    return "\r\n".join((*lines, "", "")).encode()
