"""The relay's parts over a real MongoDB and Redis: lease, epoch, hand-over, and odd documents."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from pymongo import WriteConcern

from cli.stack import EmbeddedStack
from payflow.domain.event_ports import Deliveries, FeedEvent
from payflow.domain.identifiers import Prefix
from payflow.domain.representation import rfc3339
from payflow.settings import Environment, Settings
from payflow.storage.connection import open_client
from payflow.storage.factory import Storage, open_storage
from payflow.storage.feed import FeedCollections
from payflow.storage.feed_writer import FeedWriter, PlaceMoved, Superseded
from payflow.storage.identity import SystemClock, new_id
from payflow.storage.journal_gaps import JournalGaps
from payflow.storage.journal_tail import Batch, JournalTail, StreamRefused, tail_of
from payflow.storage.relay_lease import DEAD_AFTER_S, RelayLease
from payflow.storage.relay_storage import RelayStorage
from payflow.storage.transactions import Client
from tests.e2e.auditing import Database
from tests.e2e.feeding import caught_up, check_the_feed
from workers.relay import Relay

Fields = dict[str, Any]


@dataclass
class Bench:
    """A database of a test's own, with the storage over it."""

    storage: Storage
    client: Client
    database: Database

    @property
    def collections(self) -> FeedCollections:
        return FeedCollections.of(self.client, self.database.name)

    @asynccontextmanager
    async def relaying(
        self, deliveries: Deliveries | None = None, storage: RelayStorage | None = None
    ) -> AsyncIterator[None]:
        relay = Relay(storage or self.storage.relay, self.storage.feed, deliveries)
        running = asyncio.create_task(relay.run())
        try:
            yield
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running


@pytest.fixture
async def bench(single: EmbeddedStack) -> AsyncIterator[Bench]:
    settings = Settings(
        env=Environment.TEST,
        mongo_url=single.addresses.mongo_url,
        redis_url=single.addresses.redis_url,
        mongo_database=f"relay_{new_id(Prefix.EVENT)}",
    )
    async with open_client(settings) as client, open_storage(settings) as storage:
        yield Bench(storage, client, client[settings.mongo_database])
        await client.drop_database(settings.mongo_database)


def mark(number: int, **more: Any) -> Fields:
    """A journal mark as the webhooks write it."""
    event_id = new_id(Prefix.EVENT)
    return {
        "_id": f"whe_{number}:test:{event_id}",
        "leg": "test",
        "currency": "USD",
        "postings": [],
        "entry_id": new_id(Prefix.ENTRY),
        "event": {
            "id": event_id,
            "type": "endpoint.test",
            "sequence": 1,
            "created_at": rfc3339(SystemClock().now()),
            "data": {"n": number},
        },
        "audience": ["usr_OWNER"],
        "endpoint_id": f"whe_{number}",
        "created_at": SystemClock().now(),
        **more,
    }


@dataclass
class Recording:
    """``Deliveries`` that note what they are given, and may die of it."""

    dies_after: int = -1
    given: list[FeedEvent] = field(default_factory=list)
    died: asyncio.Event = field(default_factory=asyncio.Event)

    async def schedule(self, events: Sequence[FeedEvent]) -> None:
        self.given += events
        if 0 <= self.dies_after < len(self.given):
            self.died.set()
            await asyncio.Event().wait()  # it is on record, and nobody ever hears so

    async def got(self, count: int) -> list[FeedEvent]:
        async with asyncio.timeout(30):
            while len(self.given) < count:
                await asyncio.sleep(0.02)
        return self.given


async def test_events_are_handed_over_in_order_with_all_they_carry(bench: Bench) -> None:
    deliveries = Recording()
    async with bench.relaying(deliveries):
        for number in range(5):
            await bench.database.journal.insert_one(mark(number, traceparent=f"00-{number}"))
        given = await deliveries.got(5)
    assert [one.position for one in given] == [1, 2, 3, 4, 5]
    assert [one.endpoint_id for one in given] == [f"whe_{number}" for number in range(5)]
    assert [one.traceparent for one in given] == [f"00-{number}" for number in range(5)]
    assert {one.audience for one in given} == {("usr_OWNER",)}
    assert list(await bench.storage.feed.after(0, user_id="usr_OWNER")) == given
    await check_the_feed(bench.database)


async def test_who_dies_between_feed_and_deliveries_hands_over_again(bench: Bench) -> None:
    mortal, heir = Recording(dies_after=3), Recording()
    async with bench.relaying(mortal):
        await bench.database.journal.insert_many([mark(number) for number in range(3)])
        await mortal.got(3)
        await handed_over(bench, 3)
        await bench.database.journal.insert_many([mark(number) for number in range(3, 6)])
        await mortal.died.wait()
    await caught_up(bench.database)
    async with bench.relaying(heir):
        given = await heir.got(3)
        await handed_over(bench, 6)
    # what was on record already is handed over once more, and nothing from before the cursor
    assert [one.position for one in given] == [4, 5, 6]


async def handed_over(bench: Bench, position: int) -> None:
    """Return when the cursor stands there."""
    async with asyncio.timeout(30):
        while await bench.storage.relay.handed_over.position() != position:
            await asyncio.sleep(0.02)


async def test_deliveries_that_fail_hold_up_neither_feed_nor_bus(bench: Bench) -> None:
    class Failing:
        async def schedule(self, events: Sequence[FeedEvent]) -> None:
            raise RuntimeError("no deliveries today")

    async with bench.relaying(Failing()):
        await bench.database.journal.insert_many([mark(number) for number in range(3)])
        await caught_up(bench.database)
        async with asyncio.timeout(30):
            while await bench.storage.relay.bus.start(bench.storage.feed) < 3:
                await asyncio.sleep(0.05)
    assert await bench.storage.relay.handed_over.position() == 0


async def test_a_late_commit_of_an_old_document_gets_its_place(bench: Bench) -> None:
    old = mark(0, created_at=SystemClock().now() - timedelta(hours=2))
    async with bench.relaying():
        async with bench.client.start_session() as session:
            await session.start_transaction()
            await bench.database.journal.insert_one(old, session=session)
            await bench.database.journal.insert_many([mark(number) for number in range(1, 4)])
            await caught_up(bench.database)
            await session.commit_transaction()
        await caught_up(bench.database)
    feed = await check_the_feed(bench.database)
    assert [one["event"]["data"]["n"] for one in feed] == [1, 2, 3, 0]


async def test_what_no_majority_has_yet_is_in_the_comparison_or_in_the_stream(
    bench: Bench,
) -> None:
    gaps = JournalGaps(bench.collections)
    at_once = bench.database.journal.with_options(write_concern=WriteConcern(w=1, j=False))
    for number in range(20):
        one = mark(number)
        await at_once.insert_one(one)
        async with tail_of(bench.collections.journal, None) as tail:
            compared = [chunk async for chunk in gaps.missing(None, tail.session)]
            found = {fields["_id"] for chunk in compared for fields in chunk}
            if one["_id"] not in found:
                found |= {fields["_id"] for fields in (await tail.batch()).documents}
        assert one["_id"] in found


async def test_a_spoilt_document_holds_up_nobody(bench: Bench) -> None:
    async with bench.relaying():
        await bench.database.journal.insert_one({"_id": "spoilt", "event": "nothing"})
        await bench.database.journal.insert_one(mark(1))
        async with asyncio.timeout(30):
            while not await bench.storage.feed.last_position():
                await asyncio.sleep(0.02)
    (placed,) = await bench.storage.feed.after(0, user_id=None)
    assert placed.body["data"]["n"] == 1


class _Refused(AbstractAsyncContextManager[JournalTail]):
    async def __aenter__(self) -> JournalTail:
        raise StreamRefused("not supported")

    async def __aexit__(self, *_: object) -> None:
        return None


class Streamless(RelayStorage):
    """A MongoDB that gives no change streams."""

    def tail(self, token: Fields | None) -> AbstractAsyncContextManager[JournalTail]:
        return _Refused()


async def test_without_change_streams_the_journal_is_polled(bench: Bench) -> None:
    streamless = Streamless(bench.collections, bench.storage.relay.bus)
    async with bench.relaying(storage=streamless):
        for number in range(3):
            await bench.database.journal.insert_many([mark(number), mark(number)])
            await caught_up(bench.database)
    await check_the_feed(bench.database)
    async with bench.relaying():  # and a stream goes on where the polling stood
        await bench.database.journal.insert_one(mark(9))
        await caught_up(bench.database)
    await check_the_feed(bench.database)


async def test_only_who_stands_still_is_superseded_and_writes_nothing_any_more(
    bench: Bench,
) -> None:
    now = 0.0
    first = RelayLease(bench.collections, "first", lambda: now)
    second = RelayLease(bench.collections, "second", lambda: now)
    epoch = await first.campaign()
    assert epoch is not None
    sleeper = await FeedWriter.of(bench.collections, epoch)
    assert await second.campaign() is None
    for _ in range(3):  # it beats, so it lives, however long it has led
        now += DEAD_AFTER_S + 1
        assert await first.beat(epoch)
        assert await second.campaign() is None
    now += DEAD_AFTER_S + 1
    assert await second.campaign() == epoch + 1
    assert not await first.beat(epoch)
    batch = Batch([mark(1)], {"_data": "any"})
    with pytest.raises(PlaceMoved):
        await sleeper.append(batch)
    with pytest.raises(Superseded):
        await FeedWriter.of(bench.collections, epoch)
    await first.release(epoch)  # of an epoch that is over: nothing
    assert await first.campaign() is None
    assert await bench.storage.feed.last_position() == 0


async def test_a_sleeper_inside_a_transaction_is_superseded_all_the_same(bench: Bench) -> None:
    now = 0.0
    first = RelayLease(bench.collections, "first", lambda: now)
    second = RelayLease(bench.collections, "second", lambda: now)
    epoch = await first.campaign()
    async with bench.client.start_session() as session:
        await session.start_transaction()
        place = bench.database.relay
        await place.update_one({"_id": "place"}, {"$set": {"position": 1}}, session=session)
        assert await second.campaign() is None
        now += DEAD_AFTER_S + 1
        async with asyncio.timeout(30):
            while await second.campaign() is None:
                await asyncio.sleep(0.5)
        with pytest.raises(Exception, match=r"(?i)transaction|session"):
            await session.commit_transaction()
    writer = await FeedWriter.of(bench.collections, (epoch or 0) + 1)
    assert writer.place.position == 0
