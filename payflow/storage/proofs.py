"""The proofs that were given, as they were signed."""

from collections.abc import Sequence

from pymongo import DESCENDING

from payflow.domain.proof_ports import ProofPending, Statement
from payflow.storage.transactions import Collection, translated


class MongoProofs:
    """The ``Proofs`` port."""

    def __init__(self, proofs: Collection) -> None:
        self._proofs = proofs

    async def latest(self) -> Statement:
        """The last one."""
        found = await self.before(None, 1)
        if not found:
            raise ProofPending
        return found[0]

    async def before(self, number: int | None, limit: int) -> Sequence[Statement]:
        """Those before this number, newest first."""
        older = {} if number is None else {"_id": {"$lt": number}}
        with translated():
            found = self._proofs.find(older, sort=[("_id", DESCENDING)], limit=limit)
            return [kept["statement"] async for kept in found]
