"""The proofs that were given, as they were signed."""

from collections.abc import Sequence
from datetime import datetime

from pymongo import DESCENDING

from payflow.domain.ports import Clock
from payflow.domain.proof_ports import ProofPending, ProofStale, Statement
from payflow.storage.proof_documents import ProofDocument
from payflow.storage.reading import Fields, each_readable, read_from
from payflow.storage.transactions import Collection, translated

LATEST = 10  # proofs among which the last readable one is looked for


class MongoProofs:
    """The ``Proofs`` port."""

    def __init__(self, proofs: Collection, clock: Clock) -> None:
        self._proofs = proofs
        self._clock = clock

    async def latest(self) -> Statement:
        """The last one that can be read."""
        found = await self.before(None, LATEST)
        if not found:
            raise ProofPending
        if is_stale(found[0], self._clock.now()):
            raise ProofStale(found[0])
        return found[0]

    async def before(self, number: int | None, limit: int) -> Sequence[Statement]:
        """Those before this number, newest first."""
        older = {} if number is None else {"_id": {"$lt": number}}
        with translated():
            found = self._proofs.find(older, sort=[("_id", DESCENDING)], limit=limit)
            return [one async for one in each_readable(_statement, found)]


@read_from(ProofDocument)
def _statement(kept: Fields) -> Statement:
    statement: Statement = kept["statement"]
    return statement


def is_stale(statement: Statement, now: datetime) -> bool:
    """Whether the proof is too old to say anything of now; it says so itself, signed."""
    return now > datetime.fromisoformat(statement["stale_after"])
