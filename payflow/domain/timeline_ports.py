"""What a timeline is joined from, as ports: the books, the histories, the operators' acts."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from payflow.domain.attempts import CountedActivity, Lane, StepAttempt
from payflow.domain.ledger import Posting
from payflow.domain.ports import Origin
from payflow.domain.transfers import Transfer
from payflow.domain.webhooks import Delivery


@dataclass(frozen=True, slots=True)
class Journaled:
    """A journal document of a transfer, as its timeline reads it.

    ``note`` is who voided or settled the leg, and why; ``status`` the transfer's after it.
    """

    key: str
    leg: str
    at: datetime
    sequence: int
    status: str
    event_id: str
    event_type: str
    audience: frozenset[str]
    outcome: str | None = None
    code: str | None = None
    currency: str | None = None
    postings: tuple[Posting, ...] = ()
    wallet_id: str | None = None
    balance_after: int | None = None
    entry_id: str | None = None
    origin: Origin = field(default_factory=Origin)
    note: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class ActOnTransfer:
    """What an operator did to a transfer: who, why, and what came of it.

    ``about``: what the verb was said of, such as a leg, how it was resolved, and the evidence.
    ``claimed``: the operator whom an act of ``temporal`` named; not authenticated.
    """

    at: datetime
    verb: str
    operator: str
    reason: str
    outcome: str
    approved_by: str | None = None
    about: str | None = None
    claimed: str | None = None


@dataclass(frozen=True, slots=True)
class Noted:
    """The attempts on record; once sealed, none is added."""

    attempts: tuple[StepAttempt, ...] = ()
    sealed: bool = False


@dataclass(frozen=True, slots=True)
class TimelineRecord:
    """Everything on record about a transfer, in one read."""

    transfer: Transfer
    journal: Sequence[Journaled]
    noted: Noted = field(default_factory=Noted)
    deliveries: Sequence[Delivery] = ()
    acts: Sequence[ActOnTransfer] = ()


@dataclass(frozen=True, slots=True)
class PendingStep:
    """What the workflow waits for: an attempt under way, or one that is due at ``next_at``."""

    leg: str
    lane: Lane
    number: int
    next_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What Temporal says of a workflow, all its runs together."""

    running: bool
    counted: Sequence[CountedActivity] = ()
    pending: PendingStep | None = None


@dataclass(frozen=True, slots=True)
class Unsealed:
    """Some of the transfers whose timeline is to be sealed, without those that cannot be read.

    ``last_id`` is that of the last one looked at where ``limit`` were; else no more follow.
    """

    transfers: Sequence[Transfer]
    last_id: str | None = None


class TimelineStore(Protocol):
    """The books, as a timeline reads them, and where attempts are sealed."""

    async def record(self, transfer: Transfer) -> TimelineRecord:
        """Everything on record about the transfer; ``BooksUnavailable``."""
        ...

    async def unsealed(self, limit: int, after: str = "") -> Unsealed:
        """Ended transfers whose attempts were noted and are not sealed, oldest first."""
        ...

    async def seal(self, transfer_id: str, attempts: Sequence[StepAttempt]) -> None:
        """Keep these attempts and no others from now on; the first seal holds."""
        ...


class AttemptNotes(Protocol):
    """Takes notes of attempts."""

    def note(self, transfer_id: str, attempt: StepAttempt) -> None:
        """Keep it. Never waits, never raises."""
        ...


class Histories(Protocol):
    """What Temporal remembers."""

    async def told(self, workflow_id: str, run_ids: Collection[str]) -> Told | None:
        """What it says of the workflow's latest run and of those; None when it does not answer.

        A run it has forgotten is passed over.
        """
        ...
