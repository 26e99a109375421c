"""Quotas counted in Redis for all processes, and in this process while Redis is away.

What must be exact is a log of moments (the library's moving window), taken from by one script:
whoever asks at once, no more pass than may. What is asked with every request is a sliding window
counter, taken from in blocks, so that most requests cost Redis nothing.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

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
CONNECTIONS = 32
BLOCKS = 100  # a block is a hundredth of the quota: so much may a process hold unspent
# What is unspent after a twentieth of the window is dropped: the window has moved on. Sooner, and
# who asks now and then would pay for whole blocks; a slow process would waste them under load.
BLOCK_LIVES = 1 / 20
MAX_BLOCKS = 10_000


@dataclass(slots=True)
class _Block:
    """Some of a quota that this process may give out without asking."""

    left: int
    until: float
    verdict: Verdict


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
        return Taken(passed, asyncio.ensure_future(self._left(quota, key, passed=passed)))

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
        name = (quota.name, key)
        block = self._blocks.get(name)
        if block is not None and block.left and time.monotonic() < block.until:
            block.left -= 1
            return block.verdict
        size = max(1, quota.amount // BLOCKS)
        verdict = await self._asked(lambda: _take(self._counter, quota, key, size))
        if verdict is None:
            return self._local.take(quota, key)
        if verdict.passed:
            self._keep(name, size - 1, verdict)
        elif size > 1:  # the last few singly
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

    def _keep(self, name: tuple[str, str], left: int, verdict: Verdict) -> None:
        """Keep a block, beside what another request fetched while this one's was on its way."""
        now = time.monotonic()
        other = self._blocks.get(name)
        if other is not None and now < other.until:
            left += other.left
        self._blocks[name] = _Block(left, now + BLOCK_LIVES * verdict.quota.window_s, verdict)
        self._blocks.move_to_end(name)
        if len(self._blocks) > MAX_BLOCKS:
            self._blocks.popitem(last=False)


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
