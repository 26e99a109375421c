"""Operators' verbs: what one asks for, what is kept of it, and what it would post."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from payflow.domain.errors import NothingToRetry, TransferTerminal
from payflow.domain.ledger import (
    Book,
    JournalEntry,
    Leg,
    LegRequest,
    Posting,
    SettledOutside,
    Snapshot,
    Tombstone,
    leg_from,
)
from payflow.domain.repair_errors import LegNotPending
from payflow.domain.transfers import FailureCode, Transfer

APPROVAL_LAPSES_AFTER = timedelta(hours=24)
# The actor of an action that came through Temporal without the API's proof: Temporal does not
# authenticate the sender of an Update, so the operator it names is a claim.
TEMPORAL = "temporal"


class Verb(StrEnum):
    """What an operator can ask of a transfer."""

    RETRY = "retry"
    REFUND = "refund"
    RESOLVE = "resolve"
    PAUSE = "pause"
    RESUME = "resume"


class Resolution(StrEnum):
    """How a pending leg that the books cannot decide is resolved."""

    SETTLED_OUTSIDE = "settled_outside"
    NOT_DONE = "not_done"


@dataclass(frozen=True, slots=True)
class Resolve:
    """What ``resolve`` says of a leg: the same from both operators.

    ``evidence``: where it can be seen, such as a bank's reference.

    Raises:
        ValueError: a leg or a resolution that makes no sense, or no evidence.
    """

    leg: Leg
    outcome: Resolution
    evidence: str

    def __post_init__(self) -> None:
        if self.leg not in (Leg.CREDIT, Leg.REFUND):
            raise ValueError("leg must be credit or refund")
        if self.outcome is Resolution.NOT_DONE and self.leg is not Leg.CREDIT:
            raise ValueError("a refund cannot be 'not_done': the money has to go somewhere")
        if not self.evidence.strip():
            raise ValueError("evidence must say where this can be seen")


@dataclass(frozen=True, slots=True)
class RepairOrder:
    """A verb for a transfer: by whom, why; ``dry_run`` only tells what it would post.

    ``act_id`` names the act in the audit log: two orders of one id are one act. Empty: none yet.

    Raises:
        ValueError: ``resolve`` without what to resolve, or another verb with it.
    """

    verb: Verb
    operator: str
    reason: str
    act_id: str
    resolve: Resolve | None = None
    dry_run: bool = False

    def __post_init__(self) -> None:
        if (self.verb is Verb.RESOLVE) != (self.resolve is not None):
            raise ValueError("resolve, and only resolve, says of which leg and how")


@dataclass(frozen=True, slots=True)
class PlannedEntry:
    """A journal entry that a verb leads to; amounts in minor units."""

    key: str
    outcome: str
    code: str | None
    postings: tuple[Posting, ...]


@dataclass(frozen=True, slots=True)
class RepairAnswer:
    """What came of a verb.

    ``outcome``: ``refunded``, ``never_debited`` or ``completed`` when the story has ended,
    ``approval_pending``, ``paused``, ``running``, ``pending`` while the books have not answered,
    or ``preview``, with the entries.
    """

    outcome: str
    entries: tuple[PlannedEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class Act:
    """An operator's act on a transfer, as it is to be written down before it is done.

    ``id``: the Update's. ``operator``: an id or an email address, empty for Temporal's own
    *Cancel*. ``until``: as in the Update, seconds since 1970. ``proof``: what the API, which
    authenticates operators, adds to an Update that it sends (``ActionProofs``); empty in all
    others.
    """

    id: str
    transfer_id: str
    verb: Verb
    operator: str
    reason: str
    resolve: Resolve | None = None
    until: float = 0.0
    proof: str = ""

    def proven(self) -> dict[str, str | float]:
        """Every field that the proof vouches for: all but the proof itself."""
        return {
            "id": self.id,
            "transfer_id": self.transfer_id,
            "verb": self.verb.value,
            "operator": self.operator,
            "reason": self.reason,
            "leg": self.resolve.leg.value if self.resolve else "",
            "outcome": self.resolve.outcome.value if self.resolve else "",
            "evidence": self.resolve.evidence if self.resolve else "",
            "until": float(self.until),
        }


@dataclass(frozen=True, slots=True)
class Begun:
    """An act that is on record, under ``act_id``.

    ``operator`` is an id, or ``temporal``; ``proposed_by`` another's, once both agree.
    ``awaits_approval``: it is a proposal, and moves nothing.
    """

    act_id: str
    operator: str
    awaits_approval: bool = False
    proposed_by: str | None = None


def tombstone_of(operator: str, reason: str) -> Tombstone:
    """What an operator who gives the money back writes under the key of a leg in doubt."""
    return Tombstone(FailureCode.CANCELLED_BY_OPERATOR, operator, reason)


def plan(
    verb: Verb, transfer_id: str, resolve: Resolve | None, snapshot: Snapshot, now: datetime
) -> list[JournalEntry]:
    """What the verb would post, as the books stand, until the transfer has ended.

    The snapshot holds the transfer, both wallets and the transfer's legs in the journal.

    Raises:
        TransferTerminal, NothingToRetry, LegNotPending: it would be refused.
        IllegalMove: the books do not allow it.
    """
    transfer = snapshot.transfers[transfer_id]
    _check(verb, resolve, transfer)
    if verb in (Verb.PAUSE, Verb.RESUME):
        return []
    book = Book.of(snapshot, now)
    for leg in _legs_left(transfer_id, book):
        book.take(_request(transfer_id, leg, verb, resolve))
    return book.entries


def _legs_left(transfer_id: str, book: Book) -> Iterator[Leg]:
    while (leg := leg_from(book.transfers[transfer_id].status)) is not None:
        yield leg


def _check(verb: Verb, resolve: Resolve | None, transfer: Transfer) -> None:
    if transfer.status.is_terminal:
        if verb is Verb.RETRY:
            raise NothingToRetry(transfer.id)
        raise TransferTerminal(transfer.id, transfer.status)
    pending = leg_from(transfer.status)
    if resolve is not None and resolve.leg is not pending:
        raise LegNotPending(transfer.id, resolve.leg, pending)


def _request(transfer_id: str, leg: Leg, verb: Verb, resolve: Resolve | None) -> LegRequest:
    if resolve is not None and resolve.outcome is Resolution.SETTLED_OUTSIDE:
        if resolve.leg is leg:
            outside = SettledOutside(resolve.evidence, "", "", "")
            return LegRequest(transfer_id, leg, outside=outside)
    elif verb is not Verb.RETRY and leg.can_be_refused:
        return LegRequest(transfer_id, leg, tombstone_of("", ""))
    return LegRequest(transfer_id, leg)
