"""The feed proved: its chain link by link, and against the journal it was made of."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from pymongo import ASCENDING
from pymongo.asynchronous.client_session import AsyncClientSession

from payflow.domain.events import GENESIS, first_broken_link
from payflow.domain.invariants import Finding, Invariant
from payflow.proof.questions import JOURNAL, together, unless
from payflow.proof.sums import Database
from payflow.storage.documents import FeedDocument
from payflow.storage.feed import RELAY
from payflow.storage.feed_writer import WINDOW
from payflow.storage.relay_lease import PLACE

FEED = FeedDocument.Settings.name
READ_AT_ONCE = 1_000  # events, about 2 MB

Fields = Mapping[str, Any]


async def broken_links(database: Database, session: AsyncClientSession) -> AsyncIterator[Finding]:
    """Where the chain breaks first, and whether its end is where the relay stands.

    What follows a broken link is sealed to it, so one finding tells all.
    """
    position, last_hash = 0, GENESIS
    found = database[FEED].find(
        {}, sort=[("_id", ASCENDING)], session=session, batch_size=READ_AT_ONCE
    )
    async for event in found:
        position += 1
        if event["_id"] != position:
            yield _broken(position, f"nothing is at this position; {event['_id']} comes next")
            return
        if first_broken_link([event], last_hash) is not None:
            yield _broken(position, "its hash does not seal it and what is before it")
            return
        last_hash = event["hash"]
    place = await database[RELAY].find_one({"_id": PLACE}, session=session)
    stands = (place["position"], place["hash"]) if place else (0, GENESIS)
    if stands != (position, last_hash):
        yield _broken(position, f"the relay stands at {stands[0]}, the feed ends at {position}")


async def untold_events(database: Database, session: AsyncClientSession) -> AsyncIterator[Finding]:
    """Events the feed tells otherwise than the journal, has lost, or has made up.

    A journaled event without a place is lost when it is older than what the relay still looks
    for; a younger one is on its way.
    """
    place = await database[RELAY].find_one({"_id": PLACE}, session=session) or {}
    lost_before = place["at"] - WINDOW if place.get("at") else None
    # side by side, and not looked up one by one: to look for what was written after the snapshot
    # costs the server a walk over all of it, once for each event that is on its way
    compared = await database[JOURNAL].aggregate(
        [
            {"$project": {"_id": "$event.id", "entry": "$_id", "event": 1, "created_at": 1}},
            {
                "$unionWith": {
                    "coll": FEED,
                    "pipeline": [
                        {"$project": {"_id": "$event_id", "position": "$_id", "told": "$event"}}
                    ],
                }
            },
            together("entry", "event", "created_at", "position", "told"),
            unless({"$and": [{"$eq": ["$event", "$told"]}, {"$ne": ["$entry", None]}]}),
        ],
        session=session,
        allowDiskUse=True,
        batchSize=READ_AT_ONCE,
    )
    async for found in compared:
        event_id, entry = str(found["_id"]), found["entry"]
        if entry is None:
            yield _untold(event_id, f"at position {found['position']}, not in the journal")
        elif found["told"] is not None:
            yield _untold(event_id, f"the feed tells it otherwise than {entry}")
        elif lost_before is not None and found["created_at"] < lost_before:
            yield _untold(event_id, f"{entry} has it, the feed has lost it")


def _broken(position: int, detail: str) -> Finding:
    return Finding(Invariant.FEED_CHAIN_HOLDS, str(position), detail)


def _untold(event_id: str, detail: str) -> Finding:
    return Finding(Invariant.FEED_TELLS_THE_JOURNAL, event_id, detail)
