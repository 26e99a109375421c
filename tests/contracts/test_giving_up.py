"""Callers that give up while MongoDB has no primary do not block the client.

The case is cancelled waits of ``asyncio.Condition`` (CPython issue 86766), met by the driver's
topology on Python 3.11.
"""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cli import servers
from cli.binaries import find_binaries
from cli.child import Child
from cli.folder import DataFolder
from cli.ports import PortBook

ENDS_WITHIN_S = 90.0


class Server:
    """One mongod that is killed and comes back."""

    def __init__(self, folder: DataFolder, port: int) -> None:
        self._spec, self._folder = servers.mongod(find_binaries(), folder, port), folder
        self._child = Child(self._spec, folder)
        self.url = servers.mongo_url(folder, port)

    async def start(self) -> None:
        self._child = Child(self._spec, self._folder)
        await self._child.start(60)

    async def kill(self) -> None:
        self._child.send(signal.SIGKILL)
        await self._child.ended()

    async def stop(self) -> None:
        await self._child.stop()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    folder = DataFolder(tmp_path)
    folder.create()
    server = Server(folder, PortBook(tmp_path / "ports.json", {}).claim("mongod"))
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def answered(server: Server, kind: str) -> int:
    """How many of five reads are answered after a thousand callers gave up amid an outage."""
    program = (sys.executable, "-m", "tests.contracts.giving_up", kind, server.url)
    process = await asyncio.create_subprocess_exec(*program, stdin=PIPE, stdout=PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(ENDS_WITHIN_S):
            assert await process.stdout.readline() == b"away\n"
            await server.kill()
            process.stdin.write(b"away\n")
            assert await process.stdout.readline() == b"back\n"
            await server.start()
            process.stdin.write(b"back\n")
            return int(await process.stdout.readline())
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("uncancelled", id="no-cancellation-reaches-the-stock-driver"),
        pytest.param("ours", id="cancellations-reach-our-client"),
    ],
)
async def test_callers_that_give_up_leave_the_client_as_it_was(server: Server, kind: str) -> None:
    assert await answered(server, kind) == 5


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="wait_for makes no task there")
async def test_the_stock_driver_is_blocked_on_python_3_11(server: Server) -> None:
    # the day this fails, `wait_in_the_callers_task` may go
    assert await answered(server, "stock") < 5
