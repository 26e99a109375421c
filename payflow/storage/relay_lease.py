"""The relay's lease: one active relay among many, and an epoch that unseats a sleeper.

No clock is compared. The holder's ``beat`` rises every second; who sees it stand still, by a
stopwatch of its own, takes over and raises the epoch. Whatever the feed is written with names
the epoch, so a relay that was stopped and wakes up finds that it can write nothing.
"""

import time
from collections.abc import Callable
from typing import Any

from loguru import logger
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import PyMongoError

from payflow.domain.errors import BooksUnavailable
from payflow.domain.events import GENESIS
from payflow.storage.feed import FeedCollections
from payflow.storage.idle_transactions import IdleTransactions
from payflow.storage.transactions import WriteConflict, in_transaction, raise_translated, translated

LEASE, PLACE = "lease", "place"  # documents of the ``relay`` collection
BEAT_S = 1.0
DEAD_AFTER_S = 3.0  # three beats missed; a stop of the whole machine counts for nobody
# A holder that was stopped inside a transaction blocks a take-over until its session is ended.
TAKE_FOR_S = 1.0

Fields = dict[str, Any]


class RelayLease:
    """One relay's claim to be the active one."""

    def __init__(
        self,
        collections: FeedCollections,
        holder: str,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = collections.client
        self._relay = collections.relay
        self._holder = holder
        self._elapsed = elapsed
        self._idle = IdleTransactions(self._client, elapsed)
        self._seen: tuple[int, int] | None = None
        self._seen_at = 0.0

    async def campaign(self) -> int | None:
        """The epoch we lead from now on, or None while another relay is alive.

        Call it about once a second: a holder is given up when its beat stood still between calls
        that are ``DEAD_AFTER_S`` apart.

        Raises:
            BooksUnavailable: MongoDB does not answer.
        """
        with translated():
            lease = await self._relay.find_one({"_id": LEASE}) or await self._founded()
        seen = (lease["epoch"], lease["beat"])
        if seen != self._seen:
            self._seen, self._seen_at = seen, self._elapsed()
        is_free = lease["holder"] is None
        if is_free or self._elapsed() - self._seen_at > DEAD_AFTER_S:
            return await self._take(lease)
        return None

    async def beat(self, epoch: int) -> bool:
        """Show that we live; False when somebody took over."""
        with translated():
            shown = await self._relay.update_one(
                {"_id": LEASE, "epoch": epoch}, {"$inc": {"beat": 1}}
            )
        return shown.matched_count == 1

    async def release(self, epoch: int) -> None:
        """Let another take over at once."""
        with translated():
            await self._relay.update_one({"_id": LEASE, "epoch": epoch}, {"$set": {"holder": None}})

    async def _founded(self) -> Fields:
        blank: Fields = {"epoch": 0, "beat": 0, "holder": None}
        place: Fields = {"epoch": 0, "position": 0, "hash": GENESIS, "token": None}
        await self._relay.update_one({"_id": PLACE}, {"$setOnInsert": place}, upsert=True)
        await self._relay.update_one({"_id": LEASE}, {"$setOnInsert": blank}, upsert=True)
        return {"_id": LEASE, **blank}

    async def _take(self, lease: Fields) -> int | None:
        epoch = int(lease["epoch"]) + 1

        async def work(session: AsyncClientSession) -> int:
            # the place is what feed transactions write: theirs and ours cannot both commit
            await self._relay.update_one(
                {"_id": PLACE}, {"$set": {"epoch": epoch}}, session=session
            )
            taken = await self._relay.update_one(
                {"_id": LEASE, "epoch": lease["epoch"], "beat": lease["beat"]},
                {"$set": {"epoch": epoch, "holder": self._holder}, "$inc": {"beat": 1}},
                session=session,
            )
            return taken.matched_count

        try:
            if not await in_transaction(self._client, work, retry_for_s=TAKE_FOR_S):
                return None
        except (BooksUnavailable, WriteConflict):
            await self._end_sleepers()
            return None
        self._seen = None
        logger.info("{} is the active relay, epoch {}", self._holder, epoch)
        return epoch

    async def _end_sleepers(self) -> None:
        try:
            await self._idle.look()
        except PyMongoError as error:
            raise_translated(error)
