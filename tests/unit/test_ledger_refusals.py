"""What the books refuse to decide, in which words, and what they write beside an answer."""

from dataclasses import replace
from datetime import timedelta

import pytest

from payflow.domain.batch_ledger import ItemsOrder, decide_items
from payflow.domain.batches import BatchMode, BatchPlace
from payflow.domain.errors import IllegalMove
from payflow.domain.invariants import LegalSteps, legal_step_sets
from payflow.domain.ledger import (
    JournalEntry,
    Leg,
    LegRequest,
    Outcome,
    Posting,
    SettledOutside,
    Snapshot,
    StepAnswer,
    Tombstone,
    WalletChange,
    decide,
)
from payflow.domain.transfers import FailureCode, TransferStatus
from tests.fakes import (
    ALICE,
    BATCH,
    BOB,
    START,
    TRANSFER,
    InMemoryBooks,
    books_of_two,
    books_with_items,
    transfer,
    wallet,
)

DEBIT, CREDIT = LegRequest(TRANSFER, Leg.DEBIT), LegRequest(TRANSFER, Leg.CREDIT)
APPLIED = StepAnswer(Leg.DEBIT, Outcome.APPLIED)
HALT = Tombstone(FailureCode.CANCELLED, "owner", "enough")
LATER = START + timedelta(hours=1)
ATOMIC, STOP, EACH = BatchMode.ATOMIC, BatchMode.STOP_ON_ERROR, BatchMode.INDEPENDENT
ALONE = {TRANSFER: transfer()}
OURS = {ALICE: wallet(ALICE, 1_000), BOB: wallet(BOB)}


def refusal(leg: LegRequest, snapshot: Snapshot) -> IllegalMove:
    (answer,) = decide([leg], snapshot, START).answers
    assert isinstance(answer, IllegalMove)
    assert (answer.subject_id, answer.leg) == (TRANSFER, leg.leg)
    return answer


@pytest.mark.parametrize(
    ("leg", "snapshot", "words"),
    [
        (DEBIT, Snapshot({}, OURS, {}), "debit of trf_ONE: there is no such transfer"),
        (CREDIT, Snapshot(ALONE, OURS, {}), "credit of trf_ONE: the transfer is initiated"),
        (DEBIT, Snapshot(ALONE, {}, {}), "debit of trf_ONE: there is no wallet wal_ALICE"),
        (
            DEBIT,
            Snapshot(ALONE, {ALICE: replace(wallet(ALICE, 1_000), currency="EUR")}, {}),
            "debit of trf_ONE: wallet wal_ALICE holds EUR",
        ),
        (
            DEBIT,
            Snapshot({TRANSFER: transfer(place=BatchPlace(BATCH, 0, ATOMIC))}, OURS, {}),
            "debit of trf_ONE: it is bound to the rest of its atomic batch",
        ),
    ],
)
def test_a_leg_that_cannot_be_taken_is_told_why(
    leg: LegRequest, snapshot: Snapshot, words: str
) -> None:
    assert str(refusal(leg, snapshot)) == words


@pytest.mark.parametrize(
    ("leg", "status"),
    [(Leg.DEBIT, TransferStatus.INITIATED), (Leg.POST, TransferStatus.CREDITED)],
)
def test_an_answer_that_refuses_nothing_has_no_code(leg: Leg, status: TransferStatus) -> None:
    snapshot = Snapshot({TRANSFER: transfer(status=status)}, OURS, {})
    (answer,) = decide([LegRequest(TRANSFER, leg)], snapshot, START).answers
    assert answer == StepAnswer(leg, Outcome.APPLIED, None)


@pytest.mark.parametrize(
    ("postings", "change", "words"),
    [
        ((Posting(ALICE, 1),), None, "trf_ONE:debit: postings do not balance"),
        (
            (),
            WalletChange(ALICE, 1, 1),
            "trf_ONE:debit: postings and wallet change belong together",
        ),
    ],
)
def test_an_entry_that_makes_no_sense_cannot_be_built(
    postings: tuple[Posting, ...], change: WalletChange | None, words: str
) -> None:
    with pytest.raises(ValueError, match=f"^{words}$"):
        JournalEntry(DEBIT.key, Leg.DEBIT, APPLIED, postings, change, transfer())


def test_what_was_found_by_a_tombstone_is_not_signed_by_it() -> None:
    books = books_of_two()
    settled = replace(DEBIT, tombstone=HALT)
    snapshot = Snapshot(books.transfers, books.wallets, {DEBIT.key: APPLIED})
    verdict = decide([settled], snapshot, START)
    assert (verdict.answers, verdict.entries) == ([APPLIED], [])


def test_what_was_settled_outside_leaves_for_the_world() -> None:
    outside = SettledOutside("bank reference 7", "paid by wire", "usr_ONE", "usr_TWO")
    leg = replace(CREDIT, outside=outside)
    debited = {TRANSFER: transfer(status=TransferStatus.DEBITED)}
    (entry,) = decide([leg], Snapshot(debited, OURS, {}), START).entries
    assert entry.postings == (Posting("world:USD", 100), Posting("transit:trf_ONE", -100))
    assert (entry.change, entry.outside, entry.tombstone) == (None, outside, None)
    assert entry.transfer.status is TransferStatus.CREDITED


def test_every_way_through_the_books() -> None:
    def way(status: TransferStatus, *steps: str, refunded: bool = False) -> LegalSteps:
        return LegalSteps(status, frozenset(steps), refunded)

    paid, refused = ("debit:applied", "credit:applied"), ("debit:applied", "credit:refused")
    voided = ("debit:applied", "credit:voided")
    legal_step_sets.cache_clear()
    assert legal_step_sets() == {
        way(TransferStatus.INITIATED),
        way(TransferStatus.FAILED, "debit:refused"),
        way(TransferStatus.FAILED, "debit:voided"),
        way(TransferStatus.DEBITED, "debit:applied"),
        way(TransferStatus.CREDITED, *paid),
        way(TransferStatus.COMPLETED, *paid, "post:applied"),
        way(TransferStatus.REFUNDING, *refused),
        way(TransferStatus.REFUNDING, *voided),
        way(TransferStatus.FAILED, *refused, "refund:applied", refunded=True),
        way(TransferStatus.FAILED, *voided, "refund:applied", refunded=True),
    }


def judged(books: InMemoryBooks, mode: BatchMode, halt: Tombstone | None) -> list[JournalEntry]:
    order = ItemsOrder(BATCH, mode, 0, 100, halt)
    snapshot = Snapshot(books.transfers, books.wallets, books.journal)
    return decide_items(order, [t.id for t in books.items_of(BATCH)], snapshot, LATER)


@pytest.mark.parametrize("mode", list(BatchMode))
@pytest.mark.parametrize("amounts", [[1, 2], [2_000, 1]])
def test_all_items_are_dated_by_the_moment_they_were_decided(
    mode: BatchMode, amounts: list[int]
) -> None:
    entries = judged(books_with_items(mode, amounts), mode, None)
    assert {entry.transfer.updated_at for entry in entries} == {LATER}


def test_the_item_that_was_refused_is_voided_in_the_batchs_name() -> None:
    entries = judged(books_with_items(ATOMIC, [1, 2_000]), ATOMIC, None)
    signed = {entry.transfer.id: entry.tombstone for entry in entries}
    assert signed == {
        "trf_0": Tombstone(FailureCode.BATCH_REJECTED, "batch", "another item was refused"),
        "trf_1": Tombstone(FailureCode.INSUFFICIENT_FUNDS, "batch", "it was refused"),
    }


@pytest.mark.parametrize("mode", [STOP, EACH])
def test_a_halt_ends_what_has_not_begun_and_nothing_else(mode: BatchMode) -> None:
    books = books_with_items(mode, [1, 2])
    begun = replace(books.transfers["trf_0"], status=TransferStatus.DEBITED)
    books.transfers["trf_0"], books.journal["trf_0:debit"] = begun, APPLIED
    entries = judged(books, mode, HALT)
    ends = {entry.transfer.id: entry.transfer.status for entry in entries}
    assert ends == {"trf_0": TransferStatus.COMPLETED, "trf_1": TransferStatus.FAILED}


@pytest.mark.parametrize("mode", [STOP, ATOMIC])
def test_an_item_whose_journal_is_ahead_of_it_is_an_error(mode: BatchMode) -> None:
    books = books_with_items(mode, [1, 2])
    books.journal["trf_1:debit"] = APPLIED
    with pytest.raises(IllegalMove) as illegal:
        judged(books, mode, None)
    assert str(illegal.value) == "debit of trf_1: journaled, and the transfer is initiated"
    assert (illegal.value.subject_id, illegal.value.leg) == ("trf_1", Leg.DEBIT)
