"""Operators' acts in ``audit``: on record before they are done, and sealed as they are written."""

from typing import Any

from pymongo.asynchronous.client_session import AsyncClientSession
from ulid import ULID

from payflow.domain.ports import Clock
from payflow.domain.repair_ports import OperatorAct
from payflow.storage.audit_chain import AuditChain
from payflow.storage.transactions import Client, in_transaction

BEGUN = "begun"  # the act may have been done; a line that stays so tells of a crash


class MongoAuditLog:
    """The ``AuditLog`` port over the chain."""

    def __init__(self, client: Client, database: str, clock: Clock) -> None:
        self._client = client
        self._chain = AuditChain(client, database)
        self._clock = clock

    async def begin(self, act: OperatorAct) -> str:
        """Write the act down, with the time."""
        now = self._clock.now()
        act_id = f"act_{ULID.from_datetime(now)}"
        line: dict[str, Any] = {
            "at": now,
            "actor_id": act.actor_id,
            "verb": act.verb,
            "subject_id": act.subject_id,
            "reason": act.reason,
            "outcome": BEGUN,
            "request_id": act.request_id,
            "facts": {},
        }

        async def work(session: AsyncClientSession) -> None:
            await self._chain.write({"_id": act_id}, {"$setOnInsert": line}, session, upsert=True)

        await in_transaction(self._client, work)
        return act_id

    async def finish(self, act_id: str, outcome: str) -> None:
        """Add what came of it, unless that is written already."""

        async def work(session: AsyncClientSession) -> None:
            begun = {"_id": act_id, "outcome": BEGUN}
            await self._chain.write(begun, {"$set": {"outcome": outcome}}, session)

        await in_transaction(self._client, work)
