"""Gives journal documents their places in the feed, under the epoch of one lease.

Events, resume token and epoch are one transaction. It is guarded by the epoch and by the
position it goes on from, so a relay that was superseded, or whose commit landed after all,
can write nothing at a place that is taken.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Self

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import BulkWriteError

from payflow.domain.errors import PayflowError
from payflow.domain.event_ports import FeedEvent
from payflow.storage.feed import FeedCollections, to_feed_event
from payflow.storage.feed_places import is_readable, placed
from payflow.storage.journal_gaps import JournalGaps
from payflow.storage.journal_tail import Batch
from payflow.storage.reading import readable
from payflow.storage.relay_lease import PLACE
from payflow.storage.transactions import in_transaction, translated

# Journal documents bear their writer's time. A transaction may stay open for 60 s (MongoDB's
# default limit, 10 s here), and clocks may differ by 10 min.
WINDOW = timedelta(minutes=11)
_DUPLICATE_KEY = 11000

Fields = dict[str, Any]


class Superseded(PayflowError):
    """Another relay leads."""

    code = "relay_superseded"


class PlaceMoved(PayflowError):
    """The feed is not where it was: another leads, or a commit in doubt has landed. Look again."""

    code = "relay_place_moved"


@dataclass(frozen=True, slots=True)
class Place:
    """How far the feed has come.

    All that the change stream said up to ``token`` is in it. Without a token the journal must be
    compared since ``at``, when (by the primary's clock) nothing was missing; None is ever.
    """

    position: int
    hash: str
    token: Fields | None
    at: datetime | None


class FeedWriter:
    """Appends to the feed for as long as its epoch lasts."""

    def __init__(self, collections: FeedCollections, epoch: int, place: Place) -> None:
        self._client = collections.client
        self._feed = collections.feed
        self._relay = collections.relay
        self._gaps = JournalGaps(collections)
        self._epoch = epoch
        self.place = place

    @classmethod
    async def of(cls, collections: FeedCollections, epoch: int) -> Self:
        """A writer that goes on where the feed stands.

        Raises:
            Superseded: the epoch is over. BooksUnavailable: MongoDB does not answer.
        """
        with translated():
            fields = await collections.relay.find_one({"_id": PLACE, "epoch": epoch})
        if fields is None:
            raise Superseded
        place = Place(fields["position"], fields["hash"], fields["token"], fields.get("at"))
        return cls(collections, epoch, place)

    async def append(self, batch: Batch) -> list[FeedEvent]:
        """The batch's events at their places; the stream is resumed after it from now on.

        Raises:
            PlaceMoved: nothing was written; make another writer.
            BooksUnavailable: nothing was written. OutcomeUnknown: make another writer.
        """
        try:
            return await self._write(batch.documents, batch.token)
        except BulkWriteError as error:
            if not _is_duplicate(error):
                raise
            # what a comparison found, the stream may bring once more
            unplaced = await self._gaps.without_placed(batch.documents)
            return await self._write(unplaced, batch.token)

    async def catch_up(
        self, session: AsyncClientSession | None = None
    ) -> AsyncIterator[list[FeedEvent]]:
        """Compare the journal with the feed and append what is missing, chunk by chunk.

        The place goes on saying since when until ``caught_up``: who dies here begins again.
        """
        since = self.place.at - WINDOW if self.place.at is not None else None
        async for documents in self._gaps.missing(since, session):
            yield await self._write(documents, None)

    async def caught_up(self, at: datetime, token: Fields | None) -> None:
        """Everything from before ``at`` has its place; go on after ``token`` if there is one."""
        await self._set({"token": token, "at": at})
        self.place = replace(self.place, token=token, at=at)

    async def forget_token(self) -> None:
        """The token is of no use: whoever leads compares before anything else."""
        await self._set({"token": None})
        self.place = replace(self.place, token=None)

    async def server_time(self) -> datetime:
        """The primary's clock."""
        with translated():
            hello = await self._client.admin.command("hello")
        now: datetime = hello["localTime"]
        return now

    async def _set(self, change: Fields) -> None:
        with translated():
            kept = await self._relay.update_one(self._guard(), {"$set": change})
        if kept.matched_count != 1:
            raise PlaceMoved

    def _guard(self) -> Fields:
        return {"_id": PLACE, "epoch": self._epoch, "position": self.place.position}

    async def _write(self, documents: Sequence[Fields], token: Fields | None) -> list[FeedEvent]:
        events = [fields for fields in documents if is_readable(fields)]
        made = placed(events, self.place.position, self.place.hash)
        position = self.place.position + len(made)
        last_hash = made[-1]["hash"] if made else self.place.hash
        update: Fields = {"$set": {"position": position, "hash": last_hash}}
        if token is not None:
            update["$set"]["token"] = token
            update["$currentDate"] = {"at": True}

        async def work(session: AsyncClientSession) -> None:
            moved = await self._relay.update_one(self._guard(), update, session=session)
            if moved.matched_count != 1:
                raise PlaceMoved
            if made:
                await self._feed.insert_many(made, session=session)

        await in_transaction(self._client, work)
        self.place = replace(
            self.place, position=position, hash=last_hash, token=token or self.place.token
        )
        return readable(to_feed_event, made)


def _is_duplicate(error: BulkWriteError) -> bool:
    failed = (error.details or {}).get("writeErrors", [])
    return any(one["code"] == _DUPLICATE_KEY for one in failed)
