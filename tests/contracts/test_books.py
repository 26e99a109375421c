"""The contract of ``Books``: every leg once, whoever asks and how often."""

import asyncio
from collections import Counter

import pytest

from payflow.domain.errors import IllegalMove
from payflow.domain.ledger import Leg, LegRequest, Outcome
from payflow.domain.transfers import FailureCode, TransferStatus
from payflow.domain.wallets import WalletStatus
from tests.contracts.conftest import ORIGIN, VOID, Bench


async def one_transfer(bench: Bench, balance: int = 1_000, amount: int = 100) -> tuple[str, ...]:
    alice, bob = await bench.open_wallet(balance), await bench.open_wallet()
    return alice, bob, await bench.open_transfer(alice, bob, amount)


async def test_three_legs_move_the_money(bench: Bench) -> None:
    alice, bob, transfer_id = await one_transfer(bench)
    for leg in (Leg.DEBIT, Leg.CREDIT, Leg.POST):
        assert (await bench.take(LegRequest(transfer_id, leg))).applied
    assert (await bench.wallet(alice)).balance == 900
    assert (await bench.wallet(bob)).balance == 100
    transfer = await bench.transfer(transfer_id)
    assert transfer.status is TransferStatus.COMPLETED
    assert transfer.completed_at is not None
    assert await bench.journal(transfer_id) == {"debit": 2, "credit": 2, "post": 0}


async def test_fifty_askers_of_one_leg_get_one_effect(bench: Bench) -> None:
    alice, _, transfer_id = await one_transfer(bench)
    debit = LegRequest(transfer_id, Leg.DEBIT)
    answers = await asyncio.gather(*(bench.take(debit, by) for by in range(50)))
    assert len(set(answers)) == 1
    assert (await bench.wallet(alice)).balance == 900
    assert (await bench.wallet(alice)).sequence == 1


async def test_a_caller_that_leaves_does_not_take_its_leg_along(bench: Bench) -> None:
    alice, _, transfer_id = await one_transfer(bench)
    debit = LegRequest(transfer_id, Leg.DEBIT)
    leaver = asyncio.create_task(bench.take(debit))
    await asyncio.sleep(0)
    leaver.cancel()
    assert (await bench.take(debit)).applied
    assert (await bench.wallet(alice)).balance == 900


async def test_what_is_not_there_is_refused_and_stays_refused(bench: Bench) -> None:
    alice, _, transfer_id = await one_transfer(bench, balance=99)
    debit = LegRequest(transfer_id, Leg.DEBIT)
    answers = [await bench.take(debit, by) for by in range(2)]
    assert {answer.code for answer in answers} == {FailureCode.INSUFFICIENT_FUNDS}
    assert (await bench.transfer(transfer_id)).status is TransferStatus.FAILED
    assert (await bench.wallet(alice)).sequence == 0
    assert await bench.journal(transfer_id) == {"debit": 0}


async def test_a_refused_credit_is_refunded(bench: Bench) -> None:
    alice, shut = await bench.open_wallet(500), await bench.open_wallet(0, WalletStatus.FROZEN)
    transfer_id = await bench.open_transfer(alice, shut, 500)
    for leg in (Leg.DEBIT, Leg.CREDIT, Leg.REFUND):
        await bench.take(LegRequest(transfer_id, leg))
    transfer = await bench.transfer(transfer_id)
    assert (transfer.status, transfer.refunded) == (TransferStatus.FAILED, True)
    assert transfer.failure is FailureCode.DESTINATION_UNAVAILABLE
    assert (await bench.wallet(alice)).balance == 500
    assert (await bench.wallet(shut)).balance == 0


async def test_a_tombstone_keeps_a_late_leg_out(bench: Bench) -> None:
    _, bob, transfer_id = await one_transfer(bench)
    await bench.take(LegRequest(transfer_id, Leg.DEBIT))
    settled = await bench.take(LegRequest(transfer_id, Leg.CREDIT, VOID))
    late = await bench.take(LegRequest(transfer_id, Leg.CREDIT), by=1)
    assert settled == late
    assert settled.outcome is Outcome.VOIDED
    assert (await bench.wallet(bob)).balance == 0
    assert (await bench.transfer(transfer_id)).status is TransferStatus.REFUNDING


async def test_settle_and_zombie_at_once_agree(bench: Bench) -> None:
    for _ in range(10):
        _, bob, transfer_id = await one_transfer(bench)
        await bench.take(LegRequest(transfer_id, Leg.DEBIT))
        settled, zombie = await asyncio.gather(
            bench.take(LegRequest(transfer_id, Leg.CREDIT, VOID), by=0),
            bench.take(LegRequest(transfer_id, Leg.CREDIT), by=1),
        )
        assert settled == zombie
        assert (await bench.wallet(bob)).balance == (100 if settled.applied else 0)


async def test_a_leg_out_of_turn_is_raised_and_not_recorded(bench: Bench) -> None:
    _, _, transfer_id = await one_transfer(bench)
    for leg in (Leg.CREDIT, Leg.POST, Leg.REFUND):
        with pytest.raises(IllegalMove):
            await bench.take(LegRequest(transfer_id, leg))
    assert await bench.journal(transfer_id) == {}
    assert (await bench.take(LegRequest(transfer_id, Leg.DEBIT))).applied


async def test_two_hundred_payers_and_one_purse_of_a_hundred(bench: Bench) -> None:
    purse, bob = await bench.open_wallet(100), await bench.open_wallet()
    transfers = [await bench.open_transfer(purse, bob, 1) for _ in range(200)]
    answers = await asyncio.gather(
        *(bench.take(LegRequest(t, Leg.DEBIT), by) for by, t in enumerate(transfers))
    )
    assert Counter(answer.outcome for answer in answers) == {
        Outcome.APPLIED: 100,
        Outcome.REFUSED: 100,
    }
    emptied = await bench.wallet(purse)
    assert (emptied.balance, emptied.sequence) == (0, 100)


async def test_parking_is_marked_once_and_passes_with_the_next_leg(bench: Bench) -> None:
    _, _, transfer_id = await one_transfer(bench)
    await bench.take(LegRequest(transfer_id, Leg.DEBIT))
    for books in bench.books * 2:
        await books.park(transfer_id, TransferStatus.DEBITED, ORIGIN)
    parked = await bench.transfer(transfer_id)
    assert parked.needs_attention
    assert parked.sequence == 3
    await bench.take(LegRequest(transfer_id, Leg.CREDIT))
    for books in bench.books:
        await books.park(transfer_id, TransferStatus.DEBITED, ORIGIN)  # a late mark
    gone_on = await bench.transfer(transfer_id)
    assert not gone_on.needs_attention
    assert gone_on.sequence == 4
