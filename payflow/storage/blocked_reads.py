"""Notices that this process's reads hang although MongoDB answers a fresh connection.

A client can be blocked for ever by a fault of its driver or of ours: MongoDB is well, every other
process is well, and this one gets no answer. Only a new process helps. It says so first
(readiness, metrics, ``payflow doctor``), then it is ended and started again.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from loguru import logger

from payflow.storage.transactions import Client
from payflow.storage.uncancelled import Calls

READ_EVERY_S = 5.0
READ_WITHIN_S = 5.0  # a read takes milliseconds, and a second on a machine that is very busy
# Reads are counted, not seconds: a process that was stopped for a minute has missed one read.
BLOCKED_AFTER = 3  # reads without an answer, one after the other: 15 s
ENDED_AFTER = 6  # 30 s: the other 15 s are for those who read metrics and readiness


class BlockedReads:
    """Reads through the client of this process, and through a fresh one when that hangs."""

    def __init__(self, client: Client, open_another: Callable[[], Client]) -> None:
        self._client = client
        self._open_another = open_another
        self._calls = Calls()  # its own: those of a blocked client's callers may be too many
        self._missed = 0

    @property
    def are_blocked(self) -> bool:
        """Whether several reads had no answer while a fresh connection had one."""
        return self._missed >= BLOCKED_AFTER

    async def watch(self, end: Callable[[], None]) -> None:
        """Read every ``READ_EVERY_S`` until cancelled; ``end`` ends a process that is blocked."""
        while True:
            begun = time.monotonic()
            await self.check()
            if self._missed >= ENDED_AFTER:
                end()
            await asyncio.sleep(max(0.0, READ_EVERY_S - (time.monotonic() - begun)))

    async def check(self) -> None:
        """Read once, and count a read that only a fresh connection answers."""
        if await self._is_answered(_ping(self._client)) or not await self._is_answered(
            self._ping_afresh()
        ):
            self._missed = 0  # all is well, or MongoDB is away: that is not this client's fault
            return
        self._missed += 1
        if self._missed == BLOCKED_AFTER:
            logger.error(
                "reads from MongoDB hang, and a fresh connection answers: this process is blocked"
            )

    async def _ping_afresh(self) -> None:
        async with self._open_another() as another:
            await _ping(another)

    async def _is_answered(self, read: Coroutine[Any, Any, None]) -> bool:
        try:
            async with asyncio.timeout(READ_WITHIN_S):
                await self._calls.run(read)
        except Exception:  # whatever the driver raises, there was no answer
            return False
        return True


async def _ping(client: Client) -> None:
    await client.admin.command("ping")
