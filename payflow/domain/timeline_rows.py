"""The rows of a timeline: what each part of the record comes to, as a viewer may see it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from payflow.domain.attempts import Lane, StepAttempt
from payflow.domain.ledger import Leg, leg_from
from payflow.domain.ports import Origin
from payflow.domain.representation import rfc3339
from payflow.domain.timeline_ports import ActOnTransfer, Journaled, TimelineRecord
from payflow.domain.transfers import Transfer, TransferStatus
from payflow.domain.users import Principal
from payflow.domain.webhooks import Attempt, Delivery, DeliveryStatus

LEGS = frozenset(leg.value for leg in Leg)

# An attempt whose answer was lost goes on after the books have ended the transfer, and who notes
# it is a moment behind; after this the timeline is closed.
SETTLES_WITHIN = timedelta(seconds=3)
A_MILLISECOND = timedelta(milliseconds=1)


class RowKind(StrEnum):
    """What a row tells of."""

    STATE = "state"
    ATTEMPT = "attempt"
    ENTRY = "entry"
    EVENT = "event"
    DELIVERY = "delivery"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that happened. ``actor`` is who did it, where somebody did.

    ``order`` tells of one moment what came first: twice the sequence of the event it led to, one
    less for an attempt at it.
    """

    at: datetime
    kind: RowKind
    leg: str | None = None
    attempt: int | None = None
    outcome: str | None = None
    detail: str | None = None
    actor: str | None = None
    duration_ms: int | None = None
    order: int = 0


def rows_of(record: TimelineRecord, viewer: Principal) -> tuple[Row, ...]:
    """Every row the viewer may see, in order of time; of one moment, what led to it first."""
    rows = [
        *_attempts(record, viewer),
        *_states(record),
        *_entries(record, viewer),
        *_events(record, viewer),
        *_acts(record, viewer),
        *_deliveries(record, viewer),
    ]
    return tuple(sorted(rows, key=lambda row: (row.at, row.order)))


def row_object(row: Row) -> dict[str, Any]:
    """The row as the contract spells it."""
    return {
        "at": rfc3339(row.at),
        "kind": row.kind.value,
        "leg": row.leg,
        "attempt": row.attempt,
        "outcome": row.outcome,
        "detail": row.detail,
        "actor": row.actor,
        "duration_ms": row.duration_ms,
    }


def closed_at(transfer: Transfer) -> datetime | None:
    """When the timeline of an ended transfer is closed; None while it runs."""
    return transfer.completed_at + SETTLES_WITHIN if transfer.completed_at else None


def _attempts(record: TimelineRecord, viewer: Principal) -> Iterator[Row]:
    closed = closed_at(record.transfer)
    led_to = {document.leg: document.sequence for document in record.journal}
    for attempt in [*record.noted.attempts, *ordinary_attempts(record)]:
        if closed is not None and attempt.started_at > closed:
            continue
        yield Row(
            at=attempt.started_at,
            kind=RowKind.ATTEMPT,
            leg=attempt.leg,
            attempt=attempt.number,
            outcome=attempt.outcome,
            detail=_said_of(attempt, viewer),
            duration_ms=_between(attempt.started_at, attempt.ended_at),
            order=2 * led_to.get(attempt.leg, len(record.journal) + 1) - 1,
        )


def ordinary_attempts(record: TimelineRecord) -> Iterator[StepAttempt]:
    """The attempts nobody needs to note: the journal says who wrote each leg, and in what order.

    Such an attempt begins when the step before it has been answered.
    """
    known = {attempt.key for attempt in record.noted.attempts}
    before: datetime | None = None
    for document in sorted(record.journal, key=lambda one: one.sequence):
        key = _key_of(document.origin)
        if document.leg in LEGS and document.outcome is not None and key not in known:
            started_at = _began(document, before, record.noted.attempts)
            yield StepAttempt(
                run_id=key[0],
                activity_id=key[1],
                number=key[2],
                leg=document.leg,
                lane=Lane.FAST,
                started_at=started_at,
                ended_at=document.at,
                outcome=document.outcome,
            )
        before = document.at


def _began(
    document: Journaled, before: datetime | None, attempts: Iterable[StepAttempt]
) -> datetime:
    """When the step could begin: after the one before it, and after the attempts that failed."""
    ends = [
        attempt.ended_at
        for attempt in attempts
        if attempt.leg == document.leg and attempt.ended_at is not None
    ]
    moments = [one for one in [before, *ends] if one is not None and one <= document.at]
    return max(moments, default=document.at)


def _key_of(origin: Origin) -> tuple[str, str, int]:
    return (origin.run_id or "", origin.activity_id or "", origin.attempt or 1)


def _said_of(attempt: StepAttempt, viewer: Principal) -> str:
    doing = "settles it, " if attempt.settles else ""
    words = f"{doing}{attempt.lane.value} lane"
    if attempt.failure is not None:
        words += f"; {attempt.failure}" if viewer.is_operator else "; no answer"
    if attempt.reckoned:
        words += "; the time is by the retry policy"
    return words


def _states(record: TimelineRecord) -> Iterator[Row]:
    before: datetime | None = None
    for document in sorted(record.journal, key=lambda one: one.sequence):
        parked = document.leg not in LEGS and document.leg != "init"
        step = leg_from(TransferStatus(document.status)) if parked else None
        detail = f"the {step} does not answer" if step else document.code
        yield Row(
            at=document.at,
            kind=RowKind.STATE,
            leg=document.leg if document.leg in LEGS else None,
            outcome="needs_attention" if parked else document.status,
            detail=detail,
            duration_ms=_between(before, document.at),
            order=2 * document.sequence,
        )
        before = document.at


def _entries(record: TimelineRecord, viewer: Principal) -> Iterator[Row]:
    owned = _wallets_of(viewer, record.transfer)
    for document in record.journal:
        if not document.postings:
            continue
        sides = ", ".join(f"{side.account} {side.amount:+d}" for side in document.postings)
        after = ""
        if document.balance_after is not None and (
            viewer.is_operator or document.wallet_id in owned
        ):
            after = f"; balance after {document.balance_after}"
        yield Row(
            at=document.at,
            kind=RowKind.ENTRY,
            leg=document.leg,
            outcome=document.outcome,
            detail=f"{document.entry_id}: {sides} {document.currency}{after}",
            order=2 * document.sequence,
        )


def _wallets_of(viewer: Principal, transfer: Transfer) -> set[str]:
    owners = {
        transfer.source_wallet_id: transfer.payer_id,
        transfer.destination_wallet_id: transfer.payee_id,
    }
    return {wallet_id for wallet_id, owner_id in owners.items() if owner_id == viewer.user_id}


def _events(record: TimelineRecord, viewer: Principal) -> Iterator[Row]:
    for document in record.journal:
        if viewer.is_operator or viewer.user_id in document.audience:
            yield Row(
                at=document.at,
                kind=RowKind.EVENT,
                leg=document.leg if document.leg in LEGS else None,
                outcome=document.event_type,
                detail=f"{document.event_id}, sequence {document.sequence}",
                order=2 * document.sequence,
            )


def _acts(record: TimelineRecord, viewer: Principal) -> Iterator[Row]:
    closed = closed_at(record.transfer)
    acts = [act for act in record.acts if closed is None or act.at <= closed]
    for act in [*acts, *_acts_of_the_journal(record.journal, acts)]:
        about = f" {act.about}" if act.about else ""
        approved = f", approved by {act.approved_by}" if act.approved_by else ""
        claimed = f", sent through Temporal as {act.claimed} (not verified)" if act.claimed else ""
        whole = f"{act.verb}{about}: {act.reason}{approved}{claimed}"
        yield Row(
            at=act.at,
            kind=RowKind.OPERATOR,
            outcome=act.outcome,
            detail=whole if viewer.is_operator else act.verb,
            actor=act.operator if viewer.is_operator else "operator",
            order=2 * len(record.journal) + 2,
        )


def _acts_of_the_journal(
    journal: Sequence[Journaled], acts: Sequence[ActOnTransfer]
) -> Iterator[ActOnTransfer]:
    """What somebody did past us, with *Cancel* in Temporal's UI: only the leg's note tells."""
    known = {act.operator for act in acts} | {act.approved_by for act in acts}
    for document in journal:
        note = document.note or {}
        if note.get("actor") and note["actor"] not in known:
            outcome = document.outcome or "done"
            yield ActOnTransfer(
                document.at, "refund", note["actor"], note.get("reason", ""), outcome
            )


def _deliveries(record: TimelineRecord, viewer: Principal) -> Iterator[Row]:
    for delivery in sorted(record.deliveries, key=lambda one: one.id):
        if not viewer.is_operator and delivery.owner_id != viewer.user_id:
            continue
        where = f"{delivery.event_type} to {delivery.endpoint_id}"
        for number, attempt in enumerate(delivery.attempts, start=1):
            yield Row(
                at=attempt.at,
                kind=RowKind.DELIVERY,
                attempt=number,
                outcome="succeeded" if attempt.succeeded else "failed",
                detail=f"{where}: {_answer_of(attempt)}",
                duration_ms=attempt.duration_ms,
                order=2 * len(record.journal) + 2,
            )
        waits = delivery.status is DeliveryStatus.PENDING
        if waits or not delivery.attempts:
            yield Row(
                at=delivery.created_at,
                kind=RowKind.DELIVERY,
                outcome=delivery.status.value,
                detail=where + (_due(delivery) if waits else ""),
                order=2 * len(record.journal) + 2,
            )


def _answer_of(attempt: Attempt) -> str:
    return str(attempt.status_code) if attempt.status_code is not None else attempt.error or "?"


def _due(delivery: Delivery) -> str:
    due_at = delivery.next_attempt_at
    return f"; attempt due {rfc3339(due_at)}" if due_at else "; held back while paused"


def _between(start: datetime | None, end: datetime | None) -> int | None:
    if start is None or end is None:
        return None
    return max(0, (end - start) // A_MILLISECOND)
