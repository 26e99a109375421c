"""Items of a batch decided together: in order until one fails, or all of them or none."""

from dataclasses import replace

import pytest

from payflow.domain.batch_ledger import CANCELLED, ItemsOrder, Rejects, decide_items, never
from payflow.domain.batches import BatchMode
from payflow.domain.errors import IllegalMove
from payflow.domain.ledger import (
    JournalEntry,
    Leg,
    LegRequest,
    Outcome,
    Snapshot,
    StepAnswer,
    Tombstone,
)
from payflow.domain.transfers import FailureCode, TransferStatus
from payflow.domain.wallets import WalletStatus
from tests.fakes import BATCH, BOB, START, InMemoryBooks, books_with_items

ATOMIC, STOP, EACH = BatchMode.ATOMIC, BatchMode.STOP_ON_ERROR, BatchMode.INDEPENDENT


def judge(
    books: InMemoryBooks,
    mode: BatchMode,
    halt: Tombstone | None = None,
    rejects: Rejects = never,
) -> list[JournalEntry]:
    order = ItemsOrder(BATCH, mode, 0, 100, halt, rejects)
    items = [item.id for item in books.items_of(BATCH)]
    return decide_items(
        order, items, Snapshot(books.transfers, books.wallets, books.journal), START
    )


def ends(entries: list[JournalEntry]) -> list[str]:
    """How each item ended, in order: completed, or why not."""
    last = {entry.transfer.id: entry.transfer for entry in entries}
    return [item.failure or item.status for item in last.values()]


def paid(entries: list[JournalEntry]) -> int:
    return sum(p.amount for entry in entries for p in entry.postings if p.account == BOB)


@pytest.mark.parametrize("mode", [ATOMIC, STOP, EACH])
def test_what_is_possible_is_done_leg_by_leg_in_order(mode: BatchMode) -> None:
    entries = judge(books_with_items(mode, [100, 200]), mode)
    assert [(entry.transfer.id, entry.leg) for entry in entries] == [
        (item, leg) for item in ("trf_0", "trf_1") for leg in (Leg.DEBIT, Leg.CREDIT, Leg.POST)
    ]
    assert paid(entries) == 300


def test_the_first_failure_stops_what_follows() -> None:
    entries = judge(books_with_items(STOP, [600, 600, 100]), STOP)
    assert ends(entries) == ["completed", "insufficient_funds", "batch_stopped"]
    assert paid(entries) == 600


def test_an_independent_failure_concerns_no_other() -> None:
    books = books_with_items(EACH, [600, 600, 100])
    assert ends(judge(books, EACH)) == ["completed", "insufficient_funds", "completed"]
    ahead = LegRequest("trf_1", Leg.DEBIT).key  # journaled, and the state stands before it
    books.journal[ahead] = StepAnswer(Leg.DEBIT, Outcome.APPLIED)
    assert {entry.transfer.id for entry in judge(books, EACH)} == {"trf_0", "trf_2"}


def test_one_impossible_item_leaves_nothing_posted() -> None:
    entries = judge(books_with_items(ATOMIC, [600, 600, 100]), ATOMIC)
    assert ends(entries) == ["batch_rejected", "insufficient_funds", "batch_rejected"]
    assert not any(entry.postings for entry in entries)
    assert {entry.answer.outcome for entry in entries} == {Outcome.VOIDED}


def test_a_credit_that_is_refused_is_the_items_own_reason() -> None:
    books = books_with_items(ATOMIC, [1, 2])
    books.wallets[BOB] = replace(books.wallets[BOB], status=WalletStatus.FROZEN)
    assert ends(judge(books, ATOMIC)) == ["destination_unavailable", "batch_rejected"]
    ordered = books_with_items(STOP, [1, 2])
    ordered.wallets[BOB] = books.wallets[BOB]
    assert ends(judge(ordered, STOP)) == ["destination_unavailable", "batch_stopped"]


def test_a_rehearsed_rejection_counts_as_a_refusal() -> None:
    def rejects(transfer_id: str, leg: Leg) -> bool:
        return (transfer_id, leg) == ("trf_1", Leg.CREDIT)

    entries = judge(books_with_items(ATOMIC, [1, 2, 3]), ATOMIC, rejects=rejects)
    assert ends(entries) == ["batch_rejected", "credit_rejected", "batch_rejected"]


@pytest.mark.parametrize("mode", [ATOMIC, STOP, EACH])
def test_a_cancelled_batch_ends_what_has_not_begun(mode: BatchMode) -> None:
    entries = judge(books_with_items(mode, [1, 2]), mode, CANCELLED)
    assert ends(entries) == ["cancelled", "cancelled"]


@pytest.mark.parametrize("mode", [ATOMIC, STOP])
async def test_one_cancelled_item_is_one_of_a_batch_being_cancelled(mode: BatchMode) -> None:
    books = books_with_items(mode, [1, 2])
    failed = books.transfers["trf_0"].moved(TransferStatus.FAILED, START, FailureCode.CANCELLED)
    books.transfers["trf_0"] = failed
    assert ends(judge(books, mode)) == ["cancelled"]


@pytest.mark.parametrize("mode", [ATOMIC, STOP, EACH])
def test_the_second_time_nothing_is_written(mode: BatchMode) -> None:
    books = books_with_items(mode, [1, 2_000, 3])
    for entry in judge(books, mode):
        books.write(entry)
    assert judge(books, mode) == []


async def test_an_atomic_items_leg_is_not_taken_alone() -> None:
    books = books_with_items(ATOMIC, [1, 2])
    with pytest.raises(IllegalMove):
        await books.take(LegRequest("trf_0", Leg.DEBIT), None)  # type: ignore[arg-type]
    assert books.journal == {}


def test_a_journal_that_contradicts_the_state_is_raised_not_walked_for_ever() -> None:
    books = books_with_items(STOP, [1])
    entries = judge(books, STOP)
    books.journal[entries[0].key] = entries[0].answer
    with pytest.raises(IllegalMove):
        judge(books, STOP)
