"""Records of transfers of many shapes, for tests of their timelines."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from payflow.domain.attempts import StepAttempt
from payflow.domain.ledger import Posting
from payflow.domain.ports import Origin
from payflow.domain.timeline_ports import ActOnTransfer, Journaled, Noted, TimelineRecord
from payflow.domain.transfers import FailureCode, TransferStatus
from payflow.domain.users import Principal, Role
from payflow.domain.webhooks import Attempt, Delivery, DeliveryStatus
from tests.fakes import ALICE, BOB, START, TRANSFER, transfer

PAYER = Principal("usr_ALICE", Role.USER)
PAYEE = Principal("usr_BOB", Role.USER)
OPERATOR = Principal("usr_OPERATOR", Role.OPERATOR)

# the legs of each way a transfer can go, and where each leads
COMPLETED = (("debit", "applied", "debited"), ("credit", "applied", "credited"))
COMPLETED += (("post", "applied", "completed"),)
REFUNDED = (("debit", "applied", "debited"), ("credit", "refused", "refunding"))
REFUNDED += (("refund", "applied", "failed"),)
NEVER_DEBITED = (("debit", "refused", "failed"),)


def at(ms: float) -> datetime:
    return START + timedelta(milliseconds=ms)


def init() -> Journaled:
    return Journaled(
        f"{TRANSFER}:init",
        "init",
        START,
        1,
        "initiated",
        "evt_1",
        "transfer.initiated",
        frozenset({PAYER.user_id}),
    )


def leg(name: str, outcome: str, status: str, number: int, ms: float) -> Journaled:
    """The journal document of a leg that was taken at its first attempt."""
    account = BOB if name == "credit" else ALICE
    moves = outcome == "applied" and name != "post"
    amount = -100 if name == "debit" else 100
    sides = (Posting(account, amount), Posting(f"transit:{TRANSFER}", -amount))
    return Journaled(
        key=f"{TRANSFER}:{name}",
        leg=name,
        at=at(ms),
        sequence=number + 1,
        status=status,
        event_id=f"evt_{number + 1}",
        event_type=f"transfer.{status}",
        audience=frozenset({PAYER.user_id, PAYEE.user_id}),
        outcome=outcome,
        code=None if outcome == "applied" else "destination_unavailable",
        currency="USD",
        postings=sides if moves else (),
        wallet_id=account if moves else None,
        balance_after=900 if moves else None,
        entry_id=f"ent_{number}",
        origin=Origin("transfer/x", "run-1", str(number), 1),
    )


def record(
    legs: Sequence[tuple[str, str, str]] = COMPLETED,
    *,
    attempts: Sequence[StepAttempt] = (),
    sealed: bool = False,
    deliveries: Sequence[Delivery] = (),
    acts: Sequence[ActOnTransfer] = (),
) -> TimelineRecord:
    """A transfer that took these legs, one every 10 ms."""
    journal = [init()]
    journal += [leg(*one, number, 10 * number) for number, one in enumerate(legs, start=1)]
    status = TransferStatus(journal[-1].status)
    ended = status.is_terminal
    subject = transfer(
        status=status,
        completed_at=journal[-1].at if ended else None,
        refunded=status is TransferStatus.FAILED and len(legs) > 1,
        failure=FailureCode.DESTINATION_UNAVAILABLE if status == "failed" else None,
    )
    noted = Noted(tuple(attempts), sealed)
    return TimelineRecord(subject, journal, noted, deliveries, acts)


def delivery(owner: Principal, *attempts: Attempt, **fields: object) -> Delivery:
    made = Delivery(
        id=f"whd_{owner.user_id}",
        event_id="evt_4",
        event_type="transfer.completed",
        endpoint_id=f"whe_{owner.user_id}",
        owner_id=owner.user_id,
        body="",
        created_at=at(35),
        attempts=attempts,
        status=DeliveryStatus.SUCCEEDED if attempts else DeliveryStatus.PENDING,
    )
    return replace(made, **fields)  # type: ignore[arg-type]
