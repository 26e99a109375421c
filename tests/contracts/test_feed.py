"""The contract of ``Feed``: oldest first, from a position on, only what one may see."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from cli.stack import EmbeddedStack
from payflow.domain.event_ports import Feed, FeedEvent
from payflow.storage.feed import MongoFeed
from tests.fakes_feed import InMemoryFeed, event

EVENTS = [
    event(1, "transfer.initiated", ["usr_ALICE"], "trf_1"),
    event(2, "wallet.deposited", ["usr_EVE"]),
    event(3, "transfer.debited", ["usr_ALICE", "usr_BOB"], "trf_1"),
    event(4, "transfer.debited", ["usr_BOB", "usr_EVE"], "trf_2"),
    event(5, "transfer.completed", ["usr_ALICE", "usr_BOB"], "trf_1"),
]


@pytest.fixture
async def feed(kept_by: EmbeddedStack | None) -> AsyncIterator[Feed]:
    if kept_by is None:
        in_memory = InMemoryFeed()
        in_memory.events = list(EVENTS)
        yield in_memory
        return
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(kept_by.addresses.mongo_url)
    async with client:
        kept = client["payflow_feed_contract"]["feed"]
        await kept.delete_many({})
        await kept.insert_many([as_kept(one) for one in EVENTS])
        yield MongoFeed(kept)


@pytest.fixture
async def empty(kept_by: EmbeddedStack | None) -> AsyncIterator[Feed]:
    if kept_by is None:
        yield InMemoryFeed()
        return
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(kept_by.addresses.mongo_url)
    async with client:
        yield MongoFeed(client["payflow_feed_contract"]["nothing"])


def as_kept(one: FeedEvent) -> dict[str, Any]:
    kept: dict[str, Any] = {
        "_id": one.position,
        "event_id": one.id,
        "event": one.body,
        "audience": list(one.audience),
        "previous_hash": "",
        "hash": "",
    }
    return kept | ({"transfer_id": one.transfer_id} if one.transfer_id else {})


def positions(found: Sequence[FeedEvent]) -> list[int]:
    return [one.position for one in found]


async def test_all_there_is_oldest_first(feed: Feed) -> None:
    assert list(await feed.after(0, user_id=None)) == EVENTS
    assert await feed.last_position() == 5


async def test_from_a_position_on_and_no_more_than_asked_for(feed: Feed) -> None:
    assert positions(await feed.after(1, user_id=None, limit=2)) == [2, 3]
    assert positions(await feed.after(5, user_id=None)) == []
    assert positions(await feed.after(9, user_id=None)) == []


async def test_only_what_one_may_see(feed: Feed) -> None:
    assert positions(await feed.after(0, user_id="usr_ALICE")) == [1, 3, 5]
    assert positions(await feed.after(0, user_id="usr_BOB", limit=2)) == [3, 4]
    assert positions(await feed.after(0, user_id="usr_NOBODY")) == []


async def test_only_the_types_and_the_transfer_asked_for(feed: Feed) -> None:
    types = ("transfer.debited", "transfer.completed")
    assert positions(await feed.after(0, user_id=None, types=types)) == [3, 4, 5]
    assert positions(await feed.after(0, user_id="usr_EVE", types=types)) == [4]
    assert positions(await feed.after(1, user_id=None, transfer_id="trf_1")) == [3, 5]


async def test_an_empty_feed_stands_at_nought(empty: Feed) -> None:
    assert await empty.last_position() == 0
    assert list(await empty.after(0, user_id=None)) == []
