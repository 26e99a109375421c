"""The proofs that were given, as they were signed."""

from collections.abc import Sequence
from datetime import datetime

from pymongo import DESCENDING

from payflow.domain.ports import Clock
from payflow.domain.proof_ports import ProofPending, ProofStale, Statement
from payflow.storage.transactions import Collection, translated


class MongoProofs:
    """The ``Proofs`` port."""

    def __init__(self, proofs: Collection, clock: Clock) -> None:
        self._proofs = proofs
        self._clock = clock

    async def latest(self) -> Statement:
        """The last one."""
        found = await self.before(None, 1)
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
            return [kept["statement"] async for kept in found]


def is_stale(statement: Statement, now: datetime) -> bool:
    """Whether the proof is too old to say anything of now; it says so itself, signed."""
    return now > datetime.fromisoformat(statement["stale_after"])
