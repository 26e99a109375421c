"""Items of a batch as one transaction: reserve the wallets, decide in order, write it once."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import bson
from bson.raw_bson import RawBSONDocument
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
from payflow.storage.mapping import Fields, from_entry, to_answer, to_transfer, to_wallet
from payflow.storage.posting_group import TAKEN, transfer_moves, wallet_changes
from payflow.storage.slices import slices
from payflow.storage.transactions import WriteConflict

T = TypeVar("T")

STILL_ALIVE_S = 0.25  # a transaction idle for a second is taken for a dead worker's
# More items are decided before the transaction begins, which the server ends after 10 s: 10,000
# take 3 s of our CPU and 4 s of the server's, and a machine may be busy. Fewer are decided while
# it holds their wallets, and their documents made while the server writes.
DRAFTED_ABOVE = 500


@dataclass(frozen=True, slots=True)
class _Decided:
    """What items come to over a snapshot, and the journal of it, message by message."""

    entries: Sequence[JournalEntry]
    snapshot: Snapshot
    messages: AsyncIterator[Sequence[Fields]]


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
        from then on nobody else can. What was decided beforehand holds if they are as they were
        then, and is decided again if not.
        """
        transfers = await self._read_transfers(order)
        if all(transfer.status.is_terminal for transfer in transfers):
            return []
        journal = await self._read_journal(transfers)
        known = {transfer.id: transfer for transfer in transfers}
        ids = sorted({wallet for one in transfers for wallet in _wallets_of(one)})
        decided = None
        if len(transfers) > DRAFTED_ABOVE:
            drawn_on = Snapshot(known, await self._read_wallets(ids), journal)
            decided = await asyncio.to_thread(_draft, order, drawn_on, self._clock.now(), origin)
        wallets = await self._reserve(order, ids, session)
        if decided is None or wallets != decided.snapshot.wallets:
            snapshot = Snapshot(known, wallets, journal)
            deciding = asyncio.to_thread(_decide, order, snapshot, self._clock.now())
            entries = await self._while_alive(asyncio.ensure_future(deciding), session)
            decided = _Decided(entries, snapshot, _made(entries, origin))
        await self._write(decided, session)
        return list(decided.entries)

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
        self, order: ItemsOrder, ids: Sequence[str], session: AsyncClientSession
    ) -> dict[str, Wallet]:
        """Lock the wallets for this transaction, and read them; the mark is gone at its end."""
        await self._books.wallets.update_many(
            {"_id": {"$in": ids}}, {"$set": {"reserved_by": order.batch_id}}, session=session
        )
        return await self._read_wallets(ids, session)

    async def _read_wallets(
        self, ids: Sequence[str], session: AsyncClientSession | None = None
    ) -> dict[str, Wallet]:
        found = self._books.wallets.find({"_id": {"$in": ids}}, session=session)
        return {fields["_id"]: to_wallet(fields) async for fields in found}

    async def _while_alive(self, working: asyncio.Future[T], session: AsyncClientSession) -> T:
        while not (await asyncio.wait({working}, timeout=STILL_ALIVE_S))[0]:
            await self._books.batches.find_one({"_id": ""}, session=session)
        return working.result()

    async def _write(self, decided: _Decided, session: AsyncClientSession) -> None:
        """Write wallets and transfers, then the journal as its messages come."""
        books, snapshot = self._books, decided.snapshot
        reserved = {"_id": {"$in": sorted(snapshot.wallets)}}
        given_back = {"q": reserved, "u": {"$unset": {"reserved_by": ""}}, "multi": True}
        try:
            async with in_line(session) as line:
                line.send(changes(books.wallets, [given_back], len(snapshot.wallets)))
                for one in wallet_changes(books.wallets, decided.entries, snapshot):
                    line.send(one)
                for one in transfer_moves(books.transfers, decided.entries, snapshot):
                    line.send(one)
                async for documents in decided.messages:
                    await line.room()
                    line.send(insertion(books.journal, documents))
        except DuplicateKeyError as error:
            raise WriteConflict(TAKEN) from error


def _range_of(order: ItemsOrder) -> dict[str, Any]:
    return {"batch_id": order.batch_id, "batch_index": {"$gte": order.first, "$lt": order.past}}


def _wallets_of(transfer: Transfer) -> tuple[str, str]:
    return (transfer.source_wallet_id, transfer.destination_wallet_id)


def _decide(order: ItemsOrder, snapshot: Snapshot, now: datetime) -> list[JournalEntry]:
    return decide_items(order, list(snapshot.transfers), snapshot, now)


def _draft(order: ItemsOrder, snapshot: Snapshot, now: datetime, origin: Origin) -> _Decided:
    """Everything that needs no transaction, the messages in the form in which they are sent."""
    entries = _decide(order, snapshot, now)
    messages = deque(
        [RawBSONDocument(bson.encode(one)) for one in _documents(part, origin)]
        for part in slices(entries)
    )
    return _Decided(entries, snapshot, _let_go(messages))


async def _let_go(messages: deque[list[RawBSONDocument]]) -> AsyncIterator[Sequence[Fields]]:
    while messages:
        yield messages.popleft()


async def _made(entries: Sequence[JournalEntry], origin: Origin) -> AsyncIterator[Sequence[Fields]]:
    for part in slices(entries):
        yield await asyncio.to_thread(_documents, part, origin)


def _documents(entries: Iterable[JournalEntry], origin: Origin) -> list[dict[str, Any]]:
    return [
        from_entry(
            entry, entry_id=new_id(Prefix.ENTRY), event_id=new_id(Prefix.EVENT), origin=origin
        )
        for entry in entries
    ]
