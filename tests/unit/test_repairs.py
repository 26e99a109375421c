"""What a verb would post is what it then posts, and the books balance whatever was resolved."""

import re
from collections import defaultdict
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.exceptions import ApplicationError

from payflow.domain.errors import NothingToRetry, TransferTerminal
from payflow.domain.ledger import (
    Leg,
    LegRequest,
    SettledOutside,
    Snapshot,
    Tombstone,
    decide,
    leg_from,
)
from payflow.domain.ports import Origin
from payflow.domain.repair_errors import LegNotPending
from payflow.domain.repairs import RepairOrder, Resolution, Resolve, Verb, plan, tombstone_of
from payflow.domain.transfers import FailureCode, Transfer, TransferStatus
from payflow.domain.wallets import WalletStatus
from temporal import wording
from temporal.queries import SAVED, by_wallet
from tests.fakes import ALICE, BOB, START, TRANSFER, InMemoryBooks, books_of_two, wallet

VOUCHED = Resolve(Leg.CREDIT, Resolution.SETTLED_OUTSIDE, "bank reference 42")
GIVEN_BACK = Resolve(Leg.REFUND, Resolution.SETTLED_OUTSIDE, "bank reference 43")
NEVER_CAME = Resolve(Leg.CREDIT, Resolution.NOT_DONE, "a letter")
OUTSIDE = SettledOutside("bank reference 42", "why", "usr_A", "usr_B")


def snapshot_of(books: InMemoryBooks) -> Snapshot:
    return Snapshot(books.transfers, books.wallets, books.journal)


async def _walked(books: InMemoryBooks, steps: int) -> None:
    """The saga's first steps, in order."""
    for _ in range(steps):
        leg = leg_from(books.transfers[TRANSFER].status)
        if leg is not None:
            await books.take(LegRequest(TRANSFER, leg), Origin())


async def _carried_out(books: InMemoryBooks, verb: Verb, resolve: Resolve | None) -> None:
    """The saga from here on, as its steps ask for the legs once the verb was heard."""
    gives_back = verb is Verb.REFUND or resolve is NEVER_CAME
    while (leg := leg_from(books.transfers[TRANSFER].status)) is not None:
        if resolve in (VOUCHED, GIVEN_BACK) and resolve is not None and resolve.leg is leg:
            request = LegRequest(TRANSFER, leg, outside=OUTSIDE)
        elif gives_back and leg.can_be_refused:
            request = LegRequest(TRANSFER, leg, tombstone_of("usr_A", "why"))
        else:
            request = LegRequest(TRANSFER, leg)
        await books.take(request, Origin())


@given(
    balance=st.integers(0, 200),
    bob=st.sampled_from([WalletStatus.ACTIVE, WalletStatus.FROZEN, WalletStatus.CLOSED]),
    alice=st.sampled_from([WalletStatus.ACTIVE, WalletStatus.FROZEN]),
    steps=st.integers(0, 3),
    asked=st.sampled_from(
        [
            (Verb.RETRY, None),
            (Verb.REFUND, None),
            (Verb.RESOLVE, VOUCHED),
            (Verb.RESOLVE, GIVEN_BACK),
            (Verb.RESOLVE, NEVER_CAME),
            (Verb.PAUSE, None),
        ]
    ),
)
async def test_what_it_would_post_is_what_it_posts(
    balance: int,
    bob: WalletStatus,
    alice: WalletStatus,
    steps: int,
    asked: tuple[Verb, Resolve | None],
) -> None:
    books = books_of_two(balance)
    books.wallets[BOB] = wallet(BOB, status=bob)
    await _walked(books, min(steps, 1))
    books.wallets[ALICE] = wallet(
        ALICE, books.wallets[ALICE].balance, status=alice, sequence=books.wallets[ALICE].sequence
    )
    await _walked(books, steps - 1)
    verb, resolve = asked
    before = list(books.entries)
    try:
        foreseen = plan(verb, TRANSFER, resolve, snapshot_of(books), START)
    except (TransferTerminal, NothingToRetry):
        assert books.transfers[TRANSFER].status.is_terminal
        return
    except LegNotPending:
        assert resolve is not None
        assert leg_from(books.transfers[TRANSFER].status) is not resolve.leg
        return
    assert books.entries == before
    if verb is Verb.PAUSE:
        assert foreseen == []
        return
    await _carried_out(books, verb, resolve)
    posted = books.entries[len(before) :]
    assert [(e.key, e.answer, e.postings) for e in foreseen] == [
        (e.key, e.answer, e.postings) for e in posted
    ]
    _balances(books, balance)


def _balances(books: InMemoryBooks, opening: int) -> None:
    folded: defaultdict[str, int] = defaultdict(int)
    for entry in books.entries:
        for posting in entry.postings:
            folded[posting.account] += posting.amount
    assert sum(folded.values()) == 0
    assert folded[f"transit:{TRANSFER}"] == 0
    assert sum(w.balance for w in books.wallets.values()) + folded["world:USD"] == opening


@pytest.mark.parametrize("status", [TransferStatus.COMPLETED, TransferStatus.FAILED])
def test_nothing_is_planned_for_what_has_ended(status: TransferStatus) -> None:
    books = books_of_two()
    books.transfers[TRANSFER] = _in(books, status)
    with pytest.raises(TransferTerminal, match=rf"^Transfer {TRANSFER} has ended \({status}\)\.$"):
        plan(Verb.REFUND, TRANSFER, None, snapshot_of(books), START)
    with pytest.raises(NothingToRetry, match=f"^Transfer {TRANSFER} has no step"):
        plan(Verb.RETRY, TRANSFER, None, snapshot_of(books), START)
    books.transfers[TRANSFER] = _in(books, TransferStatus.INITIATED)
    assert plan(Verb.RETRY, TRANSFER, None, snapshot_of(books), START)


async def test_a_leg_is_resolved_only_while_it_is_waited_for() -> None:
    books = books_of_two()
    await _walked(books, 1)
    refused = f"^Transfer {TRANSFER} does not wait for its refund: it waits for its credit\\.$"
    with pytest.raises(LegNotPending, match=refused):
        plan(Verb.RESOLVE, TRANSFER, GIVEN_BACK, snapshot_of(books), START)
    assert plan(Verb.RESOLVE, TRANSFER, NEVER_CAME, snapshot_of(books), START)


async def test_a_preview_says_what_would_stand_in_the_books_and_names_nobody() -> None:
    books = books_of_two()
    await _walked(books, 1)
    later = START + timedelta(hours=1)
    voided, sent_home = plan(Verb.REFUND, TRANSFER, None, snapshot_of(books), later)
    assert (voided.leg, sent_home.leg) == (Leg.CREDIT, Leg.REFUND)
    assert voided.tombstone == Tombstone(FailureCode.CANCELLED_BY_OPERATOR, "", "")
    assert voided.answer.code is FailureCode.CANCELLED_BY_OPERATOR
    assert sent_home.transfer.completed_at == later
    vouched, posted = plan(Verb.RESOLVE, TRANSFER, VOUCHED, snapshot_of(books), later)
    assert (vouched.leg, posted.leg) == (Leg.CREDIT, Leg.POST)
    assert vouched.outside == SettledOutside("bank reference 42", "", "", "")
    assert posted.outside is None


def test_who_gives_the_money_back_and_why_stands_at_the_leg() -> None:
    tombstone = tombstone_of("usr_A", "the payer called")
    assert tombstone.code is FailureCode.CANCELLED_BY_OPERATOR
    assert (tombstone.actor, tombstone.reason) == ("usr_A", "the payer called")


def _in(books: InMemoryBooks, status: TransferStatus) -> Transfer:
    return replace(books.transfers[TRANSFER], status=status)


@pytest.mark.parametrize(
    ("leg", "outcome", "evidence", "why"),
    [
        (Leg.DEBIT, Resolution.SETTLED_OUTSIDE, "a letter", "leg must be credit or refund"),
        (Leg.POST, Resolution.SETTLED_OUTSIDE, "a letter", "leg must be credit or refund"),
        (
            Leg.REFUND,
            Resolution.NOT_DONE,
            "a letter",
            "a refund cannot be 'not_done': the money has to go somewhere",
        ),
        (Leg.CREDIT, Resolution.NOT_DONE, "  ", "evidence must say where this can be seen"),
    ],
)
def test_a_resolution_that_makes_no_sense(
    leg: Leg, outcome: Resolution, evidence: str, why: str
) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(why)}$"):
        Resolve(leg, outcome, evidence)
    assert Resolve(Leg.CREDIT, Resolution.NOT_DONE, "a letter")


def test_only_resolve_says_what_to_resolve() -> None:
    why = "^resolve, and only resolve, says of which leg and how$"
    with pytest.raises(ValueError, match=why):
        RepairOrder(Verb.REFUND, "usr_A", "why", "act_1", VOUCHED)
    with pytest.raises(ValueError, match=why):
        RepairOrder(Verb.RESOLVE, "usr_A", "why", "act_1")
    assert RepairOrder(Verb.RESOLVE, "usr_A", "why", "act_1", VOUCHED)


@pytest.mark.parametrize("leg", [Leg.DEBIT, Leg.POST])
def test_no_other_leg_is_settled_outside(leg: Leg) -> None:
    with pytest.raises(ValueError, match="settled outside"):
        LegRequest(TRANSFER, leg, outside=OUTSIDE)
    assert LegRequest(TRANSFER, Leg.CREDIT, outside=OUTSIDE).settles


def test_a_late_credit_finds_what_was_settled_outside() -> None:
    books = books_of_two()
    for request in (
        LegRequest(TRANSFER, Leg.DEBIT),
        LegRequest(TRANSFER, Leg.CREDIT, outside=OUTSIDE),
    ):
        for entry in decide([request], snapshot_of(books), START).entries:
            books.write(entry)
    late = decide([LegRequest(TRANSFER, Leg.CREDIT)], snapshot_of(books), START)
    assert late.entries == []
    assert (books.wallets[ALICE].balance, books.wallets[BOB].balance) == (900, 0)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ApplicationError("x", type="ServerSelectionTimeoutError"), "MongoDB has no primary"),
        (
            ApplicationError(
                "batch op errors: {'errmsg': 'Document failed validation'}", type="BulkWriteError"
            ),
            "MongoDB refuses to write it (Document failed validation)",
        ),
        (ApplicationError("rehearsed timeout before the commit", type="X"), "rehearsed timeout"),
    ],
)
def test_a_failure_is_told_in_plain_words(error: ApplicationError, said: str) -> None:
    assert said in wording.why(error)
    outer = ApplicationError("cannot answer", type="BooksUnavailable")
    outer.__cause__ = error
    assert said in wording.why(outer)


def test_every_saved_query_says_what_it_means() -> None:
    for saved in (*SAVED, by_wallet("wal_A")):
        assert saved.name
        assert saved.query
        assert saved.meaning.endswith(".")
