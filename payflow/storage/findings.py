"""What the proof has found, on record: opened by passes, closed by operators."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING
from pymongo.asynchronous.client_session import AsyncClientSession
from ulid import ULID

from payflow.domain.errors import NotFound
from payflow.domain.identifiers import Prefix
from payflow.domain.invariants import Finding, Invariant
from payflow.domain.ports import Clock, Page
from payflow.domain.proof_ports import (
    FindingClosed,
    FindingClosure,
    FindingStatus,
    RecordedFinding,
)
from payflow.storage.audit_chain import AuditChain
from payflow.storage.identity import new_id
from payflow.storage.pages import page_of
from payflow.storage.proof_documents import FindingDocument
from payflow.storage.reading import each_readable, read_from
from payflow.storage.transactions import Client, in_transaction, translated

CLOSE = "close_finding"  # as the audit log has it

Fields = Mapping[str, Any]


class MongoFindings:
    """The ``Findings`` port, and how passes write findings."""

    def __init__(self, client: Client, database: str, clock: Clock) -> None:
        self._client = client
        self._findings = client[database][FindingDocument.Settings.name]
        self._chain = AuditChain(client, database)
        self._clock = clock

    async def list(
        self, status: FindingStatus | None, *, limit: int, after: str | None
    ) -> Page[RecordedFinding]:
        """Findings, newest first."""
        query: dict[str, Any] = {"status": status.value} if status else {}
        if after is not None:
            query["_id"] = {"$lt": after}
        with translated():
            found = self._findings.find(query, sort=[("_id", DESCENDING)], limit=limit + 1)
            documents = await found.to_list()
        return page_of(documents, limit, to_finding)

    async def close(self, closure: FindingClosure) -> RecordedFinding:
        """Close one, with a line in the audit log, in one transaction."""

        async def work(session: AsyncClientSession) -> RecordedFinding:
            which = {"_id": closure.finding_id}
            fields = await self._findings.find_one(which, session=session)
            if fields is None:
                raise NotFound("finding", closure.finding_id)
            if fields["status"] != FindingStatus.OPEN:
                raise FindingClosed(closure.finding_id)
            now = self._clock.now()
            closed = {
                "status": FindingStatus.CLOSED.value,
                "closed_at": now,
                "closed_by": closure.operator_id,
                "reason": closure.reason,
            }
            await self._findings.update_one(which, {"$set": closed}, session=session)
            finding = to_finding({**fields, **closed})
            line = self._line(finding, closure, now)
            await self._chain.write(
                {"_id": line["_id"]}, {"$setOnInsert": line}, session, upsert=True
            )
            return finding

        return await in_transaction(self._client, work)

    async def open(self) -> Sequence[RecordedFinding]:
        """All that are open, oldest first."""
        query = {"status": FindingStatus.OPEN.value}
        found = self._findings.find(query, sort=[("_id", ASCENDING)])
        return [one async for one in each_readable(to_finding, found)]

    async def closed_since(self, moment: datetime) -> bool:
        """Whether an operator has closed one since then."""
        closed = {"closed_at": {"$gte": moment}}
        return await self._findings.find_one(closed, {"_id": 1}) is not None

    async def write(
        self,
        new: Iterable[RecordedFinding],
        again: Sequence[str],
        proof: int,
        session: AsyncClientSession,
    ) -> None:
        """Put new findings on record, and which of the open ones a pass has found again."""
        documents = [from_finding(one) for one in new]
        if documents:
            await self._findings.insert_many(documents, session=session)
        if again:
            seen = {"_id": {"$in": list(again)}, "status": FindingStatus.OPEN.value}
            await self._findings.update_many(seen, {"$set": {"last_proof": proof}}, session=session)

    def _line(
        self, finding: RecordedFinding, closure: FindingClosure, now: datetime
    ) -> dict[str, Any]:
        return {
            "_id": f"act_{ULID.from_datetime(now)}",
            "at": now,
            "actor_id": closure.operator_id,
            "verb": CLOSE,
            "subject_id": finding.id,
            "reason": closure.reason,
            "outcome": "done",
            "request_id": closure.request_id,
            "facts": {
                "invariant": finding.finding.invariant.value,
                "subject_id": finding.finding.subject_id,
            },
        }


def recorded(
    finding: Finding, proof: int, wallet_ids: Iterable[str], now: datetime
) -> RecordedFinding:
    """A new finding of a pass, to be put on record."""
    return RecordedFinding(
        id=new_id(Prefix.FINDING),
        finding=finding,
        status=FindingStatus.OPEN,
        first_proof=proof,
        last_proof=proof,
        wallet_ids=tuple(sorted(wallet_ids)),
        found_at=now,
    )


@read_from(FindingDocument)
def to_finding(fields: Fields) -> RecordedFinding:
    """A ``proof_findings`` document as the domain knows it."""
    return RecordedFinding(
        id=fields["_id"],
        finding=Finding(Invariant(fields["invariant"]), fields["subject_id"], fields["detail"]),
        status=FindingStatus(fields["status"]),
        first_proof=int(fields["first_proof"]),
        last_proof=int(fields["last_proof"]),
        wallet_ids=tuple(fields["wallet_ids"]),
        found_at=fields["found_at"],
        closed_at=fields.get("closed_at"),
        closed_by=fields.get("closed_by"),
        reason=fields.get("reason"),
    )


def from_finding(one: RecordedFinding) -> dict[str, Any]:
    """A new finding as its document."""
    return {
        "_id": one.id,
        "invariant": one.finding.invariant.value,
        "subject_id": one.finding.subject_id,
        "detail": one.finding.detail,
        "status": one.status.value,
        "first_proof": one.first_proof,
        "last_proof": one.last_proof,
        "wallet_ids": list(one.wallet_ids),
        "found_at": one.found_at,
    }
