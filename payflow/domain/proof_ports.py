"""The always-on proof as ports: who runs a pass, and who reads what the passes found."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from payflow.domain.errors import Conflict, PayflowError, Trouble
from payflow.domain.invariants import Finding
from payflow.domain.ledger import StepAnswer
from payflow.domain.ports import Page

Statement = Mapping[str, Any]  # a signed proof, as it was signed


class ProofPending(Trouble):
    """No pass has ended yet."""

    code = "proof_pending"

    def __init__(self) -> None:
        super().__init__("The books are being proved for the first time; ask again in a minute.")


class ProofStale(Trouble):
    """No pass has ended for so long that the last proof says nothing of today."""

    code = "proof_stale"

    def __init__(self, statement: Statement) -> None:
        super().__init__(
            f"The last proof, number {statement['number']} ({statement['status']}), is of "
            f"{statement['checked_at']}; none has followed by {statement['stale_after']}. "
            "It is in /v1/proofs."
        )
        self.statement = statement


class FindingClosed(Conflict):
    """The finding is closed already; what is still wrong is a finding of its own."""

    code = "finding_closed"

    def __init__(self, finding_id: str) -> None:
        super().__init__(f"Finding {finding_id} is closed already.")


class ProofOvertaken(PayflowError):
    """Another pass moved the checkpoint meanwhile; nothing of this one counts."""

    code = "proof_overtaken"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a pass came to."""

    number: int
    status: str
    violations: int


class FindingStatus(StrEnum):
    """Whether an operator has closed it."""

    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class RecordedFinding:
    """A finding on record: while one is open, every proof says ``violated``.

    ``first_proof`` and ``last_proof`` are the numbers of the first proof that had it and of the
    last pass that found it again; ``wallet_ids`` are the wallets that were frozen because of it.
    """

    id: str
    finding: Finding
    status: FindingStatus
    first_proof: int
    last_proof: int
    wallet_ids: tuple[str, ...]
    found_at: datetime
    closed_at: datetime | None = None
    closed_by: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class FindingClosure:
    """Who closes which finding, and why."""

    finding_id: str
    operator_id: str
    reason: str
    request_id: str | None = None


class Findings(Protocol):
    """What the proof has found, until an operator closes it and afterwards."""

    async def list(
        self, status: FindingStatus | None, *, limit: int, after: str | None
    ) -> Page[RecordedFinding]:
        """Findings, newest first."""
        ...

    async def close(self, closure: FindingClosure) -> RecordedFinding:
        """Close one, with a line in the audit log, in one transaction.

        Raises:
            NotFound: there is none of that id. FindingClosed: it is closed already.
        """
        ...


@dataclass(frozen=True, slots=True)
class StepHistory:
    """What the history of a transfer's workflow has of its steps.

    ``is_complete``: the workflow has completed, so every step has its result. ``is_settled``: it
    runs and no workflow task is under way, so every result but that of the pending step is there.
    ``run_id`` is the run: what another run did before it need not be in its history yet.
    """

    results: tuple[StepAnswer, ...] = ()
    is_complete: bool = False
    is_settled: bool = False
    run_id: str = ""


class StepHistories(Protocol):
    """The histories of transfers' workflows, while Temporal keeps them."""

    async def of(self, transfer_id: str) -> StepHistory | None:
        """The latest run's; None when there is no history, or none that can be read."""
        ...

    def kept(self) -> AsyncIterator[str]:
        """The transfers of the newest workflows, running and closed, by the search index."""
        ...

    async def kept_since(self) -> datetime:
        """Histories of workflows that closed before this are gone."""
        ...


class HistoriesUnavailable(Trouble):
    """Temporal does not answer: histories are compared by a later pass."""

    code = "temporarily_unavailable"


class Prover(Protocol):
    """Runs passes."""

    async def prove(self, *, full: bool = False) -> Verdict:
        """Fold what was committed since the last pass, hold it against the books, sign, freeze.

        ``full`` folds everything from the beginning.

        Raises:
            ProofOvertaken: run it again. BooksUnavailable: MongoDB does not answer.
        """
        ...


class Proofs(Protocol):
    """The proofs that were given, newest last; each names the hash of the one before it."""

    async def latest(self) -> Statement:
        """The last one.

        Raises:
            ProofPending: there is none yet. ProofStale: it is too old to say anything of now.
        """
        ...

    async def before(self, number: int | None, limit: int) -> Sequence[Statement]:
        """Those before this number (None: from the last), newest first."""
        ...
