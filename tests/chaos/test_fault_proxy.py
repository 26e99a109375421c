"""Our fault proxy does what it says, and nothing while it is told nothing."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from tests.chaos.fault_proxy import LOOPBACK, FaultProxy, fault_proxy


class Echo:
    """A server that says everything back, and remembers it."""

    def __init__(self) -> None:
        self.heard = b""
        self.lines = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.lines += 1
        with suppress(OSError):
            while data := await reader.read(100):
                self.heard += data
                writer.write(data)
                await writer.drain()
        writer.close()
        self.lines -= 1

    async def has_ended(self) -> None:
        async with asyncio.timeout(5):
            while self.lines:
                await asyncio.sleep(0.01)


@pytest.fixture
async def echo() -> Echo:
    return Echo()


@pytest.fixture
async def proxy(echo: Echo) -> AsyncIterator[FaultProxy]:
    async with await asyncio.start_server(echo.serve, LOOPBACK, 0) as server:
        async with fault_proxy(server.sockets[0].getsockname()[1]) as made:
            yield made
        await echo.has_ended()


class Caller:
    """A client of the proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    @asynccontextmanager
    async def of(cls, proxy: FaultProxy) -> AsyncIterator["Caller"]:
        reader, writer = await asyncio.open_connection(LOOPBACK, proxy.port)
        try:
            yield cls(reader, writer)
        finally:
            writer.transport.abort()

    async def say(self, word: bytes, within_s: float = 2.0) -> bytes:
        self.writer.write(word)
        return await asyncio.wait_for(self.reader.read(100), within_s)


async def test_a_sound_line_carries_both_ways(proxy: FaultProxy) -> None:
    async with Caller.of(proxy) as caller:
        assert await caller.say(b"one") == b"one"
        assert await caller.say(b"two") == b"two"


async def test_a_slow_line_takes_its_delay_each_way(proxy: FaultProxy) -> None:
    async with Caller.of(proxy) as caller:
        proxy.delay_s = 0.1
        begun = time.monotonic()
        assert await caller.say(b"one") == b"one"
        assert time.monotonic() - begun >= 0.2


async def test_a_reset_line_is_reset_and_the_next_is_sound(proxy: FaultProxy) -> None:
    async with Caller.of(proxy) as caller, Caller.of(proxy) as bystander:
        assert await caller.say(b"one") == b"one"
        assert await bystander.say(b"one") == b"one"
        assert proxy.reset() == 2
        with pytest.raises(ConnectionResetError):
            await caller.say(b"two")
    async with Caller.of(proxy) as caller:
        assert await caller.say(b"three") == b"three"


async def test_a_half_open_line_is_silent_and_the_next_is_sound(
    proxy: FaultProxy, echo: Echo
) -> None:
    async with Caller.of(proxy) as caller:
        assert await caller.say(b"one") == b"one"
        assert proxy.half_open() == 1
        with pytest.raises(TimeoutError):
            await caller.say(b"two", within_s=0.2)
        async with Caller.of(proxy) as another:
            assert await another.say(b"three") == b"three"
    assert echo.heard == b"onethree"


async def test_a_deaf_line_is_heard_and_hears_nothing(proxy: FaultProxy, echo: Echo) -> None:
    async with Caller.of(proxy) as caller:
        assert await caller.say(b"one") == b"one"
        proxy.deafen()
        with pytest.raises(TimeoutError):
            await caller.say(b"two", within_s=0.2)
    assert echo.heard == b"onetwo"


async def test_nobody_behind_it_is_a_closed_door() -> None:
    async with await asyncio.start_server(lambda *_: None, LOOPBACK, 0) as server:
        port = server.sockets[0].getsockname()[1]
    async with fault_proxy(port) as proxy, Caller.of(proxy) as caller:
        with suppress(ConnectionResetError):  # whichever of the two ends is noticed first
            assert await caller.say(b"one") == b""
