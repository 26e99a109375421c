"""Records of transfers of many shapes, for tests of their timelines.

``python -m tests.unit.timelines`` draws the documentation's example again.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from payflow.domain.attempts import Lane, StepAttempt
from payflow.domain.ledger import Posting
from payflow.domain.ports import Origin
from payflow.domain.timeline import tell
from payflow.domain.timeline_picture import picture
from payflow.domain.timeline_ports import ActOnTransfer, Journaled, Noted, TimelineRecord
from payflow.domain.transfers import FailureCode, TransferStatus
from payflow.domain.users import Principal, Role
from payflow.domain.webhooks import Attempt, Delivery, DeliveryStatus
from tests.fakes import ALICE, BOB, START, TRANSFER, transfer

PAYER = Principal("usr_ALICE", Role.USER)
PAYEE = Principal("usr_BOB", Role.USER)
OPERATOR = Principal("usr_OPERATOR", Role.OPERATOR)

Legs = tuple[tuple[str, str, str], ...]

# the legs of each way a transfer can go, and where each leads
COMPLETED: Legs = (("debit", "applied", "debited"), ("credit", "applied", "credited"))
COMPLETED += (("post", "applied", "completed"),)
REFUNDED: Legs = (("debit", "applied", "debited"), ("credit", "refused", "refunding"))
REFUNDED += (("refund", "applied", "failed"),)
NEVER_DEBITED: Legs = (("debit", "refused", "failed"),)


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


PICTURE = Path(__file__).parents[2] / "docs" / "img" / "timeline.svg"
# when the credit of the documentation's example was tried, in ms, and in which lane
TRIED = (
    (Lane.FAST, (24, 78, 181)),
    (Lane.DURABLE, (236, 10_740, 21_750, 33_770)),
    (Lane.PARKED, (300_400, 360_410)),
)


def example_picture() -> str:
    """A transfer whose credit fails for six minutes, until an operator sends the money home."""
    failed = [
        StepAttempt(
            run_id="run-1",
            activity_id=str(activity),
            number=number,
            leg="credit",
            lane=lane,
            started_at=at(ms),
            ended_at=at(ms + (3 if lane is Lane.FAST else 10_000)),
            outcome="failed" if lane is Lane.FAST else "timed_out",
            failure="BooksUnavailable: the primary does not answer",
        )
        for activity, (lane, moments) in enumerate(TRIED, start=2)
        for number, ms in enumerate(moments, start=1)
    ]
    settled = replace(failed[-1], activity_id="6", number=1, settles=True, failure=None)
    settled = replace(settled, started_at=at(402_310), ended_at=at(402_352), outcome="voided")
    act = ActOnTransfer(
        at(402_300), "refund", "usr_OPERATOR", "the payer called, ticket 4711", "refunded"
    )
    told = record(REFUNDED, attempts=[*failed, settled], sealed=True, acts=[act])
    journal = [*told.journal]
    mark = replace(init(), key=f"{TRANSFER}:park:3", leg="park", at=at(300_450), sequence=3)
    journal[1] = replace(journal[1], at=at(18))
    journal[2] = replace(journal[2], outcome="voided", at=at(402_350), sequence=4)
    journal[2] = replace(journal[2], origin=Origin("", "run-1", "6", 1))
    journal[3] = replace(journal[3], at=at(402_371), sequence=5)
    journal[3] = replace(journal[3], origin=Origin("", "run-1", "7", 1))
    journal.insert(2, replace(mark, status="debited", event_type="transfer.needs_attention"))
    subject = replace(
        told.transfer,
        id="trf_01KDVE0A4Q5J7TP7S8R9VWXYZ3",
        completed_at=at(402_371),
        failure=FailureCode.CANCELLED_BY_OPERATOR,
    )
    answered = Attempt(at(402_420), 31, status_code=204)
    sent = delivery(PAYER, answered, event_type="transfer.failed")
    whole = replace(told, transfer=subject, journal=journal, deliveries=[sent])
    return picture(tell(whole, OPERATOR, at(500_000), None))


if __name__ == "__main__":
    PICTURE.write_text(example_picture())
