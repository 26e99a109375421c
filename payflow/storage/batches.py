"""Batches over MongoDB as their owners see them: accepted whole, read, listed, cancelled."""

import asyncio
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, TypeVar

import bson
from bson.raw_bson import RawBSONDocument
from pymongo import ASCENDING
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DuplicateKeyError

from payflow.domain.batch_ledger import CANCELLED
from payflow.domain.batch_ports import BatchOrder
from payflow.domain.batches import Batch, BatchCounts, BatchStatus
from payflow.domain.errors import BooksUnavailable, NotFound
from payflow.domain.identifiers import Prefix
from payflow.domain.ledger import Leg, LegRequest
from payflow.domain.limits import TooManyBatches
from payflow.domain.observing import UNOBSERVED, Observer
from payflow.domain.ports import Books, Clock, IdempotencyClaim, Origin, Page, Written
from payflow.domain.transfers import Transfer, TransferStatus
from payflow.domain.users import Principal
from payflow.storage.batch_items import draw_up_items
from payflow.storage.batch_mapping import from_batch, from_batch_acceptance, to_batch
from payflow.storage.batch_work import count_items
from payflow.storage.books_collections import BooksCollections
from payflow.storage.claims import find_claimed
from payflow.storage.commands import in_line, insertion
from payflow.storage.documents import IN_PROGRESS
from payflow.storage.door import Door
from payflow.storage.identity import new_id
from payflow.storage.mapping import from_acceptance, from_transfer, to_transfer
from payflow.storage.pages import page_of
from payflow.storage.reading import Fields
from payflow.storage.slices import SLICE, slices
from payflow.storage.transactions import in_transaction, translated
from payflow.storage.visibility import owned_one, visible_to

T = TypeVar("T")

MAX_IN_PROGRESS = 100  # batches of one user; a program with more to pay puts more into each
VOIDED_AT_ONCE = 500
VOIDED_WITHIN_S = 8.0  # a lane's patience; what is left then, the batch's story ends


class MongoBatches:
    """The ``Batches`` port."""

    def __init__(
        self,
        collections: BooksCollections,
        clock: Clock,
        books: Books,
        door: Door,
        observer: Observer = UNOBSERVED,
        *,
        most: int = MAX_IN_PROGRESS,
    ) -> None:
        self._kept = collections
        self._door = door
        self._observer = observer
        self._clock = clock
        self._books = books
        self._most = most
        self._writing = asyncio.Lock()

    async def accept(self, order: BatchOrder, claim: IdempotencyClaim) -> Written[Batch]:
        """Write everything the batch is made of in one transaction, or find what the key made.

        Of the large ones a process writes one at a time: two would only take twice as long each,
        and one of them longer than a transaction may.
        """
        is_large = len(order.items) > SLICE
        async with self._writing if is_large else nullcontext():
            return await self._accept(order, claim)

    async def _accept(self, order: BatchOrder, claim: IdempotencyClaim) -> Written[Batch]:
        with translated():
            if winner := await self._claimed(claim):
                return Written(winner, replayed=True)
            await self._check_in_progress(order.owner_id)
            now = self._clock.now()
            batch = Batch(
                id=new_id(Prefix.BATCH, now),
                owner_id=order.owner_id,
                mode=order.mode,
                counts=BatchCounts(len(order.items)),
                created_at=now,
            )
        async with self._door.batch(order.owner_id, len(order.items)):
            with translated():
                transfers = await draw_up_items(self._kept, batch.id, order, now)
            try:
                await self._write(batch, transfers, order.request_id, claim)
            except DuplicateKeyError:
                # another request with this key won; its commit is why ours collided
                with translated():
                    if winner := await self._claimed(claim):
                        return Written(winner, replayed=True)
                raise
        for part in slices(transfers):
            for transfer in part:
                self._observer.accepted(transfer)
            await asyncio.sleep(0)
        return Written(batch, replayed=False)

    async def get(self, batch_id: str, viewer: Principal) -> Batch:
        """Read one, if the viewer may see it."""
        with translated():
            return await self._read(visible_to(viewer, batch_id))

    async def items(
        self, batch_id: str, viewer: Principal, *, limit: int, after: str | None
    ) -> Page[Transfer]:
        """Its items in order, from the ``after``-th on."""
        await self.get(batch_id, viewer)
        found = self._kept.transfers.find(
            {"batch_id": batch_id, "batch_index": {"$gte": int(after or 0)}},
            sort=[("batch_index", ASCENDING)],
            limit=limit + 1,
        )
        with translated():
            documents = await found.to_list()
        return page_of(documents, limit, to_transfer, _next_index)

    async def cancel(self, batch_id: str, owner: Principal) -> Batch:
        """Say that it is cancelled, then void the debits of the items that have not begun.

        The word stands first: whoever carries the batch out begins no more items, and ends
        what this call could not.
        """
        own = owned_one(owner, batch_id)
        with translated():
            batch = await self._read(own)
            await self._kept.batches.update_one(
                {**own, "status": "processing"}, {"$set": {"cancelled": True}}
            )
            for ids in slices(await self._not_begun(batch_id), VOIDED_AT_ONCE):
                legs = [LegRequest(one, Leg.DEBIT, CANCELLED) for one in ids]
                answers = await self._books.take_all(legs, Origin(), VOIDED_WITHIN_S)
                if None in answers:
                    raise BooksUnavailable
            return await self._read({"_id": batch.id})

    async def _write(
        self,
        batch: Batch,
        transfers: Sequence[Transfer],
        request_id: str | None,
        claim: IdempotencyClaim,
    ) -> None:
        async def work(session: AsyncClientSession) -> None:
            # the claim first: of two with one key the second conflicts before it writes much
            init = from_batch_acceptance(
                batch,
                claim,
                entry_id=new_id(Prefix.ENTRY),
                event_id=new_id(Prefix.EVENT),
                request_id=request_id,
            )
            kept = self._kept
            async with in_line(session, commits=True) as line:
                line.send(insertion(kept.journal, [init]))
                await line.answered()
                line.send(insertion(kept.batches, [from_batch(batch, request_id)]))
                for part in slices(transfers):
                    # made in a thread, so that others are served meanwhile
                    inits, documents = await asyncio.to_thread(_documents, part, request_id)
                    await line.room()
                    line.send(insertion(kept.journal, inits))
                    line.send(insertion(kept.transfers, documents))

        await in_transaction(self._kept.client, work)

    async def _check_in_progress(self, owner_id: str) -> None:
        """Raises ``TooManyBatches``; batches at the same moment may pass the limit by as many."""
        in_progress = {"owner_id": owner_id, "status": BatchStatus.PROCESSING.value}
        found = await self._kept.batches.count_documents(
            in_progress, limit=self._most, hint=IN_PROGRESS
        )
        if found >= self._most:
            raise TooManyBatches(self._most)

    async def _claimed(self, claim: IdempotencyClaim) -> Batch | None:
        init = await find_claimed(self._kept.journal, claim)
        return await self._read({"_id": init["batch_id"]}) if init else None

    async def _read(self, wanted: dict[str, Any]) -> Batch:
        fields = await self._kept.batches.find_one(wanted)
        if fields is None:
            raise NotFound("batch", wanted["_id"])
        batch = to_batch(fields)
        return await count_items(self._kept, batch) if batch.counts.pending else batch

    async def _not_begun(self, batch_id: str) -> list[str]:
        found = self._kept.transfers.find(
            {"batch_id": batch_id, "status": TransferStatus.INITIATED.value}, {"_id": 1}
        )
        return [fields["_id"] async for fields in found]


def _documents(
    transfers: Sequence[Transfer], request_id: str | None
) -> tuple[list[RawBSONDocument], list[RawBSONDocument]]:
    """The ``:init`` entries of transfers, and the transfers, in the form in which they are sent."""
    inits = [
        from_acceptance(
            transfer,
            entry_id=new_id(Prefix.ENTRY),
            event_id=new_id(Prefix.EVENT),
            request_id=request_id,
        )
        for transfer in transfers
    ]
    return _encoded(inits), _encoded([from_transfer(one) for one in transfers])


def _encoded(documents: Sequence[dict[str, Any]]) -> list[RawBSONDocument]:
    return [RawBSONDocument(bson.encode(one)) for one in documents]


def _next_index(item: Fields) -> str:
    return str(int(item["batch_index"]) + 1)
