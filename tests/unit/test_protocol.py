"""A head that is too slow or too long ends its connection; others are served meanwhile."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from api import protocol
from api.protocol import BoundedHead

GOOD = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n"


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await PlainTextResponse("hello")(scope, receive, send)


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    monkeypatch.setattr(protocol, "HEAD_WITHIN_S", 0.3)
    config = uvicorn.Config(
        hello, port=0, http=BoundedHead, ws="none", lifespan="off", log_config=None
    )
    config.load()
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve())  # what takes the signals stays with pytest
    while not server.started:
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await serving


async def test_a_slow_head_is_hung_up_on_and_a_slow_body_is_not(port: int) -> None:
    slow_reader, slow = await asyncio.open_connection("127.0.0.1", port)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    silent_reader, silent = await asyncio.open_connection("127.0.0.1", port)
    slow.write(GOOD[:20])
    writer.write(GOOD)
    async with asyncio.timeout(3):
        assert await slow_reader.read() == b""
        assert await silent_reader.read() == b""
    writer.write(b"{}")
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.write(GOOD[:20])  # the next head on the same line has a time of its own
    async with asyncio.timeout(3):
        assert (await reader.read()).endswith(b"hello")
    for one in (slow, writer, silent):
        one.close()


@pytest.mark.parametrize("head", [b"GET / HTTP/1.1\r\nx: ", b"GET /"])
async def test_an_endless_head_is_hung_up_on(port: int, head: bytes) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head)
    sent = 0
    with pytest.raises(ConnectionError):
        while sent < 10 * protocol.MAX_UNREAD_HEAD_BYTES:
            writer.write(b"a" * 8_192)
            sent += 8_192
            await writer.drain()
            await asyncio.sleep(0.001)
    assert sent >= protocol.MAX_UNREAD_HEAD_BYTES
    writer.close()
