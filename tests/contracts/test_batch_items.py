"""The contract of ``Books`` about many legs at once: none lost, none doubled, each for itself."""

import asyncio

import pytest

from payflow.domain.batch_ledger import CANCELLED, ItemsOrder
from payflow.domain.batches import BatchMode
from payflow.domain.errors import IllegalMove
from payflow.domain.ledger import Leg, LegRequest
from payflow.domain.transfers import FailureCode
from payflow.domain.wallets import WalletStatus
from tests.contracts.conftest import ORIGIN, VOID, Bench

WITHIN_S = 10.0


async def test_many_legs_are_answered_in_their_order(bench: Bench) -> None:
    alice, bob = await bench.open_wallet(100), await bench.open_wallet()
    items = [await bench.open_transfer(alice, bob, amount) for amount in (60, 60, 40)]
    legs = [LegRequest(item, Leg.DEBIT) for item in items]
    for books in (bench.books[0], bench.books[-1]):
        answers = await books.take_all(legs, ORIGIN, WITHIN_S)
        assert [answer.code if answer else "?" for answer in answers] == [
            None,
            FailureCode.INSUFFICIENT_FUNDS,
            None,
        ]
    assert (await bench.wallet(alice)).balance == 0


async def test_a_leg_that_may_not_be_taken_concerns_no_other(bench: Bench) -> None:
    alice, bob = await bench.open_wallet(100), await bench.open_wallet()
    items = [await bench.open_transfer(alice, bob, 10) for _ in range(2)]
    legs = [LegRequest(items[0], Leg.CREDIT), LegRequest(items[1], Leg.DEBIT, VOID)]
    illegal, voided = await bench.books[0].take_all(legs, ORIGIN, WITHIN_S)
    assert illegal is None
    assert voided and voided.code is VOID.code
    assert await bench.books[0].take_all([], ORIGIN, WITHIN_S) == []


async def ends(bench: Bench, items: list[str]) -> list[str]:
    found = [await bench.transfer(item) for item in items]
    return [item.failure or item.status for item in found]


@pytest.mark.parametrize(
    ("mode", "expected", "left"),
    [
        (BatchMode.INDEPENDENT, ["completed", "insufficient_funds", "completed"], 10),
        (BatchMode.STOP_ON_ERROR, ["completed", "insufficient_funds", "batch_stopped"], 40),
        (BatchMode.ATOMIC, ["batch_rejected", "insufficient_funds", "batch_rejected"], 100),
    ],
)
async def test_items_end_together_as_their_mode_says(
    bench: Bench, mode: BatchMode, expected: list[str], left: int
) -> None:
    alice, bob = await bench.open_wallet(100), await bench.open_wallet()
    batch_id, items = await bench.open_batch(mode, alice, bob, (60, 60, 30))
    order = ItemsOrder(batch_id, mode, 0, 3)
    for books in (bench.books[0], bench.books[-1]):  # again, elsewhere: the same
        await books.take_items(order, ORIGIN)
        assert await ends(bench, items) == expected
        assert (await bench.wallet(alice)).balance == left
        assert (await bench.wallet(bob)).balance == 100 - left


async def test_two_who_take_the_same_items_at_once_take_them_once(bench: Bench) -> None:
    alice, bob = await bench.open_wallet(100), await bench.open_wallet()
    batch_id, items = await bench.open_batch(BatchMode.ATOMIC, alice, bob, [2] * 20)
    order = ItemsOrder(batch_id, BatchMode.ATOMIC, 0, 20)
    await asyncio.gather(*(books.take_items(order, ORIGIN) for books in bench.books * 2))
    assert set(await ends(bench, items)) == {"completed"}
    assert (await bench.wallet(alice)).balance == 60
    assert (await bench.wallet(alice)).sequence == 20
    assert await bench.journal(items[7]) == {"debit": 2, "credit": 2, "post": 0}


async def test_single_legs_and_a_batch_share_a_wallet(bench: Bench) -> None:
    alice, bob = await bench.open_wallet(1_000), await bench.open_wallet()
    batch_id, items = await bench.open_batch(BatchMode.ATOMIC, alice, bob, [1] * 200)
    singles = [await bench.open_transfer(alice, bob, 1) for _ in range(30)]
    order = ItemsOrder(batch_id, BatchMode.ATOMIC, 0, 200)
    await asyncio.gather(
        bench.books[0].take_items(order, ORIGIN),
        *(bench.take(LegRequest(one, Leg.DEBIT), by) for by, one in enumerate(singles)),
    )
    assert set(await ends(bench, items)) == {"completed"}
    assert (await bench.wallet(alice)).balance == 770
    assert (await bench.wallet(bob)).balance == 200


async def test_an_atomic_item_is_not_taken_alone(bench: Bench) -> None:
    alice, bob = await bench.open_wallet(100), await bench.open_wallet()
    batch_id, items = await bench.open_batch(BatchMode.ATOMIC, alice, bob, (1, 2))
    with pytest.raises(IllegalMove):
        await bench.take(LegRequest(items[0], Leg.DEBIT))
    await bench.books[0].take_items(ItemsOrder(batch_id, BatchMode.ATOMIC, 0, 2, CANCELLED), ORIGIN)
    assert await ends(bench, items) == ["cancelled", "cancelled"]
    assert (await bench.wallet(alice)).balance == 100


async def test_an_atomic_batch_into_a_frozen_wallet_moves_nothing(bench: Bench) -> None:
    alice = await bench.open_wallet(100)
    bob, carol = await bench.open_wallet(), await bench.open_wallet(status=WalletStatus.FROZEN)
    for payee, end in ((carol, "destination_unavailable"), (bob, "completed")):
        batch_id, items = await bench.open_batch(BatchMode.ATOMIC, alice, payee, (1, 2))
        await bench.books[0].take_items(ItemsOrder(batch_id, BatchMode.ATOMIC, 0, 2), ORIGIN)
        assert (await ends(bench, items))[0] == end
    assert (await bench.wallet(alice)).balance == 97
