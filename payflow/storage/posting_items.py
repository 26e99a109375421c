"""Items of a batch as one transaction: reserve the wallets, decide in order, write it once."""

import asyncio
from collections.abc import Sequence
from typing import Any, TypeVar

from pymongo import ASCENDING
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DuplicateKeyError

from payflow.domain.batch_ledger import ItemsOrder, decide_items
from payflow.domain.identifiers import Prefix
from payflow.domain.ledger import JournalEntry, Snapshot, StepAnswer
from payflow.domain.ports import Clock, Origin
from payflow.domain.transfers import Transfer, TransferStatus
from payflow.domain.wallets import Wallet
from payflow.storage.books_collections import BooksCollections
from payflow.storage.commands import changes, in_line, insertion
from payflow.storage.identity import new_id
from payflow.storage.mapping import from_entry, to_answer, to_transfer, to_wallet
from payflow.storage.posting_group import TAKEN, transfer_moves, wallet_changes
from payflow.storage.slices import slices
from payflow.storage.transactions import WriteConflict

T = TypeVar("T")

STILL_ALIVE_S = 0.25  # a transaction idle for a second is taken for a dead worker's


class PostingItems:
    """Reads and writes what the items of a batch concern."""

    def __init__(self, books: BooksCollections, clock: Clock) -> None:
        self._books = books
        self._clock = clock

    async def wallets_of(self, order: ItemsOrder) -> frozenset[str]:
        """The wallets that the items may write."""
        found = self._books.transfers.find(_range_of(order), {"_id": 0, "wallet_ids": 1})
        return frozenset([one async for fields in found for one in fields["wallet_ids"]])

    async def post(
        self, order: ItemsOrder, origin: Origin, session: AsyncClientSession
    ) -> list[JournalEntry]:
        """Bring the items to their end through the session; nothing, when they have ended.

        Transfers are read before the transaction, and guarded by what was read when they are
        written. Its first act is to write the wallets: whoever holds one is met at once, and
        from then on nobody else can.
        """
        transfers = await self._read_transfers(order)
        if all(transfer.status.is_terminal for transfer in transfers):
            return []
        journal = await self._read_journal(transfers)
        wallets = await self._reserve(order, transfers, session)
        snapshot = Snapshot({t.id: t for t in transfers}, wallets, journal)
        items = [transfer.id for transfer in transfers]
        deciding = asyncio.to_thread(decide_items, order, items, snapshot, self._clock.now())
        entries = await self._while_alive(asyncio.ensure_future(deciding), session)
        await self._write(entries, snapshot, origin, session)
        return entries

    async def _read_transfers(self, order: ItemsOrder) -> list[Transfer]:
        found = self._books.transfers.find(
            _range_of(order), sort=[("batch_index", ASCENDING)], hint="batch_item"
        )
        return [to_transfer(fields) async for fields in found]

    async def _read_journal(self, transfers: Sequence[Transfer]) -> dict[str, StepAnswer]:
        """The recorded answers; a transfer that is ``initiated`` has none."""
        begun = [t.id for t in transfers if t.status is not TransferStatus.INITIATED]
        if not begun:
            return {}
        found = self._books.journal.find(
            {"transfer_id": {"$in": begun}, "outcome": {"$exists": True}},
            {"leg": 1, "outcome": 1, "code": 1},
        )
        return {fields["_id"]: to_answer(fields) async for fields in found}

    async def _reserve(
        self, order: ItemsOrder, transfers: Sequence[Transfer], session: AsyncClientSession
    ) -> dict[str, Wallet]:
        """Lock the wallets for this transaction, and read them; the mark is gone at its end."""
        ids = {t.source_wallet_id for t in transfers} | {t.destination_wallet_id for t in transfers}
        wanted = {"_id": {"$in": sorted(ids)}}
        await self._books.wallets.update_many(
            wanted, {"$set": {"reserved_by": order.batch_id}}, session=session
        )
        found = self._books.wallets.find(wanted, session=session)
        return {fields["_id"]: to_wallet(fields) async for fields in found}

    async def _while_alive(self, working: asyncio.Future[T], session: AsyncClientSession) -> T:
        while not (await asyncio.wait({working}, timeout=STILL_ALIVE_S))[0]:
            await self._books.batches.find_one({"_id": ""}, session=session)
        return working.result()

    async def _write(
        self,
        entries: Sequence[JournalEntry],
        snapshot: Snapshot,
        origin: Origin,
        session: AsyncClientSession,
    ) -> None:
        """Write wallets and transfers, and while the server does so make the documents."""
        books = self._books
        reserved = {"_id": {"$in": sorted(snapshot.wallets)}}
        given_back = {"q": reserved, "u": {"$unset": {"reserved_by": ""}}, "multi": True}
        try:
            async with in_line(session) as line:
                line.send(changes(books.wallets, [given_back], len(snapshot.wallets)))
                for one in wallet_changes(books.wallets, entries, snapshot):
                    line.send(one)
                for one in transfer_moves(books.transfers, entries, snapshot):
                    line.send(one)
                for part in slices(entries):
                    documents = await asyncio.to_thread(_documents, part, origin)
                    await line.room()
                    line.send(insertion(books.journal, documents))
        except DuplicateKeyError as error:
            raise WriteConflict(TAKEN) from error


def _range_of(order: ItemsOrder) -> dict[str, Any]:
    return {"batch_id": order.batch_id, "batch_index": {"$gte": order.first, "$lt": order.past}}


def _documents(entries: Sequence[JournalEntry], origin: Origin) -> list[dict[str, Any]]:
    return [
        from_entry(
            entry, entry_id=new_id(Prefix.ENTRY), event_id=new_id(Prefix.EVENT), origin=origin
        )
        for entry in entries
    ]
