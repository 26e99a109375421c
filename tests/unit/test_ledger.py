"""The state machine of the books: each rule of what may be applied, refused or voided."""

import pytest

from payflow.domain.errors import IllegalMove
from payflow.domain.ledger import (
    LEAVES,
    REACHES,
    Leg,
    LegRequest,
    Outcome,
    Snapshot,
    StepAnswer,
    Tombstone,
    Verdict,
    decide,
)
from payflow.domain.money import MAX_BALANCE_MINOR
from payflow.domain.transfers import LEGAL_MOVES, FailureCode, Transfer, TransferStatus
from payflow.domain.wallets import Wallet, WalletStatus
from tests.fakes import ALICE, BOB, START, TRANSFER, transfer, wallet

CANCELLED = Tombstone(FailureCode.CANCELLED_BY_OPERATOR, "usr_OPERATOR", "the payer called")


def judge(
    *legs: LegRequest,
    of: Transfer | None = None,
    source: Wallet | None = None,
    destination: Wallet | None = None,
    journal: dict[str, StepAnswer] | None = None,
) -> Verdict:
    wallets = {ALICE: source or wallet(ALICE, 1_000), BOB: destination or wallet(BOB)}
    return decide(legs, Snapshot({TRANSFER: of or transfer()}, wallets, journal or {}), START)


def in_state(status: TransferStatus) -> Transfer:
    return transfer(status=status)


DEBIT, CREDIT = LegRequest(TRANSFER, Leg.DEBIT), LegRequest(TRANSFER, Leg.CREDIT)
REFUND, POST = LegRequest(TRANSFER, Leg.REFUND), LegRequest(TRANSFER, Leg.POST)


def test_a_debit_moves_the_amount_into_transit() -> None:
    verdict = judge(DEBIT)
    (entry,) = verdict.entries
    assert verdict.answers == [StepAnswer(Leg.DEBIT, Outcome.APPLIED)]
    assert {p.account: p.amount for p in entry.postings} == {
        ALICE: -100,
        f"transit:{TRANSFER}": 100,
    }
    assert entry.change is not None
    assert (entry.change.wallet_sequence, entry.change.balance_after) == (1, 900)
    assert entry.transfer.status is TransferStatus.DEBITED


@pytest.mark.parametrize(
    ("source", "code"),
    [
        (wallet(ALICE, 99), FailureCode.INSUFFICIENT_FUNDS),
        (wallet(ALICE, 150, held=51), FailureCode.INSUFFICIENT_FUNDS),
        (wallet(ALICE, 1_000, status=WalletStatus.FROZEN), FailureCode.WALLET_FROZEN),
        (wallet(ALICE, 0, status=WalletStatus.CLOSED), FailureCode.WALLET_CLOSED),
    ],
)
def test_a_debit_is_refused_and_the_transfer_fails(source: Wallet, code: FailureCode) -> None:
    verdict = judge(DEBIT, source=source)
    (entry,) = verdict.entries
    assert verdict.answers == [StepAnswer(Leg.DEBIT, Outcome.REFUSED, code)]
    assert entry.postings == ()
    assert entry.change is None
    assert entry.transfer.status is TransferStatus.FAILED
    assert entry.transfer.failure is code
    assert not entry.transfer.refunded


def test_a_debit_may_take_all_that_is_available() -> None:
    (answer,) = judge(DEBIT, source=wallet(ALICE, 150, held=50)).answers
    assert answer == StepAnswer(Leg.DEBIT, Outcome.APPLIED)


@pytest.mark.parametrize(
    "destination",
    [
        wallet(BOB, status=WalletStatus.FROZEN),
        wallet(BOB, status=WalletStatus.CLOSED),
        wallet(BOB, MAX_BALANCE_MINOR - 99),
    ],
)
def test_a_refused_credit_turns_the_money_round(destination: Wallet) -> None:
    verdict = judge(CREDIT, of=in_state(TransferStatus.DEBITED), destination=destination)
    (entry,) = verdict.entries
    assert entry.answer.code is FailureCode.DESTINATION_UNAVAILABLE
    assert entry.transfer.status is TransferStatus.REFUNDING


def test_a_credit_may_fill_a_wallet_to_the_brim() -> None:
    full = wallet(BOB, MAX_BALANCE_MINOR - 100)
    (answer,) = judge(CREDIT, of=in_state(TransferStatus.DEBITED), destination=full).answers
    assert answer == StepAnswer(Leg.CREDIT, Outcome.APPLIED)


@pytest.mark.parametrize(
    "source",
    [
        wallet(ALICE, 0),
        wallet(ALICE, 0, status=WalletStatus.FROZEN),
        wallet(ALICE, MAX_BALANCE_MINOR),
    ],
)
def test_nothing_refuses_a_refund(source: Wallet) -> None:
    verdict = judge(REFUND, of=in_state(TransferStatus.REFUNDING), source=source)
    (entry,) = verdict.entries
    assert entry.answer.applied
    assert entry.transfer.refunded
    assert entry.transfer.status is TransferStatus.FAILED


def test_a_post_ends_the_transfer_and_moves_nothing() -> None:
    (entry,) = judge(POST, of=in_state(TransferStatus.CREDITED)).entries
    assert entry.postings == ()
    assert entry.transfer.status is TransferStatus.COMPLETED
    assert entry.transfer.completed_at == START


@pytest.mark.parametrize("leg", list(Leg))
def test_a_recorded_answer_is_given_again_and_writes_nothing(leg: Leg) -> None:
    refused = StepAnswer(leg, Outcome.REFUSED, FailureCode.INSUFFICIENT_FUNDS)
    rich = wallet(ALICE, 1_000_000)
    verdict = judge(LegRequest(TRANSFER, leg), source=rich, journal={f"{TRANSFER}:{leg}": refused})
    assert verdict.answers == [refused]
    assert verdict.entries == []


@pytest.mark.parametrize("leg", list(Leg))
@pytest.mark.parametrize("status", list(TransferStatus))
def test_a_leg_is_taken_in_its_state_only(leg: Leg, status: TransferStatus) -> None:
    verdict = judge(LegRequest(TRANSFER, leg), of=in_state(status))
    (answer,) = verdict.answers
    if status is LEAVES[leg]:
        assert isinstance(answer, StepAnswer)
    else:
        assert isinstance(answer, IllegalMove)
        assert verdict.entries == []


def test_an_illegal_leg_does_not_disturb_its_neighbours() -> None:
    illegal, fine = judge(POST, DEBIT).answers
    assert isinstance(illegal, IllegalMove)
    assert fine == StepAnswer(Leg.DEBIT, Outcome.APPLIED)


@pytest.mark.parametrize(
    "snapshot",
    [
        Snapshot({}, {ALICE: wallet(ALICE, 1_000)}, {}),
        Snapshot({TRANSFER: transfer()}, {}, {}),
        Snapshot({TRANSFER: transfer(metadata={})}, {ALICE: wallet(BOB, 5)}, {}),
    ],
)
def test_a_leg_without_its_wallet_or_transfer_is_illegal_or_refused(snapshot: Snapshot) -> None:
    verdict = decide([DEBIT], snapshot, START)
    (answer,) = verdict.answers
    assert isinstance(answer, IllegalMove) or not answer.applied


def test_a_wallet_of_another_currency_is_illegal() -> None:
    euros = Wallet(ALICE, "usr_ALICE", "EUR", START, balance=1_000)
    (answer,) = judge(DEBIT, source=euros).answers
    assert isinstance(answer, IllegalMove)


@pytest.mark.parametrize(
    ("leg", "status", "after"),
    [
        (Leg.DEBIT, TransferStatus.INITIATED, TransferStatus.FAILED),
        (Leg.CREDIT, TransferStatus.DEBITED, TransferStatus.REFUNDING),
    ],
)
def test_settling_what_did_not_happen_writes_a_tombstone(
    leg: Leg, status: TransferStatus, after: TransferStatus
) -> None:
    settle, late = LegRequest(TRANSFER, leg, CANCELLED), LegRequest(TRANSFER, leg)
    verdict = judge(settle, late, of=in_state(status))
    voided = StepAnswer(leg, Outcome.VOIDED, FailureCode.CANCELLED_BY_OPERATOR)
    assert verdict.answers == [voided, voided]
    (entry,) = verdict.entries
    assert entry.tombstone == CANCELLED
    assert entry.transfer.status is after


def test_settling_what_happened_finds_it() -> None:
    applied = StepAnswer(Leg.CREDIT, Outcome.APPLIED)
    verdict = judge(
        LegRequest(TRANSFER, Leg.CREDIT, CANCELLED),
        of=in_state(TransferStatus.CREDITED),
        journal={f"{TRANSFER}:credit": applied},
    )
    assert verdict.answers == [applied]
    assert verdict.entries == []


@pytest.mark.parametrize("leg", [Leg.REFUND, Leg.POST])
def test_refund_and_post_can_be_neither_voided_nor_rejected(leg: Leg) -> None:
    with pytest.raises(ValueError, match="neither voided nor rejected"):
        LegRequest(TRANSFER, leg, CANCELLED)
    with pytest.raises(ValueError, match="neither voided nor rejected"):
        LegRequest(TRANSFER, leg, rejected=True)


@pytest.mark.parametrize(
    ("leg", "status", "code"),
    [
        (Leg.DEBIT, TransferStatus.INITIATED, FailureCode.DEBIT_REJECTED),
        (Leg.CREDIT, TransferStatus.DEBITED, FailureCode.CREDIT_REJECTED),
    ],
)
def test_a_rehearsed_rejection_is_recorded_like_any_refusal(
    leg: Leg, status: TransferStatus, code: FailureCode
) -> None:
    (entry,) = judge(LegRequest(TRANSFER, leg, rejected=True), of=in_state(status)).entries
    assert entry.answer == StepAnswer(leg, Outcome.REFUSED, code)


def test_every_outcome_is_a_legal_move() -> None:
    for (leg, _), after in REACHES.items():
        assert after in LEGAL_MOVES[LEAVES[leg]]
