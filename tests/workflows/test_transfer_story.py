"""Each way a transfer's story can go, and that only the books decide which."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from payflow.domain.ledger import Leg, LegRequest, Outcome, StepAnswer
from payflow.domain.ports import Origin
from payflow.domain.repairs import RepairAnswer
from payflow.domain.transfers import FailureCode, TransferStatus
from payflow.domain.wallets import WalletStatus
from temporal.messages import Ending, OperatorOrder
from temporal.names import NEEDS_ATTENTION, REFUND_UPDATE, RETRY_UPDATE
from tests.fakes import ALICE, BOB, TRANSFER, InMemoryBooks, TroubledBooks, books_of_two
from tests.workflows.conftest import PARK_AFTER_S, Saga, Tell

WHY = OperatorOrder("usr_OPERATOR", "the payer called")


def outcomes(books: InMemoryBooks) -> dict[str, str]:
    return {key.partition(":")[2]: answer.outcome for key, answer in books.journal.items()}


def balances(books: InMemoryBooks) -> tuple[int, int]:
    return books.wallets[ALICE].balance, books.wallets[BOB].balance


async def parked(saga: Saga) -> None:
    """Skip time until the saga has shown itself to operators."""
    for _ in range(60):
        description = await saga.handle.describe()
        attribute = description.typed_search_attributes.get(NEEDS_ATTENTION)
        if attribute and saga.books.transfers[TRANSFER].needs_attention:
            return
        await saga.environment.sleep(timedelta(seconds=PARK_AFTER_S / 10))
    raise AssertionError("the saga did not park")


async def test_debit_credit_post(tell: Tell) -> None:
    books = books_of_two()
    async with tell(books, TroubledBooks(books)) as saga:
        assert await saga.ending() is Ending.COMPLETED
    assert list(outcomes(books)) == ["debit", "credit", "post"]
    assert balances(books) == (900, 100)


async def test_a_refused_debit_ends_it(tell: Tell) -> None:
    books = books_of_two(balance=99)
    async with tell(books, TroubledBooks(books)) as saga:
        assert await saga.ending() is Ending.NEVER_DEBITED
    assert outcomes(books) == {"debit": Outcome.REFUSED}
    assert balances(books) == (99, 0)


async def test_a_refused_credit_sends_the_money_home(tell: Tell) -> None:
    books = books_of_two()
    books.wallets[BOB] = replace(books.wallets[BOB], status=WalletStatus.FROZEN)
    async with tell(books, TroubledBooks(books)) as saga:
        assert await saga.ending() is Ending.REFUNDED
    assert outcomes(books) == {
        "debit": Outcome.APPLIED,
        "credit": Outcome.REFUSED,
        "refund": Outcome.APPLIED,
    }
    assert balances(books) == (1_000, 0)


@pytest.mark.parametrize("leg", list(Leg))
@pytest.mark.parametrize("moment", ["before", "after"])
async def test_trouble_around_a_commit_changes_nothing(tell: Tell, leg: Leg, moment: str) -> None:
    books = books_of_two()
    if leg is Leg.REFUND:
        books.wallets[BOB] = replace(books.wallets[BOB], status=WalletStatus.FROZEN)
    trouble = TroubledBooks(books)
    getattr(trouble, moment)[leg] += [ConnectionError("away")] * 5
    async with tell(books, trouble) as saga:
        ending = await saga.ending()
    expected = Ending.REFUNDED if leg is Leg.REFUND else Ending.COMPLETED
    assert ending is expected
    assert balances(books) == ((1_000, 0) if leg is Leg.REFUND else (900, 100))
    assert sum(attempt.leg is leg for attempt in trouble.attempts) == 6


@pytest.mark.parametrize("leg", list(Leg))
async def test_a_silent_step_parks_and_goes_on_by_itself(tell: Tell, leg: Leg) -> None:
    books = books_of_two()
    if leg is Leg.REFUND:
        books.wallets[BOB] = replace(books.wallets[BOB], status=WalletStatus.FROZEN)
    trouble = TroubledBooks(books)
    trouble.down.add(leg)
    async with tell(books, trouble) as saga:
        await parked(saga)
        assert len(books.marks) == 1
        assert books.transfers[TRANSFER].status is not TransferStatus.COMPLETED
        trouble.down.clear()
        await saga.ending()
        description = await saga.handle.describe()
    assert description.typed_search_attributes.get(NEEDS_ATTENTION) is None
    assert not books.transfers[TRANSFER].needs_attention
    assert books.transfers[TRANSFER].status.is_terminal


async def test_a_parked_step_is_tried_once_a_minute(tell: Tell) -> None:
    books = books_of_two()
    trouble = TroubledBooks(books)
    trouble.down.add(Leg.CREDIT)
    async with tell(books, trouble) as saga:
        await parked(saga)
        before = len(trouble.attempts)
        await saga.environment.sleep(timedelta(minutes=10))
        assert 9 <= len(trouble.attempts) - before <= 11
        trouble.down.clear()
        assert await saga.ending() is Ending.COMPLETED


async def test_retry_runs_the_parked_step_now(tell: Tell) -> None:
    books = books_of_two()
    trouble = TroubledBooks(books)
    trouble.down.add(Leg.CREDIT)
    async with tell(books, trouble) as saga:
        await parked(saga)
        with saga.environment.auto_time_skipping_disabled():
            trouble.down.clear()
            await saga.handle.execute_update(RETRY_UPDATE, WHY)
            assert await asyncio.wait_for(saga.ending(), 10) is Ending.COMPLETED
    assert balances(books) == (900, 100)


@pytest.mark.parametrize("leg", [Leg.DEBIT, Leg.CREDIT])
async def test_refund_voids_what_did_not_happen(tell: Tell, leg: Leg) -> None:
    books = books_of_two()
    trouble = TroubledBooks(books)
    trouble.down.add(leg)
    async with tell(books, trouble) as saga:
        await parked(saga)
        said = (
            await saga.handle.execute_update(REFUND_UPDATE, WHY, result_type=RepairAnswer)
        ).outcome
        ending = await saga.ending()
    assert said == ending == (Ending.NEVER_DEBITED if leg is Leg.DEBIT else Ending.REFUNDED)
    assert balances(books) == (1_000, 0)
    assert books.journal[f"{TRANSFER}:{leg}"] == StepAnswer(
        leg, Outcome.VOIDED, FailureCode.CANCELLED_BY_OPERATOR
    )
    assert books.transfers[TRANSFER].failure is FailureCode.CANCELLED_BY_OPERATOR


async def test_a_late_attempt_after_a_refund_finds_the_tombstone(tell: Tell) -> None:
    books = books_of_two()
    trouble = TroubledBooks(books)
    trouble.down.add(Leg.CREDIT)
    async with tell(books, trouble) as saga:
        await parked(saga)
        await saga.handle.execute_update(REFUND_UPDATE, WHY)
        await saga.ending()
    zombie = await books.take(LegRequest(TRANSFER, Leg.CREDIT), Origin())
    assert zombie.outcome is Outcome.VOIDED
    assert balances(books) == (1_000, 0)


async def test_refund_drives_forward_when_the_credit_had_landed(tell: Tell) -> None:
    books = books_of_two()
    trouble = TroubledBooks(books)
    # the commit lands, and nobody hears of it, for longer than the saga waits
    trouble.after[Leg.CREDIT] += [ConnectionError("no acknowledgement")] * 1_000
    async with tell(books, trouble) as saga:
        while f"{TRANSFER}:credit" not in books.journal:
            await asyncio.sleep(0.01)
        said = (
            await saga.handle.execute_update(REFUND_UPDATE, WHY, result_type=RepairAnswer)
        ).outcome
        assert said == await saga.ending() == Ending.COMPLETED
    assert balances(books) == (900, 100)


async def test_refund_undoes_a_debit_that_had_landed(tell: Tell) -> None:
    books = books_of_two()
    trouble = TroubledBooks(books)
    trouble.after[Leg.DEBIT] += [ConnectionError("no acknowledgement")] * 1_000
    async with tell(books, trouble) as saga:
        while f"{TRANSFER}:debit" not in books.journal:
            await asyncio.sleep(0.01)
        said = (
            await saga.handle.execute_update(REFUND_UPDATE, WHY, result_type=RepairAnswer)
        ).outcome
        assert said == await saga.ending() == Ending.REFUNDED
    assert outcomes(books) == {
        "debit": Outcome.APPLIED,
        "credit": Outcome.VOIDED,
        "refund": Outcome.APPLIED,
    }
    assert balances(books) == (1_000, 0)


async def test_the_uis_cancel_is_taken_as_a_refund(tell: Tell) -> None:
    books = books_of_two()
    trouble = TroubledBooks(books)
    trouble.down.add(Leg.CREDIT)
    async with tell(books, trouble) as saga:
        await parked(saga)
        await saga.handle.cancel()
        assert await saga.ending() is Ending.REFUNDED
    assert books.transfers[TRANSFER].failure is FailureCode.CANCELLED_BY_OPERATOR
    assert balances(books) == (1_000, 0)


async def test_a_leg_the_state_forbids_parks_at_once_and_is_not_recorded(tell: Tell) -> None:
    books = books_of_two()
    fine = books.transfers[TRANSFER]
    books.transfers[TRANSFER] = replace(fine, status=TransferStatus.REFUNDING)
    trouble = TroubledBooks(books)
    async with tell(books, trouble) as saga:
        for _ in range(100):
            description = await saga.handle.describe()
            if description.typed_search_attributes.get(NEEDS_ATTENTION):
                break
            await asyncio.sleep(0.05)
        else:
            raise AssertionError("the saga did not park")
        assert books.journal == {}
        books.transfers[TRANSFER] = fine
        await saga.handle.execute_update(RETRY_UPDATE, WHY)
        assert await saga.ending() is Ending.COMPLETED


@pytest.mark.parametrize("order", [OperatorOrder("", "why"), OperatorOrder("usr_OPERATOR", "  ")])
async def test_a_verb_without_who_or_why_is_refused(tell: Tell, order: OperatorOrder) -> None:
    books = books_of_two()
    trouble = TroubledBooks(books)
    trouble.down.add(Leg.CREDIT)
    async with tell(books, trouble) as saga:
        await parked(saga)
        for verb in (RETRY_UPDATE, REFUND_UPDATE):
            with pytest.raises(WorkflowUpdateFailedError) as refused:
                await saga.handle.execute_update(verb, order)
            assert isinstance(refused.value.cause, ApplicationError)
            assert refused.value.cause.type == "reason_required"
        trouble.down.clear()
        await saga.handle.execute_update(RETRY_UPDATE, WHY)
        assert await saga.ending() is Ending.COMPLETED


async def test_any_run_from_any_point_ends_the_same_way(tell: Tell) -> None:
    """What a reset, a second run or a duplicate does: walk the same keys to the same end."""
    for balance, frozen in [(1_000, False), (99, False), (1_000, True)]:
        books = books_of_two(balance)
        if frozen:
            books.wallets[BOB] = replace(books.wallets[BOB], status=WalletStatus.FROZEN)
        async with tell(books, TroubledBooks(books)) as saga:
            first = await saga.ending()
        written, end = list(books.entries), balances(books)
        books.wallets[ALICE] = replace(books.wallets[ALICE], status=WalletStatus.FROZEN)
        async with tell(books, TroubledBooks(books)) as saga:
            assert await saga.ending() is first
        assert books.entries == written
        assert balances(books) == end
