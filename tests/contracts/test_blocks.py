"""What a user's requests cost of a limit that is taken in blocks, over a real Redis."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import pytest
from ulid import ULID

from cli.stack import EmbeddedStack
from payflow.domain.limits import Quota
from payflow.settings import Environment, Settings
from payflow.storage import quotas
from payflow.storage.quotas import BLOCK_LIVES, RedisQuotas, open_quotas

T = TypeVar("T")


@pytest.fixture
async def counting(
    single: EmbeddedStack, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator["Counting"]:
    settings = Settings(env=Environment.TEST, redis_url=single.addresses.redis_url)
    monkeypatch.setattr(quotas, "RedisQuotas", Counting)
    async with open_quotas(settings) as opened:
        assert isinstance(opened, Counting)
        yield opened


class Counting(RedisQuotas):
    """Knows how often Redis was asked."""

    questions = 0

    async def _asked(self, question: Callable[[], Awaitable[T]]) -> T | None:
        self.questions += 1
        return await super()._asked(question)


async def left(counting: RedisQuotas, quota: Quota, key: str) -> int:
    """What another process would be told."""
    stranger = RedisQuotas(counting._counter.storage)  # type: ignore[arg-type]
    return (await (await stranger.take_cheaply(quota, key)).verdict).remaining


async def test_who_asks_some_at_once_now_and_then_pays_for_little_more(counting: Counting) -> None:
    quota, key = Quota("user", 6_000, 8), str(ULID())
    for _ in range(5):
        taken = await asyncio.gather(*(counting.take_cheaply(quota, key) for _ in range(16)))
        assert all(one.passed for one in taken)
        await asyncio.sleep(1.1 * BLOCK_LIVES * quota.window_s)
    assert 6_000 - 3 * 80 <= await left(counting, quota, key) <= 6_000 - 80


async def test_who_asks_a_lot_costs_redis_little(counting: Counting) -> None:
    quota, key = Quota("user", 6_000, 60), str(ULID())
    for _ in range(600):
        assert (await counting.take_cheaply(quota, key)).passed
    assert counting.questions < 20


async def test_no_more_pass_than_may_and_the_last_ones_do(counting: Counting) -> None:
    quota, key = Quota("user", 500, 3_600), str(ULID())
    passed = [(await counting.take_cheaply(quota, key)).passed for _ in range(520)]
    assert passed == [True] * 500 + [False] * 20
    counting.questions = 0
    for _ in range(20):
        assert not (await counting.take_cheaply(quota, key)).passed
    assert counting.questions == 20  # a refusal is asked for once


async def test_who_asks_often_keeps_what_is_left(
    counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quotas, "MAX_BLOCKS", 2)
    quota, often, once, then = Quota("user", 6_000, 60), str(ULID()), str(ULID()), str(ULID())
    for key in (often, often, often, often, once, often, then):  # blocks of 1, 2 and 4
        await counting.take_cheaply(quota, key)
    counting.questions = 0
    await counting.take_cheaply(quota, often)
    assert counting.questions == 0
