"""A command is written and read by the task that asks, which hears at once when to give up."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.asynchronous.pool import Pool
from pymongo.errors import AutoReconnect, DocumentTooLarge, NetworkTimeout

from cli.stack import EmbeddedStack
from payflow.settings import Settings
from payflow.storage.connection import open_client
from payflow.storage.transactions import Client
from tests.webhooks.post import settings_for

SOON_S = 5.0  # far less than a held command takes
HELD_MS = 30_000
LARGEST = 16 * 1024 * 1024


@pytest.fixture
def settings(pair: EmbeddedStack) -> Settings:
    return settings_for(pair)


@pytest.fixture
async def ours(settings: Settings) -> AsyncIterator[Client]:
    async with open_client(settings) as client:
        await client.admin.command("ping")
        yield client


def hold(client: Client) -> asyncio.Task[dict[str, Any]]:
    """A command that the server answers when something changes at it, or after half a minute."""

    async def held() -> dict[str, Any]:
        hello = await client.admin.command("hello")
        return await client.admin.command(
            "hello", topologyVersion=hello["topologyVersion"], maxAwaitTimeMS=HELD_MS
        )

    return asyncio.create_task(held())


def pool_of(client: Client) -> Pool:
    (server,) = client._topology._servers.values()
    return server.pool


async def tasks_of(work: Coroutine[Any, Any, object]) -> int:
    """How many tasks were made while it ran."""
    loop, made = asyncio.get_running_loop(), []

    def count(loop: asyncio.AbstractEventLoop, coro: Any, **how: Any) -> asyncio.Task[Any]:
        made.append(coro)
        return asyncio.Task(coro, loop=loop, **how)

    loop.set_task_factory(count)
    try:
        await work
    finally:
        loop.set_task_factory(None)
    return len(made)


async def test_a_command_makes_no_task(ours: Client, settings: Settings) -> None:
    stock: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(settings.mongo_url)
    async with stock:
        await stock.admin.command("ping")

        assert await tasks_of(ours.admin.command("ping")) == 0
        # the day this is 0, our way of passing messages may go
        assert await tasks_of(stock.admin.command("ping")) > 0


async def test_who_waits_for_an_answer_hears_that_it_was_interrupted(ours: Client) -> None:
    held = hold(ours)
    await asyncio.sleep(0.2)
    await pool_of(ours).reset(interrupt_connections=False)
    await asyncio.sleep(0.2)
    assert not held.done()

    await pool_of(ours).reset(interrupt_connections=True)
    with pytest.raises(AutoReconnect):
        await asyncio.wait_for(held, SOON_S)
    await pool_of(ours).ready()
    assert (await ours.admin.command("ping"))["ok"]


async def test_an_answer_that_takes_too_long_is_not_waited_for(settings: Settings) -> None:
    async with open_client(settings, longest_answer_s=0.3) as hasty:
        with pytest.raises(NetworkTimeout):
            await asyncio.wait_for(hold(hasty), SOON_S)
        assert (await hasty.admin.command("ping"))["ok"]


async def test_who_left_leaves_no_answer_to_the_next(ours: Client) -> None:
    held = hold(ours)
    await asyncio.sleep(0.2)
    held.cancel()
    with pytest.raises(asyncio.CancelledError):
        await held

    found = await asyncio.gather(*(ours.admin.command("ping") for _ in range(20)))
    assert all("topologyVersion" not in one for one in found)  # a pong, not the hello of before


async def test_what_is_too_large_is_refused_and_what_is_not_passes(ours: Client) -> None:
    kept = ours["payflow_direct_contract"]["sizes"]
    await kept.insert_one({"_id": "fits", "text": "x" * (LARGEST - 100)})
    with pytest.raises(DocumentTooLarge):
        await kept.insert_one({"_id": "too large", "text": "x" * (LARGEST + 32_768)})
    assert await kept.distinct("_id") == ["fits"]
    await kept.drop()
