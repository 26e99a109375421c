"""What a line to Redis that was reset means to who uses it, on the loop that we run on."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import urlsplit

import pytest
import uvloop

from cli.stack import EmbeddedStack
from payflow.domain.limits import Quota
from payflow.settings import Settings
from payflow.storage.quotas import open_quotas
from tests.chaos.fault_proxy import FaultProxy, by_way_of, fault_proxy

QUOTA = Quota.parse("reset-lines", "5/minute")
LOOPS: list[Callable[[], asyncio.AbstractEventLoop]] = [
    asyncio.new_event_loop,
    uvloop.new_event_loop,  # its closed connections raise RuntimeError
]


@pytest.mark.parametrize("loop", LOOPS, ids=["asyncio", "uvloop"])
def test_a_reset_line_to_redis_fails_no_request(
    pair: EmbeddedStack, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    redis = pair.addresses.redis_url
    key = f"reset-{loop.__module__}"

    async def asked(proxy: FaultProxy) -> None:
        url = by_way_of(proxy.port, redis)
        async with open_quotas(Settings(redis_url=url)) as quotas:
            assert (await quotas.take(QUOTA, key)).remaining == 4
            assert proxy.reset() == 1
            await asyncio.sleep(0.05)
            assert (await quotas.take(QUOTA, key)).passed

    _run(loop, lambda: _behind(urlsplit(redis).port or 0, asked))


@pytest.mark.parametrize("loop", LOOPS, ids=["asyncio", "uvloop"])
def test_what_is_left_is_told_though_the_line_breaks_after_the_taking(
    pair: EmbeddedStack, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    redis = pair.addresses.redis_url
    key = f"taken-{loop.__module__}"

    async def asked(proxy: FaultProxy) -> None:
        url = by_way_of(proxy.port, redis)
        async with open_quotas(Settings(redis_url=url)) as quotas:
            assert (await quotas.take(QUOTA, key)).remaining == 4
            taken = await quotas.take_soon(QUOTA, key)
            assert proxy.reset() == 1
            verdict = await taken.verdict
            assert (taken.passed, verdict.passed) == (True, True)
            refused = [await quotas.take_soon(QUOTA, key) for _ in range(5)]
            assert [one.passed for one in refused][-2:] == [False, False]
            assert (await refused[-1].verdict).remaining == 0

    _run(loop, lambda: _behind(urlsplit(redis).port or 0, asked))


async def _behind(port: int, work: Callable[[FaultProxy], Coroutine[Any, Any, None]]) -> None:
    async with fault_proxy(port) as proxy:
        await work(proxy)


def _run(
    loop: Callable[[], asyncio.AbstractEventLoop], work: Callable[[], Coroutine[Any, Any, None]]
) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(work())
