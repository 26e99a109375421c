"""Amounts, wallets and what crosses the border: every rule at the edge where it begins."""

from dataclasses import replace
from datetime import timedelta

import pytest

from payflow.domain.errors import (
    BalanceLimitExceeded,
    Conflict,
    CurrencyMismatch,
    InsufficientFunds,
    PayflowError,
    WalletClosed,
    WalletFrozen,
    WalletInUse,
)
from payflow.domain.ledger import Posting
from payflow.domain.money import (
    MAX_AMOUNT_MINOR,
    MAX_BALANCE_MINOR,
    Money,
    exponent,
    format_minor,
    is_currency,
)
from payflow.domain.movements import Movement, MovementKind, decide_movement
from payflow.domain.transfers import TransferStatus
from payflow.domain.wallets import Wallet, WalletStatus, closed, frozen, unfrozen
from tests.fakes import ALICE, START, transfer, wallet

LATER = START + timedelta(hours=1)
SHUT = wallet(ALICE, status=WalletStatus.CLOSED)


@pytest.mark.parametrize("amount", [1, MAX_AMOUNT_MINOR])
def test_the_smallest_and_the_largest_amount_are_amounts(amount: int) -> None:
    assert Money(amount, "USD").amount_minor == amount


@pytest.mark.parametrize(
    ("amount", "currency", "words"),
    [
        (0, "USD", "amount must be between 1 and 1000000000000000"),
        (MAX_AMOUNT_MINOR + 1, "USD", "amount must be between 1 and 1000000000000000"),
        (True, "USD", "amount must be an integer, not bool"),
        (1.0, "USD", "amount must be an integer, not float"),
        (1, "usd", "'usd' is not an ISO 4217 currency code"),
        (1, "XAU", "'XAU' is not an ISO 4217 currency code"),
    ],
)
def test_what_is_no_amount_is_told_why(amount: int, currency: str, words: str) -> None:
    with pytest.raises(ValueError, match=f"^{words}$"):
        Money(amount, currency)


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (1250, "USD", "12.50 USD"),
        (5, "USD", "0.05 USD"),
        (-5, "USD", "-0.05 USD"),
        (-1, "JPY", "-1 JPY"),
        (0, "USD", "0.00 USD"),
        (1234567, "JPY", "1,234,567 JPY"),
        (1234567, "KWD", "1,234.567 KWD"),
    ],
)
def test_a_sum_is_written_as_people_write_it(amount: int, currency: str, text: str) -> None:
    assert format_minor(amount, currency) == text


def test_an_amount_writes_itself() -> None:
    assert str(Money(1250, "USD")) == "12.50 USD"


def test_gold_has_no_minor_unit() -> None:
    assert not is_currency("XAU")
    with pytest.raises(ValueError, match=r"^XAU has no minor unit$"):
        exponent("XAU")
    assert [exponent(code) for code in ("JPY", "USD", "KWD")] == [0, 2, 3]


@pytest.mark.parametrize(("balance", "held"), [(-1, 0), (0, -1)])
def test_no_wallet_is_below_zero(balance: int, held: int) -> None:
    words = f"^wallet {ALICE} would hold {balance}, held {held}$"
    with pytest.raises(ValueError, match=words):
        wallet(ALICE, balance, held=held)


def test_only_the_state_changes_when_a_wallet_is_frozen_thawed_and_closed() -> None:
    open_one = wallet(ALICE, 0)
    assert frozen(open_one) == replace(open_one, status=WalletStatus.FROZEN)
    assert unfrozen(frozen(open_one)) == open_one
    assert closed(open_one, open_transfers=0) == SHUT


@pytest.mark.parametrize(
    ("one", "open_transfers"),
    [(wallet(ALICE, 1), 0), (wallet(ALICE, held=1), 0), (wallet(ALICE), 1)],
)
def test_a_wallet_with_money_or_with_money_under_way_stays_open(
    one: Wallet, open_transfers: int
) -> None:
    with pytest.raises(WalletInUse, match=rf"^Wallet {ALICE} holds money"):
        closed(one, open_transfers=open_transfers)


def test_a_closed_wallet_stays_closed() -> None:
    for act in (frozen, unfrozen, lambda one: closed(one, open_transfers=0)):
        with pytest.raises(WalletClosed, match=rf"^Wallet {ALICE} is closed\.$"):
            act(SHUT)


def movement(kind: MovementKind, amount: int, currency: str = "USD") -> Movement:
    return Movement("mov_1", kind, ALICE, Money(amount, currency), START)


def deposit(amount: int) -> Movement:
    return movement(MovementKind.DEPOSIT, amount)


def withdrawal(amount: int) -> Movement:
    return movement(MovementKind.WITHDRAWAL, amount)


@pytest.mark.parametrize(
    ("asked", "before", "balance"),
    [
        (deposit(5), wallet(ALICE, 10), 15),
        (deposit(1), wallet(ALICE, MAX_BALANCE_MINOR - 1), MAX_BALANCE_MINOR),
        (withdrawal(10), wallet(ALICE, 10), 0),
        (withdrawal(7), wallet(ALICE, 10, held=3), 3),
    ],
)
def test_what_crosses_the_border_changes_the_balance(
    asked: Movement, before: Wallet, balance: int
) -> None:
    assert decide_movement(asked, before) == replace(before, balance=balance, sequence=1)


@pytest.mark.parametrize(
    ("asked", "before", "refusal"),
    [
        (withdrawal(11), wallet(ALICE, 10), InsufficientFunds(ALICE)),
        (withdrawal(8), wallet(ALICE, 10, held=3), InsufficientFunds(ALICE)),
        (deposit(1), wallet(ALICE, MAX_BALANCE_MINOR), BalanceLimitExceeded(ALICE)),
        (deposit(1), wallet(ALICE, status=WalletStatus.FROZEN), WalletFrozen(ALICE)),
        (withdrawal(1), wallet(ALICE, 1, status=WalletStatus.FROZEN), WalletFrozen(ALICE)),
        (deposit(1), SHUT, WalletClosed(ALICE)),
        (
            movement(MovementKind.DEPOSIT, 1, "EUR"),
            wallet(ALICE),
            CurrencyMismatch(ALICE, "USD", "EUR"),
        ),
    ],
)
def test_what_may_not_cross_is_refused(
    asked: Movement, before: Wallet, refusal: PayflowError
) -> None:
    with pytest.raises(type(refusal)) as refused:
        decide_movement(asked, before)
    assert str(refused.value) == str(refusal)
    assert isinstance(refused.value, Conflict) is isinstance(refusal, Conflict)


@pytest.mark.parametrize(("asked", "sign"), [(deposit(5), 1), (withdrawal(5), -1)])
def test_a_movement_has_two_sides_and_one_key(asked: Movement, sign: int) -> None:
    assert asked.signed_amount == sign * 5
    assert asked.postings == (Posting(ALICE, sign * 5), Posting("world:USD", sign * -5))
    assert asked.key == f"mov_1:{asked.kind}"


def test_a_move_is_counted_dated_and_takes_the_flag_away() -> None:
    flagged = transfer(sequence=4, needs_attention=True)
    moved = flagged.moved(TransferStatus.DEBITED, LATER)
    assert moved == replace(
        flagged,
        status=TransferStatus.DEBITED,
        sequence=5,
        updated_at=LATER,
        needs_attention=False,
        completed_at=None,
    )


def test_an_end_is_dated_as_one() -> None:
    ended = transfer(status=TransferStatus.CREDITED).moved(TransferStatus.COMPLETED, LATER)
    assert (ended.completed_at, ended.refunded, ended.failure) == (LATER, False, None)


def test_no_arrow_leads_back() -> None:
    ended = transfer(status=TransferStatus.COMPLETED)
    with pytest.raises(ValueError, match=r"^trf_ONE cannot go from completed to failed$"):
        ended.moved(TransferStatus.FAILED, LATER)


def test_parking_counts_and_dates_and_leaves_the_state() -> None:
    standing = transfer(sequence=3, status=TransferStatus.DEBITED)
    assert standing.parked(LATER) == replace(
        standing, sequence=4, updated_at=LATER, needs_attention=True
    )
