"""A transfer's timeline: one record of what was done, by whom, in order, and what happens next.

Joined from the journal, the attempts, the deliveries and the operators' acts. Pure: the same
record is the same timeline, so it is the same before and after Temporal has forgotten.
"""

from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Any

from payflow.domain.attempts import Lane
from payflow.domain.ledger import Leg, leg_from
from payflow.domain.representation import rfc3339
from payflow.domain.timeline_ports import TimelineRecord, Told
from payflow.domain.timeline_rows import Row, closed_at, row_object, rows_of
from payflow.domain.transfers import Transfer
from payflow.domain.users import Principal

_PAUSING = ("pause", "resume", "refund", "resolve")


@dataclass(frozen=True, slots=True)
class Next:
    """What happens next, in plain words, and when, if that is known."""

    what: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Timeline:
    """A transfer's timeline, as one viewer may see it."""

    transfer: Transfer
    sealed: bool
    rows: tuple[Row, ...]
    next: Next | None = None


def tell(record: TimelineRecord, viewer: Principal, now: datetime, told: Told | None) -> Timeline:
    """The timeline of what is on record.

    Args:
        record: with its attempts put together.
        viewer: a party sees its own deliveries and balances, and no operator's name or reason.
        now: decides whether it is closed, and how long the next attempt is away.
        told: what Temporal says of a transfer that has not ended; None when it does not answer.
    """
    following = what_next(record, viewer, now, told)
    return Timeline(record.transfer, is_sealed(record, now), rows_of(record, viewer), following)


def is_sealed(record: TimelineRecord, now: datetime) -> bool:
    """Whether nothing but deliveries is added any more."""
    closed = closed_at(record.transfer)
    noted = record.noted
    return closed is not None and now >= closed and (noted.sealed or not noted.attempts)


def timeline_object(timeline: Timeline) -> dict[str, Any]:
    """The timeline as the contract spells it, JSON-ready."""
    following = timeline.next
    return {
        "object": "timeline",
        "transfer_id": timeline.transfer.id,
        "sealed": timeline.sealed,
        "data": [row_object(row) for row in timeline.rows],
        "next": following
        and {
            "what": following.what,
            "at": rfc3339(following.at) if following.at else None,
        },
    }


def what_next(
    record: TimelineRecord, viewer: Principal, now: datetime, told: Told | None
) -> Next | None:
    """What happens next to a transfer that has not ended."""
    transfer = record.transfer
    leg = leg_from(transfer.status)
    if leg is None:
        return None
    if _is_paused(record):
        return Next(f"paused: the {leg} waits for an operator to resume it")
    if told is None:
        return Next(f"the {leg} follows as soon as Temporal answers")
    pending = told.pending
    if pending is None:
        return Next(_without_pending_step(transfer, leg, told))
    parked = transfer.needs_attention or pending.lane is Lane.PARKED
    if pending.next_at is None:
        tried = f"the {pending.leg} is being tried, attempt {pending.number}"
    else:
        seconds = max(0, ceil((pending.next_at - now).total_seconds()))
        tried = f"the {pending.leg} is tried again in {seconds} s, as attempt {pending.number}"
    if not parked:
        return Next(tried, pending.next_at)
    waits = "waits for an operator's verb (retry, refund or resolve)"
    if not viewer.is_operator:
        waits = "waits for an operator"
    return Next(f"parked: {waits}; by itself {tried}", pending.next_at)


def _is_paused(record: TimelineRecord) -> bool:
    last = next((act for act in reversed(record.acts) if act.verb in _PAUSING), None)
    return last is not None and last.outcome == "paused"


def _without_pending_step(transfer: Transfer, leg: Leg, told: Told) -> str:
    if told.running:
        return f"the {leg} is under way"
    if transfer.place is not None:
        return f"the {leg} is taken by its batch"
    return f"no workflow runs; the sweep starts one, which goes on with the {leg}"
