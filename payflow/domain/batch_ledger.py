"""Items of a batch decided together in one transaction: in order, or all or none.

Pure, like ``ledger``: the same items over the same snapshot come to the same entries.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from payflow.domain.batches import BatchMode
from payflow.domain.errors import IllegalMove
from payflow.domain.ledger import Book, JournalEntry, Leg, LegRequest, Snapshot, Tombstone, leg_from
from payflow.domain.transfers import FailureCode, Transfer, TransferStatus

Rejects = Callable[[str, Leg], bool]

CANCELLED = Tombstone(FailureCode.CANCELLED, "owner", "the batch was cancelled")
STOPPED = Tombstone(FailureCode.BATCH_STOPPED, "batch", "an item before this one failed")
REJECTED = Tombstone(FailureCode.BATCH_REJECTED, "batch", "another item was refused")


def never(_transfer_id: str, _leg: Leg) -> bool:
    """No fault rehearsal rejects anything."""
    return False


@dataclass(frozen=True, slots=True)
class ItemsOrder:
    """Items ``first <= index < past`` of a batch, to be brought to their end in one transaction.

    ``halt`` ends those that have not begun instead. An ``atomic`` batch's items come all at
    once; those of ``stop_on_error`` in ranges, ``halt`` being set after the first failure.
    ``independent`` items share the transaction for its speed, and nothing else.
    """

    batch_id: str
    mode: BatchMode
    first: int
    past: int
    halt: Tombstone | None = None
    rejects: Rejects = never


def decide_items(
    order: ItemsOrder, items: Sequence[str], snapshot: Snapshot, now: datetime
) -> list[JournalEntry]:
    """What is to be written so that every item of the order has ended.

    ``items`` are the ids of all transfers of that range, in their order.

    Raises:
        IllegalMove: the state and the journal of an item that is not independent do not fit
            together; nothing is written.
    """
    if order.mode is BatchMode.ATOMIC:
        return _all_or_none(order, items, snapshot, now)
    if order.mode is BatchMode.STOP_ON_ERROR:
        return _in_order(order, items, snapshot, now)
    return _each_for_itself(order, items, snapshot, now)


def _in_order(
    order: ItemsOrder, items: Sequence[str], snapshot: Snapshot, now: datetime
) -> list[JournalEntry]:
    book = Book.of(snapshot, now)
    halt = order.halt
    for transfer_id in items:
        if _walk(transfer_id, book, halt, order.rejects) is TransferStatus.FAILED:
            halt = halt or _because_of(book.transfers[transfer_id], STOPPED)
    return book.entries


def _each_for_itself(
    order: ItemsOrder, items: Sequence[str], snapshot: Snapshot, now: datetime
) -> list[JournalEntry]:
    """Whoever cannot be walked is left where it stands, and concerns no other."""
    book = Book.of(snapshot, now)
    for transfer_id in items:
        with suppress(IllegalMove):
            _walk(transfer_id, book, order.halt, order.rejects)
    return book.entries


def _all_or_none(
    order: ItemsOrder, items: Sequence[str], snapshot: Snapshot, now: datetime
) -> list[JournalEntry]:
    book = Book.of(snapshot, now)
    for transfer_id in items:
        if _walk(transfer_id, book, order.halt, order.rejects) is TransferStatus.FAILED:
            halt = order.halt or _because_of(book.transfers[transfer_id], REJECTED)
            return _none(book.transfers[transfer_id], halt, items, Book.of(snapshot, now))
    return book.entries


def _none(
    refused: Transfer, halt: Tombstone, items: Sequence[str], book: Book
) -> list[JournalEntry]:
    """Void every item that has not ended: one for its own reason, the rest because of it."""
    own = Tombstone(refused.failure or FailureCode.BATCH_REJECTED, "batch", "it was refused")
    for transfer_id in items:
        if book.transfers[transfer_id].status is TransferStatus.INITIATED:
            tombstone = own if transfer_id == refused.id else halt
            book.take(LegRequest(transfer_id, Leg.DEBIT, tombstone, together=True))
    return book.entries


def _because_of(failed: Transfer, usual: Tombstone) -> Tombstone:
    """What ends the others: a cancelled item is one of a batch that is being cancelled."""
    return CANCELLED if failed.failure is FailureCode.CANCELLED else usual


def _walk(transfer_id: str, book: Book, halt: Tombstone | None, rejects: Rejects) -> TransferStatus:
    """Take leg after leg until the item has ended."""
    while (leg := leg_from(book.transfers[transfer_id].status)) is not None:
        before = book.transfers[transfer_id]
        tombstone = halt if leg is Leg.DEBIT else None
        rejected = tombstone is None and leg.can_be_refused and rejects(transfer_id, leg)
        book.take(LegRequest(transfer_id, leg, tombstone, rejected, together=True))
        if book.transfers[transfer_id] is before:  # journaled, and yet the state stands before it
            raise IllegalMove(transfer_id, leg, f"journaled, and the transfer is {before.status}")
    return book.transfers[transfer_id].status
