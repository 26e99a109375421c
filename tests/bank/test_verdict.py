"""What a whole history is found guilty of, and what not."""

from pathlib import Path
from typing import Any

import pytest

from tests.bank.history import History, Kind, Operation, Outcome
from tests.bank.verdict import faults_in

ALICE, BOB = "wal_ALICE", "wal_BOB"


def operation(kind: Kind, at: float, asked: dict[str, Any], **found: Any) -> Operation:
    """One that took a moment and was answered."""
    return Operation("client", kind, at, asked, at + 0.5, Outcome.OK, found)


def transfer(at: float, amount: int, **found: Any) -> Operation:
    asked = {"source": ALICE, "destination": BOB, "amount": amount}
    return operation(Kind.TRANSFER, at, asked, **found)


def snapshot(
    at: float, alice: int, bob: int, in_transit: int, from_world: int = 100, *frozen: str
) -> Operation:
    return operation(
        Kind.SNAPSHOT,
        at,
        {},
        balances={ALICE: alice, BOB: bob},
        frozen=list(frozen),
        in_transit=in_transit,
        from_world=from_world,
    )


def history(*operations: Operation) -> History:
    return History(7, {ALICE: 100, BOB: 0}, list(operations))


def deposit(at: float, amount: int, **found: Any) -> Operation:
    return operation(Kind.DEPOSIT, at, {"wallet": ALICE, "amount": amount}, **found)


SOUND = {
    "a payment": history(transfer(0, 30), snapshot(1, 70, 30, 0)),
    "a payment half done": history(transfer(0, 30), snapshot(0.2, 70, 0, 30)),
    "a refused credit": history(
        operation(Kind.FREEZE, 0, {"wallet": BOB}),
        transfer(1, 30, code="destination_unavailable"),
        snapshot(1.2, 70, 0, 30, 100, BOB),
        operation(Kind.UNFREEZE, 2, {"wallet": BOB}),
        snapshot(3, 100, 0, 0),
    ),
    "a lack of funds": history(transfer(0, 101, code="insufficient_funds")),
    "a deposit": history(deposit(0, 5, balance_after=105), snapshot(1, 105, 0, 0, 105)),
    "a deposit refused": history(
        operation(Kind.FREEZE, 0, {"wallet": ALICE}),
        deposit(1, 5, code="wallet_frozen"),
        operation(Kind.READ, 2, {"wallet": ALICE}, balance=100, frozen=True),
    ),
    "a withdrawal": history(
        operation(Kind.WITHDRAWAL, 0, {"wallet": ALICE, "amount": 5}, balance_after=95),
        snapshot(1, 95, 0, 0, 95),
    ),
}

GUILTY = {
    "money is lost": (history(snapshot(0, 70, 0, 0)), "came from the world"),
    "money is made": (history(transfer(0, 30), snapshot(0.1, 100, 30, 0)), "130 in wallets"),
    "below zero": (history(snapshot(0, 130, -30, 0)), "below zero"),
    "a deposit nobody made": (history(snapshot(0, 105, 0, 0, 105)), "5 since the opening"),
    "a deposit is gone": (
        history(deposit(0, 5, balance_after=105), snapshot(1, 100, 0, 0, 100)),
        "between 5 and 5",
    ),
    "a credit without its debit": (
        history(transfer(0, 30, code="insufficient_funds")),
        "fits no order",
    ),
    "an old balance": (
        history(
            transfer(0, 30), operation(Kind.READ, 1, {"wallet": ALICE}, balance=100, frozen=False)
        ),
        "fits no order",
    ),
    "a payment that hangs": (
        history(
            Operation(
                "client", Kind.TRANSFER, 0, {"source": ALICE, "destination": BOB, "amount": 1}, 9
            )
        ),
        "has not ended",
    ),
}


@pytest.mark.parametrize("sound", SOUND.values(), ids=SOUND)
def test_a_bank_is_left_alone(sound: History) -> None:
    assert faults_in(sound) == []


@pytest.mark.parametrize(("guilty", "words"), GUILTY.values(), ids=GUILTY)
def test_what_is_no_bank_is_told(guilty: History, words: str) -> None:
    assert words in "\n".join(faults_in(guilty))


def test_an_outcome_that_is_none_of_this_bank_is_an_error() -> None:
    with pytest.raises(ValueError, match="debit_rejected is no outcome"):
        faults_in(history(transfer(0, 30, code="debit_rejected")))


def test_a_history_is_kept_whole(tmp_path: Path) -> None:
    told = SOUND["a refused credit"]
    told.save(tmp_path / "history.jsonl")
    assert History.load(tmp_path / "history.jsonl") == told
