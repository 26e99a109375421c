"""Quotas counted in Redis for all processes, and in this process while Redis is away.

What must be exact is a log of moments (the library's moving window), taken from by one script:
whoever asks at once, no more pass than may. What is asked with every request is a sliding window
counter, taken from in blocks, so that most requests cost Redis nothing.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from limits import RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from limits.aio.strategies import (
    MovingWindowRateLimiter,
    RateLimiter,
    SlidingWindowCounterRateLimiter,
)
from loguru import logger
from redis.asyncio import BlockingConnectionPool

from payflow.domain.limits import Quota, Taken, Verdict
from payflow.settings import Settings
from payflow.storage.local_quotas import LocalQuotas, taken
from payflow.storage.redis_away import REDIS_AWAY

T = TypeVar("T")

ANSWERS_IN_S = 0.25  # it takes 0.3 ms; a quarter of a second is a Redis that hangs
LEFT_ALONE_S = 1.0  # how long one that did not answer is not asked again: nobody waits for it
# A transfer is accepted by then, and its process waits for Temporal with nothing else to do.
ASKED_AFTER_S = 0.01
CONNECTIONS = 32
BLOCKS = 100  # a block is a hundredth of the quota at most: so much may a process hold unspent
# What is unspent after a twentieth of the window is dropped: the window has moved on. Sooner, and
# a slow process would waste it under load.
BLOCK_LIVES = 1 / 20
MAX_BLOCKS = 10_000


@dataclass(slots=True, eq=False)
class _Block:
    """Some of a quota that this process may give out without asking.

    A block that was used up makes the next one twice as large; one that was not makes it as large
    as what was used: who asks now and then pays for little more than that.
    """

    verdict: Verdict | None = None
    size: int = 0
    left: int = 0
    until: float = 0.0
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    def give(self) -> Verdict | None:
        """One of it, while there is some and it lives."""
        if not self.left or time.monotonic() >= self.until:
            return None
        self.left -= 1
        return self.verdict

    def next_size(self, most: int) -> int:
        """How many to ask for now."""
        given = self.size - self.left
        return max(1, min(most, given if self.left else 2 * given))

    def fill(self, size: int, verdict: Verdict) -> None:
        """It holds so many now."""
        self.verdict, self.size, self.left = verdict, size, size
        self.until = time.monotonic() + BLOCK_LIVES * verdict.quota.window_s


class _Soon(Awaitable[Verdict]):
    """Asks once somebody waits for it, or after a while: who goes on meanwhile comes first."""

    def __init__(self, ask: Callable[[], Coroutine[Any, Any, Verdict]]) -> None:
        self._ask = ask
        self._asking: asyncio.Task[Verdict] | None = None
        self._timer = asyncio.get_running_loop().call_later(ASKED_AFTER_S, self._begin)

    def __await__(self) -> Generator[Any, Any, Verdict]:
        """The answer, asked for now at the latest."""
        return self._begin().__await__()

    def _begin(self) -> asyncio.Task[Verdict]:
        if self._asking is None:
            self._timer.cancel()
            self._asking = asyncio.create_task(self._ask())
        return self._asking


class RedisQuotas:
    """The ``Quotas`` port over the library ``limits`` and a Redis."""

    def __init__(self, storage: RedisStorage) -> None:
        self._log = MovingWindowRateLimiter(storage)
        self._counter = SlidingWindowCounterRateLimiter(storage)
        self._local = LocalQuotas()
        self._blocks: OrderedDict[tuple[str, str], _Block] = OrderedDict()
        self._away_until = 0.0

    async def take(self, quota: Quota, key: str) -> Verdict:
        """Take one, exactly counted."""
        return await (await self.take_soon(quota, key)).verdict

    async def take_soon(self, quota: Quota, key: str) -> Taken:
        """Take one, exactly counted; its verdict is under way."""
        passed = await self._asked(lambda: self._log.hit(_item(quota), key))
        if passed is None:
            return taken(self._local.take(quota, key))
        return Taken(passed, _Soon(partial(self._left, quota, key, passed=passed)))

    async def _left(self, quota: Quota, key: str, *, passed: bool) -> Verdict:
        """What is left after one was taken, or refused."""
        verdict = await self._asked(lambda: _verdict(self._log, quota, key, passed=passed))
        if verdict is None:  # it was counted over there, and now here
            count = self._local.take if passed else self._local.look
            return replace(count(quota, key), passed=passed)
        self._local.learn(verdict, key)
        return verdict

    async def take_cheaply(self, quota: Quota, key: str) -> Taken:
        """Take one, counted in blocks."""
        return taken(await self._of_a_block(quota, key))

    async def _of_a_block(self, quota: Quota, key: str) -> Verdict:
        block = self._block((quota.name, key))
        if verdict := block.give():
            return verdict
        async with block.asking:  # once for all who wait
            return block.give() or await self._fill(block, quota, key)

    def _block(self, name: tuple[str, str]) -> _Block:
        block = self._blocks.get(name)
        if block is None:
            block = self._blocks[name] = _Block()
            if len(self._blocks) > MAX_BLOCKS:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(name)
        return block

    async def _fill(self, block: _Block, quota: Quota, key: str) -> Verdict:
        """Take another block, and one of it."""
        size = block.next_size(max(1, quota.amount // BLOCKS))
        verdict = await self._asked(lambda: _take(self._counter, quota, key, size))
        if verdict is None:
            return self._local.take(quota, key)
        if verdict.passed:
            block.fill(size, verdict)
            return block.give() or verdict
        block.size = block.left = 0  # the last few singly, and what is refused asks once
        if size > 1:
            verdict = await self._asked(lambda: _take(self._counter, quota, key, 1)) or verdict
        return verdict

    async def look(self, quota: Quota, key: str) -> Verdict:
        """Whether one could be taken, of what ``take`` takes from."""
        verdict = await self._asked(lambda: _look(self._log, quota, key))
        if verdict is None:
            return self._local.look(quota, key)
        self._local.learn(verdict, key)
        return verdict

    async def forget(self, quota: Quota, key: str) -> None:
        """Give back all that was taken under the key."""
        self._local.forget(quota, key)
        await self._asked(lambda: self._log.clear(_item(quota), key))

    async def _asked(self, question: Callable[[], Awaitable[T]]) -> T | None:
        """Redis's answer; None while it is away."""
        if time.monotonic() < self._away_until:
            return None
        try:
            return await question()
        except REDIS_AWAY as error:
            if time.monotonic() >= self._away_until:
                logger.warning("quotas are counted in this process: {!r}", error)
            self._away_until = time.monotonic() + LEFT_ALONE_S
            return None


@asynccontextmanager
async def open_quotas(settings: Settings) -> AsyncIterator[RedisQuotas]:
    """Quotas over a pool of their own: its connections give up soon."""
    pool = BlockingConnectionPool.from_url(
        settings.redis_url,
        max_connections=CONNECTIONS,
        timeout=ANSWERS_IN_S,
        socket_timeout=ANSWERS_IN_S,
        socket_connect_timeout=ANSWERS_IN_S,
    )
    try:
        yield RedisQuotas(
            RedisStorage(
                "async+redis://",
                implementation="redispy",
                key_prefix=f"{settings.mongo_database}:quota",
                connection_pool=pool,  # type: ignore[arg-type]  # the library says so, and types options as text
            )
        )
    finally:
        await pool.aclose()


async def _take(limiter: RateLimiter, quota: Quota, key: str, amount: int) -> Verdict:
    item = _item(quota)
    passed = await limiter.hit(item, key, cost=amount)
    return await _verdict(limiter, quota, key, passed=passed)


async def _look(limiter: RateLimiter, quota: Quota, key: str) -> Verdict:
    verdict = await _verdict(limiter, quota, key, passed=True)
    return Verdict(quota, verdict.remaining > 0, verdict.remaining, verdict.reset_s)


async def _verdict(limiter: RateLimiter, quota: Quota, key: str, *, passed: bool) -> Verdict:
    stats = await limiter.get_window_stats(_item(quota), key)
    reset_s = max(0.0, stats.reset_time - time.time())
    return Verdict(quota, passed, max(0, stats.remaining), reset_s)


def _item(quota: Quota) -> RateLimitItemPerSecond:
    return RateLimitItemPerSecond(quota.amount, quota.window_s, quota.name)
