"""Batches over MongoDB as those see them who carry them out."""

from dataclasses import replace
from typing import Any

from pymongo import ASCENDING

from payflow.domain.batch_ports import BatchPlan
from payflow.domain.batches import Batch, counts_of
from payflow.domain.errors import NotFound
from payflow.domain.transfers import Transfer, TransferStatus
from payflow.storage.batch_mapping import batch_state, to_batch
from payflow.storage.books_collections import BooksCollections
from payflow.storage.endings import UNFINISHED
from payflow.storage.mapping import to_transfer
from payflow.storage.reading import each_readable
from payflow.storage.transactions import translated


class MongoBatchWork:
    """The ``BatchWork`` port."""

    def __init__(self, books: BooksCollections) -> None:
        self._books = books

    async def plan(self, batch_id: str) -> BatchPlan:
        """How the batch is to be carried out."""
        batch = await self._read(batch_id)
        return BatchPlan(batch.mode, batch.counts.total)

    async def knows(self, batch_id: str) -> bool:
        """Whether the batch is there, as the majority has it."""
        with translated():
            return await self._books.batches.find_one({"_id": batch_id}, {"_id": 1}) is not None

    async def is_cancelled(self, batch_id: str) -> bool:
        """Whether its owner has cancelled it."""
        return (await self._read(batch_id)).cancelled

    async def unfinished(self, batch_id: str, first: int, past: int) -> list[Transfer]:
        """The items of that range which have not ended, in order."""
        wanted = {
            "batch_id": batch_id,
            "batch_index": {"$gte": first, "$lt": past},
            **UNFINISHED,
        }
        found = self._books.transfers.find(
            wanted, sort=[("batch_index", ASCENDING)], hint="batch_item"
        )
        with translated():
            return [one async for one in each_readable(to_transfer, found)]

    async def failed_before(self, batch_id: str, index: int) -> bool:
        """Whether an item with a smaller index has failed."""
        wanted = {
            "batch_id": batch_id,
            "batch_index": {"$lt": index},
            "status": TransferStatus.FAILED.value,
        }
        with translated():
            return (
                await self._books.transfers.find_one(wanted, {"_id": 1}, hint="batch_item")
                is not None
            )

    async def close(self, batch_id: str) -> int:
        """Write the end of a batch whose items have all ended, or say how many have not."""
        batch = await self._read(batch_id)
        if batch.counts.pending == 0:
            return 0
        with translated():
            batch = await count_items(self._books, batch)
            if batch.counts.pending == 0:
                await self._books.batches.update_one(
                    {"_id": batch_id, "status": "processing"}, {"$set": batch_state(batch)}
                )
        return batch.counts.pending

    async def _read(self, batch_id: str) -> Batch:
        with translated():
            fields = await self._books.batches.find_one({"_id": batch_id})
        if fields is None:
            raise NotFound("batch", batch_id)
        return to_batch(fields)


async def count_items(books: BooksCollections, batch: Batch) -> Batch:
    """The batch with the counts of this moment."""
    groups: list[dict[str, Any]] = [
        {"$match": {"batch_id": batch.id}},
        {"$project": {"status": 1, "completed_at": 1}},
        {"$group": {"_id": "$status", "n": {"$sum": 1}, "ended_at": {"$max": "$completed_at"}}},
    ]
    rows = await (await books.transfers.aggregate(groups, hint="batch_item")).to_list()
    ended = [row["ended_at"] for row in rows if row["ended_at"] is not None]
    return replace(
        batch,
        counts=counts_of(batch.counts.total, {row["_id"]: int(row["n"]) for row in rows}),
        ended_at=max(ended, default=None),
    )
