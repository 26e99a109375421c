"""The contract of ``Books`` about many legs at once: none lost, none doubled, each for itself."""

from payflow.domain.ledger import Leg, LegRequest
from payflow.domain.transfers import FailureCode
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
