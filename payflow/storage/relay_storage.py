"""Everything the relay keeps: its lease, the feed it writes, and how far it has handed it on."""

import os
import socket
from contextlib import AbstractAsyncContextManager
from typing import Any

from payflow.storage.event_bus import EventBus
from payflow.storage.feed import FeedCollections
from payflow.storage.feed_writer import FeedWriter
from payflow.storage.journal_tail import JournalTail, tail_of
from payflow.storage.relay_lease import RelayLease
from payflow.storage.transactions import Collection, translated
from payflow.storage.uncancelled import Calls


class RelayStorage:
    """What one relay is made of, over one database and one Redis."""

    def __init__(
        self, collections: FeedCollections, bus: EventBus, calls: Calls | None = None
    ) -> None:
        self._collections = collections
        self._calls = calls or Calls()
        self.bus = bus
        self.handed_over = self._calls.wrap(HandedOver(collections.relay))

    def lease(self) -> RelayLease:
        """A claim of this process to be the active relay."""
        claim = RelayLease(self._collections, f"{socket.gethostname()}:{os.getpid()}")
        return self._calls.wrap(claim)

    async def writer(self, epoch: int) -> FeedWriter:
        """Who appends to the feed in this epoch."""
        return self._calls.wrap(await FeedWriter.of(self._collections, epoch))

    def tail(self, token: dict[str, Any] | None) -> AbstractAsyncContextManager[JournalTail]:
        """The journal's change stream after ``token``, or from now on."""
        return tail_of(self._collections.journal, token)


class HandedOver:
    """Up to which position the webhooks' deliveries are on record; it survives every crash."""

    def __init__(self, relay: Collection) -> None:
        self._relay = relay

    async def position(self) -> int:
        """The last position handed over; 0 before the first."""
        with translated():
            kept = await self._relay.find_one({"_id": "deliveries"})
        return int(kept["position"]) if kept else 0

    async def reached(self, position: int) -> None:
        """Everything up to here is handed over. It never goes back, whoever says so late."""
        with translated():
            await self._relay.update_one(
                {"_id": "deliveries"}, {"$max": {"position": position}}, upsert=True
            )
