"""The feed over MongoDB: events by position, for those who may see them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from pymongo import ASCENDING, DESCENDING

from payflow.domain.event_ports import FeedEvent
from payflow.storage.documents import FeedDocument, JournalDocument
from payflow.storage.reading import Fields, read_from, readable
from payflow.storage.transactions import Client, Collection, translated
from payflow.storage.user_keys import sent_event

FEED = FeedDocument.Settings.name
RELAY = "relay"  # the lease, and how far the relay and those it hands to have come


@dataclass(frozen=True, slots=True)
class FeedCollections:
    """What the relay reads and writes, and the client whose sessions write it together."""

    client: Client
    feed: Collection
    journal: Collection
    relay: Collection

    @classmethod
    def of(cls, client: Client, database: str) -> Self:
        """The collections of one database."""
        kept = client[database]
        return cls(
            client=client,
            feed=kept[FeedDocument.Settings.name],
            journal=kept[JournalDocument.Settings.name],
            relay=kept[RELAY],
        )


class MongoFeed:
    """The ``Feed`` port."""

    def __init__(self, feed: Collection) -> None:
        self._feed = feed

    async def after(
        self,
        position: int,
        *,
        user_id: str | None,
        types: Sequence[str] = (),
        transfer_id: str | None = None,
        limit: int = 100,
    ) -> Sequence[FeedEvent]:
        """The next events after ``position``, oldest first; what cannot be read is passed over."""
        events: list[FeedEvent] = []
        while True:
            query = events_wanted(position, user_id, types, transfer_id)
            missing = limit - len(events)
            found = self._feed.find(query, sort=[("_id", ASCENDING)], limit=missing)
            with translated():
                documents = await found.to_list()
            events += readable(to_feed_event, documents)
            if len(documents) < missing or len(events) == limit:
                return events
            position = int(documents[-1]["_id"])

    async def last_position(self) -> int:
        """The position of the newest event; 0 while there is none."""
        with translated():
            newest = await self._feed.find_one({}, {"_id": 1}, sort=[("_id", DESCENDING)])
        return int(newest["_id"]) if newest else 0


def events_wanted(
    position: int, user_id: str | None, types: Sequence[str], transfer_id: str | None
) -> dict[str, Any]:
    """The query for what follows a position."""
    query: dict[str, Any] = {"_id": {"$gt": position}}
    if user_id is not None:
        query["audience"] = user_id
    if types:
        query["event.type"] = {"$in": sorted(set(types))}
    if transfer_id is not None:
        query["transfer_id"] = transfer_id
    return query


@read_from(FeedDocument)
def to_feed_event(fields: Fields) -> FeedEvent:
    """A feed document as the domain knows it."""
    return FeedEvent(
        position=int(fields["_id"]),
        body=sent_event(fields["event"]),
        audience=tuple(fields["audience"]),
        transfer_id=fields.get("transfer_id"),
        wallet_id=fields.get("wallet_id"),
        endpoint_id=fields.get("endpoint_id"),
        traceparent=fields.get("traceparent"),
    )
