"""What a timeline reads, from documents to domain values, and attempts back."""

from collections.abc import Mapping
from typing import Any

from payflow.domain.attempts import Lane, StepAttempt, in_order
from payflow.domain.ledger import Posting
from payflow.domain.ports import Origin
from payflow.domain.timeline_ports import ActOnTransfer, Journaled, Noted
from payflow.storage.documents import AuditDocument, JournalDocument, OperatorActDocument
from payflow.storage.reading import read_from
from payflow.storage.timeline_documents import TimelineDocument

Fields = Mapping[str, Any]

_ABOUT = ("leg", "resolution", "evidence")  # what a resolve says


def attempt_name(attempt: StepAttempt) -> str:
    """The name an attempt has in its transfer's document."""
    return ":".join(str(part) for part in attempt.key)


def attempt_fields(attempt: StepAttempt) -> dict[str, Any]:
    """An attempt as it is kept."""
    return {
        "run_id": attempt.run_id,
        "activity_id": attempt.activity_id,
        "number": attempt.number,
        "leg": str(attempt.leg),
        "lane": attempt.lane.value,
        "started_at": attempt.started_at,
        "ended_at": attempt.ended_at,
        "outcome": str(attempt.outcome),
        "failure": attempt.failure,
        "settles": attempt.settles,
        "reckoned": attempt.reckoned,
    }


@read_from(TimelineDocument)
def to_noted(fields: Fields) -> Noted:
    """The attempts that are noted of a transfer."""
    attempts = [_to_attempt(one) for one in fields["attempts"].values()]
    return Noted(in_order({one.key: one for one in attempts}), fields["sealed"])


def _to_attempt(fields: Fields) -> StepAttempt:
    """An attempt as the domain knows it."""
    return StepAttempt(
        run_id=fields["run_id"],
        activity_id=fields["activity_id"],
        number=int(fields["number"]),
        leg=fields["leg"],
        lane=Lane(fields["lane"]),
        started_at=fields["started_at"],
        ended_at=fields["ended_at"],
        outcome=fields["outcome"],
        failure=fields["failure"],
        settles=fields["settles"],
        reckoned=fields["reckoned"],
    )


@read_from(JournalDocument)
def to_journaled(fields: Fields) -> Journaled:
    """A journal document of a transfer, as its timeline reads it."""
    event = fields["event"]
    origin = fields.get("origin") or {}
    after = fields.get("balance_after")
    return Journaled(
        key=fields["_id"],
        leg=fields["leg"],
        at=fields["created_at"],
        sequence=int(event["sequence"]),
        status=event["data"]["status"],
        event_id=event["id"],
        event_type=event["type"],
        audience=frozenset(fields.get("audience") or ()),
        outcome=fields.get("outcome"),
        code=fields.get("code"),
        currency=fields.get("currency"),
        postings=tuple(Posting(p["account"], int(p["amount"])) for p in fields["postings"]),
        wallet_id=fields.get("wallet_id"),
        balance_after=None if after is None else int(after),
        entry_id=fields.get("entry_id"),
        origin=Origin(
            origin.get("workflow_id"),
            origin.get("run_id"),
            origin.get("activity_id"),
            origin.get("attempt"),
        ),
        note=fields.get("note"),
    )


@read_from(OperatorActDocument)
def to_act(fields: Fields) -> ActOnTransfer:
    """An act of ``operator_acts``; what one writer leaves out is empty."""
    return ActOnTransfer(
        at=fields["at"],
        verb=str(fields.get("verb") or ""),
        operator=str(fields.get("operator") or ""),
        reason=str(fields.get("reason") or ""),
        outcome=str(fields.get("outcome") or ""),
        approved_by=fields.get("approved_by"),
        about=" ".join(str(fields[name]) for name in _ABOUT if fields.get(name)) or None,
        claimed=fields.get("claimed_operator"),
    )


@read_from(AuditDocument)
def audited(fields: Fields) -> ActOnTransfer:
    """An act of ``audit``, whose subject is the transfer."""
    return ActOnTransfer(
        at=fields["at"],
        verb=fields["verb"],
        operator=fields["actor_id"],
        reason=fields["reason"],
        outcome=fields["outcome"],
        claimed=(fields.get("facts") or {}).get("claimed_operator"),
    )
