"""Tells those who wait that a transfer has ended: in this process at once, in others by Redis.

The truth is in the books; the bell only says "look now". When Redis is away a short poll finds
the same, later.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Self

from loguru import logger
from redis.asyncio import Redis
from redis.exceptions import RedisError

from payflow.domain.transfers import Transfer

CHANNEL = "payflow:terminal"
POLL_S = 0.1  # while Redis is away
LOOK_AGAIN_S = 1.0  # while Redis is there: a message can still be lost with a connection
RECONNECT_S = 0.5
MAX_PUBLISHING = 100  # messages on their way to Redis; past that waiters poll


class TerminalBell:
    """Rings for ended transfers and lets callers wait for one."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._publishing: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Task[None] | None = None
        self._listening = False

    async def __aenter__(self) -> Self:
        self._listener = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._listener is not None:
            self._listener.cancel()
            with suppress(asyncio.CancelledError):
                await self._listener
        for task in self._publishing:
            task.cancel()

    def ring(self, transfer_ids: Iterable[str]) -> None:
        """Wake who waits for these transfers, here and elsewhere. Never blocks, never raises."""
        ended = list(transfer_ids)
        for transfer_id in ended:
            self._wake(transfer_id)
        if ended and len(self._publishing) < MAX_PUBLISHING:
            task = asyncio.create_task(self._publish(ended))
            self._publishing.add(task)
            task.add_done_callback(self._publishing.discard)

    async def wait(
        self, transfer_id: str, timeout_s: float, read: Callable[[], Awaitable[Transfer]]
    ) -> Transfer:
        """The transfer once ``read`` finds it terminal, or as it stands after ``timeout_s``."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        rung = asyncio.Event()
        self._waiting.setdefault(transfer_id, set()).add(rung)
        try:
            while True:
                transfer = await read()
                remaining = deadline - loop.time()
                if transfer.status.is_terminal or remaining <= 0:
                    return transfer
                pause = LOOK_AGAIN_S if self._listening else POLL_S
                with suppress(TimeoutError):
                    await asyncio.wait_for(rung.wait(), min(pause, remaining))
                rung.clear()
        finally:
            waiters = self._waiting[transfer_id]
            waiters.discard(rung)
            if not waiters:
                del self._waiting[transfer_id]

    def _wake(self, transfer_id: str) -> None:
        for event in self._waiting.get(transfer_id, ()):
            event.set()

    async def _publish(self, transfer_ids: list[str]) -> None:
        with suppress(RedisError, OSError):
            await self._redis.publish(CHANNEL, ",".join(transfer_ids))

    async def _listen(self) -> None:
        while True:
            try:
                async with self._redis.pubsub() as pubsub:
                    await pubsub.subscribe(CHANNEL)
                    self._listening = True
                    async for message in pubsub.listen():
                        if message["type"] == "message":
                            for transfer_id in message["data"].decode().split(","):
                                self._wake(transfer_id)
            except (RedisError, OSError) as error:
                if self._listening:
                    logger.warning("redis is away, waiters poll: {!r}", error)
            self._listening = False
            await asyncio.sleep(RECONNECT_S)
