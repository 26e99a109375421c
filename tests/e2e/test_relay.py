"""Every journaled event gets one place in one order, whatever happens to relays and servers."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis

from cli.apps import Layout
from cli.stack import EmbeddedStack
from tests.conftest import stack_in
from tests.e2e.auditing import Database
from tests.e2e.bank import Bank, Person
from tests.e2e.feeding import behind, caught_up, check_the_feed
from tests.e2e.test_outages import without

PAYERS = 8


@pytest.fixture(scope="module")
async def relayed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedStack]:
    """One API, one worker and two relays, one of which is active."""
    layout = Layout(apis=1, workers=1, relays=2)
    async with stack_in(tmp_path_factory.mktemp("relayed"), layout) as stack:
        yield stack


@pytest.fixture
async def stack(relayed: EmbeddedStack) -> EmbeddedStack:
    return relayed


@asynccontextmanager
async def payments(bank: Bank) -> AsyncIterator[list[str]]:
    """People who pay each other, one payment after the other, for as long as asked."""
    people = [await bank.funded(1_000) for _ in range(PAYERS)]
    accepted: list[str] = []
    enough = asyncio.Event()

    async def pay(payer: Person, payee: Person) -> None:
        while not enough.is_set():
            accepted.append((await bank.send(payer, payee, 1, wait_s=10))["id"])

    pairs = zip(people, [*people[1:], people[0]], strict=True)
    paying = [asyncio.create_task(pay(payer, payee)) for payer, payee in pairs]
    try:
        yield accepted
    finally:
        enough.set()
        await asyncio.gather(*paying)


async def more(counted: list[str], by: int) -> None:
    """Return when so many more payments were made."""
    goal = len(counted) + by
    async with asyncio.timeout(60):
        while len(counted) < goal:
            await asyncio.sleep(0.02)


async def active_relay(stack: EmbeddedStack, database: Database) -> str:
    """The name of the child that holds the lease."""
    async with asyncio.timeout(30):
        while True:
            lease = await database.relay.find_one({"_id": "lease"}) or {}
            pid = str(lease.get("holder")).rpartition(":")[2]
            for name in ("relay", "relay-2"):
                if str(stack.pid(name)) == pid:
                    return name
            await asyncio.sleep(0.1)


async def epoch_of(database: Database) -> int:
    lease = await database.relay.find_one({"_id": "lease"})
    assert lease
    return int(lease["epoch"])


async def taken_over(database: Database, epoch: int) -> None:
    """Return when another epoch has begun and its relay has written something."""
    async with asyncio.timeout(30):
        while await epoch_of(database) == epoch:
            await asyncio.sleep(0.05)
        place = await database.relay.find_one({"_id": "place"}) or {}
        began_at = place["position"]
        while (await database.relay.find_one({"_id": "place"}) or {})["position"] == began_at:
            await asyncio.sleep(0.05)


async def test_two_relays_write_one_order(bank: Bank, database: Database) -> None:
    async with payments(bank) as accepted:
        await more(accepted, 60)
    await caught_up(database)
    feed = await check_the_feed(database)
    ended = {e["transfer_id"] for e in feed if e["event"]["type"] == "transfer.completed"}
    assert set(accepted) <= ended


@pytest.mark.chaos
async def test_a_relay_killed_under_load_is_replaced_and_nothing_is_missing(
    bank: Bank, stack: EmbeddedStack, database: Database
) -> None:
    async with payments(bank) as accepted:
        await more(accepted, 10)
        epoch = await epoch_of(database)
        name = await active_relay(stack, database)
        async with asyncio.timeout(30):
            while not (unplaced := await behind(database)):
                await asyncio.sleep(0)
        pid = stack.kill(name)
        assert unplaced  # it was killed before it had caught up
        await taken_over(database, epoch)
        await stack.wait_restarted(name, pid)
        await more(accepted, 10)
    await caught_up(database)
    await check_the_feed(database)


@pytest.mark.chaos
async def test_a_relay_that_sleeps_while_another_takes_over_writes_no_second_order(
    bank: Bank, stack: EmbeddedStack, database: Database
) -> None:
    async with payments(bank) as accepted:
        await more(accepted, 10)
        epoch = await epoch_of(database)
        sleeper = stack.pid(await active_relay(stack, database))
        os.kill(sleeper, signal.SIGSTOP)
        try:
            await taken_over(database, epoch)
            await more(accepted, 10)
        finally:
            os.kill(sleeper, signal.SIGCONT)
        await more(accepted, 20)
        assert await epoch_of(database) == epoch + 1  # the sleeper stood back
        second = stack.pid(await active_relay(stack, database))
        assert second != sleeper
        os.kill(second, signal.SIGSTOP)
        try:
            await taken_over(database, epoch + 1)  # and stands again
            assert stack.pid(await active_relay(stack, database)) == sleeper
            await more(accepted, 10)
        finally:
            os.kill(second, signal.SIGCONT)
    await caught_up(database)
    await check_the_feed(database)


@pytest.mark.chaos
@pytest.mark.parametrize("token", [None, {"_data": "82FFFFFFFF00"}, "none of ours"])
async def test_a_lost_place_in_the_stream_loses_no_event(
    bank: Bank, stack: EmbeddedStack, database: Database, token: object
) -> None:
    await caught_up(database)
    for name in ("relay", "relay-2"):
        await stack.take_down(name)
    async with payments(bank) as accepted:
        await more(accepted, 10)
    assert await behind(database)
    spoilt = await database.relay.update_one({"_id": "place"}, {"$set": {"token": token}})
    assert spoilt.modified_count == 1
    for name in ("relay", "relay-2"):
        await stack.bring_up(name)
    await caught_up(database)
    await check_the_feed(database)


@pytest.mark.chaos
async def test_a_feed_that_was_lost_takes_the_whole_journal(
    bank: Bank, stack: EmbeddedStack, database: Database
) -> None:
    for name in ("relay", "relay-2"):
        await stack.take_down(name)
    async with payments(bank) as accepted:
        await more(accepted, 5)
    await database.feed.delete_many({})
    await database.relay.delete_many({})
    for name in ("relay", "relay-2"):
        await stack.bring_up(name)
    await caught_up(database)
    feed = await check_the_feed(database)
    transfers = {t["_id"]: t for t in await database.transfers.find({}).to_list()}
    for event in feed:
        if "transfer_id" not in event:
            assert event["audience"] == [event["event"]["data"]["owner_id"]]
            continue
        transfer = transfers[event["transfer_id"]]
        told = [transfer["payer_id"]]
        if event["event"]["type"] != "transfer.initiated":
            told = transfer["party_ids"]
        assert event["audience"] == told


@pytest.mark.chaos
async def test_without_mongodb_the_relay_waits_and_goes_on(
    bank: Bank, stack: EmbeddedStack, database: Database
) -> None:
    async with payments(bank) as accepted:
        await more(accepted, 5)
        async with without(stack, "mongod"):
            pass
        await more(accepted, 10)
    await caught_up(database)
    await check_the_feed(database)


@pytest.mark.chaos
async def test_without_redis_the_feed_goes_on_and_the_stream_is_filled_up_later(
    bank: Bank, stack: EmbeddedStack, database: Database
) -> None:
    async with payments(bank) as accepted:
        await more(accepted, 5)
        async with without(stack, "redis"):
            await more(accepted, 10)
            await caught_up_with(database, accepted)
        await more(accepted, 5)
    await caught_up(database)
    feed = await check_the_feed(database)
    async with Redis.from_url(stack.addresses.redis_url) as redis:
        async with asyncio.timeout(30):
            while True:
                entries: Any = await redis.xrange("payflow:events")
                positions = [int(entry_id.partition(b"-")[0]) for entry_id, _ in entries]
                if positions and positions[-1] == len(feed):
                    break
                await asyncio.sleep(0.1)
    # redis keeps nothing on disk: it came back empty, and has every event again
    assert positions == list(range(1, len(feed) + 1))


async def caught_up_with(database: Database, transfer_ids: list[str]) -> None:
    """Return when the feed has the end of each of these transfers."""
    wanted = {"transfer_id": {"$in": list(transfer_ids)}, "event.type": "transfer.completed"}
    count = len(transfer_ids)
    async with asyncio.timeout(30):
        while await database.feed.count_documents(wanted) < count:
            await asyncio.sleep(0.1)


@pytest.mark.chaos
async def test_a_relay_that_is_stopped_lets_another_take_over_at_once(
    stack: EmbeddedStack, database: Database
) -> None:
    name = await active_relay(stack, database)
    epoch = await epoch_of(database)
    await stack.take_down(name)
    lease = await database.relay.find_one({"_id": "lease"})
    assert lease
    # released by the one that stopped, or taken by the other already
    assert lease["holder"] is None or lease["epoch"] == epoch + 1
    await stack.bring_up(name)
