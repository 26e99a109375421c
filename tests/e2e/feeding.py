"""The feed as an auditor reads it: every event once, in one order, sealed."""

import asyncio
from collections import defaultdict
from typing import Any

from payflow.domain.invariants import Invariant
from payflow.proof.books import findings_in
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
    rules = (Invariant.FEED_CHAIN_HOLDS, Invariant.FEED_TELLS_THE_JOURNAL)
    assert await findings_in(database, rules) == []
    assert await behind(database) == 0
    feed = await database.feed.find({}, sort=[("_id", 1)]).to_list()
    sequences: defaultdict[str, list[int]] = defaultdict(list)
    for event in feed:
        if "transfer_id" in event:
            sequences[event["transfer_id"]].append(event["event"]["sequence"])
    for transfer_id, numbers in sequences.items():
        assert numbers == list(range(1, len(numbers) + 1)), transfer_id
    return feed
