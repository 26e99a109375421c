"""Marks beside the legs: that a transfer was parked, said once, with its event."""

from pymongo.asynchronous.client_session import AsyncClientSession

from payflow.domain.identifiers import Prefix, park_key
from payflow.domain.ports import Clock, Origin
from payflow.domain.transfers import TransferStatus
from payflow.storage.books_collections import BooksCollections
from payflow.storage.identity import new_id
from payflow.storage.mapping import origin_fields, to_transfer, transfer_event, transfer_state
from payflow.storage.transactions import in_transaction


async def park_transfer(
    books: BooksCollections,
    clock: Clock,
    transfer_id: str,
    while_in: TransferStatus,
    origin: Origin,
) -> None:
    """Flag the transfer and journal the mark, in one transaction.

    Nothing is written when the transfer has left ``while_in`` or is flagged already, so a late
    or repeated call does no harm.
    """

    async def work(session: AsyncClientSession) -> None:
        wanted = {"_id": transfer_id, "status": while_in.value, "needs_attention": False}
        fields = await books.transfers.find_one(wanted, session=session)
        if fields is None:
            return
        parked = to_transfer(fields).parked(clock.now())
        await books.transfers.update_one(
            {**wanted, "sequence": fields["sequence"]},
            {"$set": transfer_state(parked)},
            session=session,
        )
        await books.journal.insert_one(
            {
                "_id": park_key(transfer_id, parked.sequence),
                "leg": "park",
                "transfer_id": transfer_id,
                "currency": parked.money.currency,
                "postings": [],
                "entry_id": new_id(Prefix.ENTRY),
                **transfer_event(new_id(Prefix.EVENT), "transfer.needs_attention", parked),
                "origin": origin_fields(origin),
                "created_at": parked.updated_at,
            },
            session=session,
        )

    await in_transaction(books.client, work)
