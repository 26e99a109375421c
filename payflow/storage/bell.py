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

from payflow.domain.transfers import Transfer
from payflow.storage.redis_away import REDIS_AWAY

CHANNEL = "payflow:terminal"
LOOK_FIRST_S = 0.1  # what was under way may have ended before we waited
POLL_S = 0.1  # while Redis is away
LOOK_AGAIN_S = 1.0  # while Redis is there: a message can still be lost with a connection
CANCEL_AGAIN_S = 0.5
RECONNECT_S = 0.5
MAX_PUBLISHING = 100  # messages on their way to Redis; past that waiters poll
# Who waited was here: that somebody waits elsewhere as well is rare, and the message would be
# written while the next request is served.
PUBLISH_LATER_S = 0.01


class _Waiter:
    """One caller that waits; who rings in this process hands the transfer over."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._ended: Transfer | None = None

    def wake(self, ended: Transfer | None) -> None:
        self._ended = ended or self._ended
        self._event.set()

    async def rung(self, within_s: float) -> Transfer | None:
        """The ended transfer, or None when the books must be asked (or nobody rang)."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._event.wait()
        self._event.clear()
        return self._ended


class TerminalBell:
    """Rings for ended transfers and lets callers wait for one."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting: dict[str, set[_Waiter]] = {}
        self._publishing: set[asyncio.Task[None]] = set()
        self._later: list[str] = []
        self._timer: asyncio.TimerHandle | None = None
        self._listener: asyncio.Task[None] | None = None
        self._listening = False

    async def __aenter__(self) -> Self:
        self._listener = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        while self._listener is not None and not self._listener.done():
            self._listener.cancel()  # again: a client's clean-up can take the word for itself
            await asyncio.wait({self._listener}, timeout=CANCEL_AGAIN_S)
        if self._timer is not None:
            self._timer.cancel()
        for task in self._publishing:
            task.cancel()

    def ring(self, ended: Iterable[Transfer]) -> None:
        """Wake who waits for these transfers, here and elsewhere. Never blocks, never raises."""
        at_once = []
        for transfer in ended:
            waiters = self._waiting.get(transfer.id, ())
            for waiter in waiters:
                waiter.wake(transfer)
            if waiters:
                self._tell_later(transfer.id)
            else:
                at_once.append(transfer.id)
        self._tell(at_once)

    def _tell_later(self, transfer_id: str) -> None:
        if not self._later:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(PUBLISH_LATER_S, self._tell_the_rest)
        self._later.append(transfer_id)

    def _tell_the_rest(self) -> None:
        self._tell(self._later)
        self._later = []

    def _tell(self, transfer_ids: list[str]) -> None:
        if transfer_ids and len(self._publishing) < MAX_PUBLISHING:
            task = asyncio.create_task(self._publish(transfer_ids))
            self._publishing.add(task)
            task.add_done_callback(self._publishing.discard)

    async def wait(
        self,
        transfer_id: str,
        timeout_s: float,
        read: Callable[[], Awaitable[Transfer]],
        once: Awaitable[None] | None = None,
        given_up: Callable[[], bool] = lambda: False,
    ) -> Transfer:
        """The transfer once it is terminal, or as ``read`` finds it after ``timeout_s``.

        ``once`` is what sets it off: with it the first look need not be an early one.
        ``given_up`` is asked at each look; nothing is cancelled, for the driver's sake.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        waiter = _Waiter()
        self._waiting.setdefault(transfer_id, set()).add(waiter)
        try:
            pause = LOOK_FIRST_S
            if once is not None:
                await once
                pause = self._patience_s
            while True:
                if ended := await waiter.rung(min(pause, deadline - loop.time())):
                    return ended
                transfer = await read()
                if transfer.status.is_terminal or given_up() or loop.time() >= deadline:
                    return transfer
                pause = self._patience_s
        finally:
            waiters = self._waiting[transfer_id]
            waiters.discard(waiter)
            if not waiters:
                del self._waiting[transfer_id]

    @property
    def _patience_s(self) -> float:
        return LOOK_AGAIN_S if self._listening else POLL_S

    async def _publish(self, transfer_ids: list[str]) -> None:
        with suppress(*REDIS_AWAY):
            await self._redis.publish(CHANNEL, ",".join(transfer_ids))

    async def _listen(self) -> None:
        while True:
            try:
                async with self._redis.pubsub() as pubsub:
                    await pubsub.subscribe(CHANNEL)
                    self._listening = True
                    async for message in pubsub.listen():
                        if message["type"] == "message":
                            ids = message["data"].decode(errors="replace")
                            self._look(ids.split(","))
            except REDIS_AWAY as error:
                if self._listening:
                    logger.warning("redis is away, waiters poll: {!r}", error)
            self._listening = False
            await asyncio.sleep(RECONNECT_S)

    def _look(self, transfer_ids: Iterable[str]) -> None:
        for transfer_id in transfer_ids:
            for waiter in self._waiting.get(transfer_id, ()):
                waiter.wake(None)
