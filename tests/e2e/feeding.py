"""The feed as an auditor reads it: every event once, in one order, sealed."""

import asyncio
from collections import Counter, defaultdict
from typing import Any

from payflow.domain.events import GENESIS, first_broken_link
from tests.e2e.auditing import Database


async def caught_up(database: Database, within_s: float = 30) -> None:
    """Return when every journaled event has a place."""
    async with asyncio.timeout(within_s):
        while await behind(database):
            await asyncio.sleep(0.1)


async def behind(database: Database) -> int:
    """How many journaled events have no place yet."""
    journaled = await database.journal.count_documents({})
    return journaled - int(await database.feed.count_documents({}))


async def check_the_feed(database: Database) -> list[dict[str, Any]]:
    """Hold the whole feed against the whole journal; return it."""
    async with database.client.start_session(snapshot=True) as session:
        journal = await database.journal.find({}, session=session).to_list()
        feed = await database.feed.find({}, sort=[("_id", 1)], session=session).to_list()
        place = await database.relay.find_one({"_id": "place"}, session=session)
    assert [event["_id"] for event in feed] == list(range(1, len(feed) + 1))
    assert first_broken_link(feed, GENESIS) is None
    assert place
    assert (place["position"], place["hash"]) == (len(feed), feed[-1]["hash"] if feed else GENESIS)
    expected = Counter(entry["event"]["id"] for entry in journal)
    assert Counter(event["event_id"] for event in feed) == expected
    bodies = {entry["event"]["id"]: entry["event"] for entry in journal}
    sequences: defaultdict[str, list[int]] = defaultdict(list)
    for event in feed:
        assert event["event"] == bodies[event["event_id"]]
        if "transfer_id" in event:
            sequences[event["transfer_id"]].append(event["event"]["sequence"])
    for transfer_id, numbers in sequences.items():
        assert numbers == list(range(1, len(numbers) + 1)), transfer_id
    return feed
