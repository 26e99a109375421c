"""A guess about a transfer saves a read, and is worth nothing against the books."""

from payflow.domain.ledger import Leg, LegRequest, Snapshot, decide
from payflow.domain.transfers import FailureCode, Transfer, TransferStatus
from payflow.domain.wallets import WalletStatus
from payflow.storage.recent import MOST, RecentTransfers
from payflow.storage.recent_wallets import FORGIVEN_AFTER, RecentWallets
from tests.contracts.conftest import ORIGIN, VOID, Bench
from tests.fakes import ALICE, BOB, START, transfer, wallet


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


async def test_in_a_group_only_what_is_not_known_is_read_and_that_whole(bench: Bench) -> None:
    alice, bob = await bench.open_wallet(100), await bench.open_wallet()
    moved, *others = [await bench.open_transfer(alice, bob, 10) for _ in range(6)]
    first, other = 0, len(bench.books) - 1  # the first knows all of them as they began
    await bench.take(LegRequest(moved, Leg.DEBIT), other)
    legs = [
        LegRequest(moved, Leg.DEBIT),  # guessed, and wrongly
        LegRequest(moved, Leg.CREDIT),  # not to be guessed, so the transfer is read for both
        *(LegRequest(one, Leg.DEBIT) for one in others),
    ]
    answers = await bench.books[first].take_all(legs, ORIGIN, 5.0)
    assert [answer is not None and answer.applied for answer in answers] == [True] * 7
    assert (await bench.wallet(alice)).balance == 40
    assert (await bench.wallet(bob)).balance == 10


async def test_a_wallet_that_another_process_wrote_is_found_out(bench: Bench) -> None:
    alice, bob = await bench.open_wallet(100), await bench.open_wallet()
    first, other = 0, len(bench.books) - 1
    amounts = (10, 70, 20, 1)
    paid, others, last, too_much = [await bench.open_transfer(alice, bob, n) for n in amounts]
    for one, by in ((paid, first), (others, other), (last, first)):
        assert (await bench.take(LegRequest(one, Leg.DEBIT), by)).applied
    assert (await bench.wallet(alice)).balance == 0
    refused = await bench.take(LegRequest(too_much, Leg.DEBIT), first)
    assert refused.code is FailureCode.INSUFFICIENT_FUNDS


async def test_nobody_is_refused_by_a_guess(bench: Bench) -> None:
    alice, bob = await bench.open_wallet(100), await bench.open_wallet()
    carol = await bench.open_wallet(50)
    first, other = 0, len(bench.books) - 1
    spent = await bench.open_transfer(alice, bob, 100)
    assert (await bench.take(LegRequest(spent, Leg.DEBIT), first)).applied
    income = await bench.open_transfer(carol, alice, 50)
    for leg in (Leg.DEBIT, Leg.CREDIT):
        assert (await bench.take(LegRequest(income, leg), other)).applied
    again = await bench.open_transfer(alice, bob, 50)  # the first knows of an empty wallet
    assert (await bench.take(LegRequest(again, Leg.DEBIT), first)).applied


async def test_a_wallet_that_was_frozen_meanwhile_pays_nobody(bench: Bench) -> None:
    alice, bob = await bench.open_wallet(100), await bench.open_wallet()
    before, after, thawed = [await bench.open_transfer(alice, bob, 10) for _ in range(3)]
    assert (await bench.take(LegRequest(before, Leg.DEBIT))).applied
    await bench.set_status(alice, WalletStatus.FROZEN)
    assert (await bench.take(LegRequest(after, Leg.DEBIT))).code is FailureCode.WALLET_FROZEN
    await bench.set_status(alice, WalletStatus.ACTIVE)
    assert (await bench.take(LegRequest(thawed, Leg.DEBIT))).applied


def test_wallets_are_guessed_for_as_long_as_it_pays() -> None:
    before = Snapshot({"trf_1": transfer(5, "trf_1")}, {ALICE: wallet(ALICE, 9)}, {})
    entries = decide([LegRequest("trf_1", Leg.DEBIT)], before, START).entries
    recent = RecentWallets()
    assert recent.guess({ALICE}) is None
    recent.remember(entries, before)
    assert recent.guess({ALICE, BOB}) is None
    guess = recent.guess({ALICE})
    assert guess is not None
    assert (guess[ALICE].balance, guess[ALICE].sequence) == (4, 1)
    recent.was_wrong()
    without = [recent.guess({ALICE}) for _ in range(FORGIVEN_AFTER + 1)]
    assert without[:-1] == [None] * FORGIVEN_AFTER
    assert recent.guess({ALICE})
    recent.keep(wallet(ALICE, 9))  # heard of late: the books were at its successor already
    assert recent.guess({ALICE}) == guess
    recent.forget([ALICE])
    assert recent.guess({ALICE}) is None
    recent.keep(wallet(ALICE, 9))
    assert recent.guess({ALICE}) == {ALICE: wallet(ALICE, 9)}
