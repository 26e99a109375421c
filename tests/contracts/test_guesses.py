"""A guess about a transfer saves a read, and is worth nothing against the books."""

from payflow.domain.ledger import Leg, LegRequest
from payflow.domain.transfers import FailureCode, Transfer, TransferStatus
from payflow.storage.recent import MOST, RecentTransfers
from tests.contracts.conftest import ORIGIN, VOID, Bench
from tests.fakes import START, transfer


def known(*transfers: Transfer) -> RecentTransfers:
    recent = RecentTransfers()
    for one in transfers:
        recent.remember(one)
    return recent


def test_only_a_transfer_that_stands_before_the_leg_is_guessed() -> None:
    recent = known(transfer(5, "trf_1"))
    assert recent.guess(LegRequest("trf_1", Leg.DEBIT))
    assert recent.guess(LegRequest("trf_1", Leg.CREDIT)) is None
    assert recent.guess(LegRequest("trf_2", Leg.DEBIT)) is None
    recent.forget(["trf_1", "trf_2"])
    assert recent.guess(LegRequest("trf_1", Leg.DEBIT)) is None


def test_what_has_ended_and_what_is_too_many_is_not_kept() -> None:
    ended = transfer(5, "trf_1").moved(TransferStatus.FAILED, START, FailureCode.CANCELLED)
    assert known(transfer(5, "trf_1"), ended).guess(LegRequest("trf_1", Leg.DEBIT)) is None
    many = known(*(transfer(5, f"trf_{number}") for number in range(MOST + 1)))
    assert many.guess(LegRequest("trf_0", Leg.DEBIT)) is None
    assert many.guess(LegRequest("trf_1", Leg.DEBIT))


async def test_a_wrong_guess_is_found_out_whatever_became_of_the_transfer(
    bench: Bench,
) -> None:
    alice, bob = await bench.open_wallet(100), await bench.open_wallet()
    debited, voided, parked = [await bench.open_transfer(alice, bob, 10) for _ in range(3)]
    first, other = 0, len(bench.books) - 1  # the first accepted them, and guesses
    await bench.take(LegRequest(debited, Leg.DEBIT), other)
    await bench.take(LegRequest(voided, Leg.DEBIT, VOID), other)
    await bench.books[other].park(parked, TransferStatus.INITIATED, ORIGIN)
    answers = [await bench.take(LegRequest(one, Leg.DEBIT), first) for one in (debited, parked)]
    assert all(answer.applied for answer in answers)
    refused = await bench.take(LegRequest(voided, Leg.DEBIT), first)
    assert refused.code is VOID.code
    await bench.take(LegRequest(debited, Leg.CREDIT), other)
    await bench.take(LegRequest(debited, Leg.CREDIT), first)
    assert (await bench.wallet(alice)).balance == 80
    assert (await bench.wallet(bob)).balance == 10
    assert await bench.journal(debited) == {"debit": 2, "credit": 2}
