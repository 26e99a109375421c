"""A TCP proxy that makes connections slow, resets them, or lets them go silent."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit, urlunsplit

LOOPBACK = "127.0.0.1"
CHUNK = 64 * 1024
_RST_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time


class _Line:
    """One connection through the proxy: the client's side and the server's."""

    def __init__(self, proxy: "FaultProxy", *sides: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self.sides = sides
        self.silent = False  # half-open: nothing arrives any more, and nobody is told
        self.deaf = False  # the server hears the client, the client hears nothing

    async def pump(self, reader: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        """Carry bytes one way until an end closes, or for ever when the line is silent."""
        answers = to is self.sides[0]
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                if self._proxy.delay_s:
                    await asyncio.sleep(self._proxy.delay_s)
                if self.silent or (self.deaf and answers):
                    continue
                to.write(data)
                await to.drain()

    def reset(self) -> None:
        """End both sides with a RST."""
        for side in self.sides:
            sock = side.get_extra_info("socket")
            with suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST_ON_CLOSE)
            side.transport.abort()


class FaultProxy:
    """Listens on ``port`` for a server on ``target``, both on loopback; sound until told else."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.delay_s = 0.0  # of each chunk, each way
        self._lines: set[_Line] = set()
        self._carrying: set[asyncio.Task[None]] = set()

    def reset(self) -> int:
        """Reset every connection; new ones are sound. Returns how many there were."""
        lines = list(self._lines)
        for line in lines:
            line.reset()
        return len(lines)

    def half_open(self) -> int:
        """Let every connection go silent for good; new ones are sound."""
        for line in self._lines:
            line.silent = True
        return len(self._lines)

    def deafen(self) -> int:
        """What clients send still arrives, and no answer comes back, until ``reset``."""
        for line in self._lines:
            line.deaf = True
        return len(self._lines)

    def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection from now on."""
        carrying = asyncio.create_task(self._carry(reader, writer))
        self._carrying.add(carrying)
        carrying.add_done_callback(self._carrying.discard)

    async def close(self) -> None:
        """End every connection."""
        self.reset()
        for carrying in self._carrying:
            carrying.cancel()
        await asyncio.gather(*self._carrying, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, to_server = await asyncio.open_connection(LOOPBACK, self.target)
        except OSError:
            writer.transport.abort()
            return
        line = _Line(self, writer, to_server)
        self._lines.add(line)
        ways = [
            asyncio.create_task(line.pump(reader, to_server)),
            asyncio.create_task(line.pump(there, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            if line.silent:  # an end that closes a half-open line is not heard at the other
                await asyncio.wait(ways)
        finally:
            self._lines.discard(line)
            for way in ways:
                way.cancel()
            for side in line.sides:
                side.close()


def by_way_of(port: int, url: str, **changed: str) -> str:
    """The URL with the same credentials, and another port on loopback: a proxy's."""
    parts = urlsplit(url)
    sign_in, at, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{sign_in}{at}{LOOPBACK}:{port}", **changed))


@asynccontextmanager
async def fault_proxy(target: int) -> AsyncIterator[FaultProxy]:
    """A proxy in front of a port of loopback."""
    proxy = FaultProxy(target)
    async with await asyncio.start_server(proxy.serve, LOOPBACK, 0) as server:
        proxy.port = server.sockets[0].getsockname()[1]
        try:
            yield proxy
        finally:
            await proxy.close()
