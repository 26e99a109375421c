"""What the journal has and the feed has not, found by comparing the two."""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from typing import Any

from pymongo import ASCENDING
from pymongo.asynchronous.client_session import AsyncClientSession

from payflow.storage.feed import FeedCollections
from payflow.storage.journal_tail import PLACED
from payflow.storage.transactions import translated

CHUNK = 500  # journal documents compared with the feed at once

Fields = dict[str, Any]


class JournalGaps:
    """Compares journal and feed by the event's id."""

    def __init__(self, collections: FeedCollections) -> None:
        self._feed = collections.feed
        self._journal = collections.journal

    async def missing(
        self, since: datetime | None, session: AsyncClientSession | None
    ) -> AsyncIterator[list[Fields]]:
        """Documents journaled since then (None: ever) that have no place yet, by age.

        A read in the session of a change stream sees everything that was committed before it.
        """
        last: Fields | None = None
        while True:
            keys = await self._keys(since, last, session)
            unplaced = await self.without_placed(keys)
            if unplaced:
                yield await self._whole([fields["_id"] for fields in unplaced], session)
            if len(keys) < CHUNK:
                return
            last = keys[-1]

    async def without_placed(self, documents: Iterable[Fields]) -> list[Fields]:
        """Those of the documents whose event has no place yet."""
        named = [fields for fields in documents if names_an_event(fields)]
        ids = [fields["event"]["id"] for fields in named]
        with translated():
            found = self._feed.find({"event_id": {"$in": ids}}, {"_id": 0, "event_id": 1})
            placed = {fields["event_id"] async for fields in found}
        return [fields for fields in named if fields["event"]["id"] not in placed]

    async def _keys(
        self, since: datetime | None, last: Fields | None, session: AsyncClientSession | None
    ) -> list[Fields]:
        """The next chunk's keys; it begins with the last one of the chunk before."""
        found = self._journal.find(
            {"created_at": {"$gte": since}} if since else {},
            {"event.id": 1, "event.type": 1, "created_at": 1},
            sort=[("created_at", ASCENDING), ("_id", ASCENDING)],
            hint="age",
            limit=CHUNK,
            session=session,
        )
        if last is not None:
            age: Any = last.get("created_at")  # one that has none is the oldest
            found = found.min([("created_at", age), ("_id", last["_id"])])
        with translated():
            return await found.to_list()

    async def _whole(self, keys: Sequence[str], session: AsyncClientSession | None) -> list[Fields]:
        with translated():
            found = self._journal.find({"_id": {"$in": list(keys)}}, PLACED, session=session)
            by_key = {fields["_id"]: fields async for fields in found}
        return [by_key[key] for key in keys if key in by_key]


def names_an_event(fields: Fields) -> bool:
    """Whether it can be compared; what is wrong with others shows where the whole is read."""
    event = fields.get("event")
    return isinstance(event, dict) and isinstance(event.get("id"), str)
