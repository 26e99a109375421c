"""Operators' acts, append-only, in ``audit``; each line is sealed as it is written."""

from typing import Any

from pymongo.asynchronous.client_session import AsyncClientSession
from ulid import ULID

from payflow.domain.ports import Clock, OperatorAct
from payflow.storage.audit_chain import AuditChain
from payflow.storage.transactions import Client, in_transaction


class MongoAuditLog:
    """The ``AuditLog`` port over the chain."""

    def __init__(self, client: Client, database: str, clock: Clock) -> None:
        self._client = client
        self._chain = AuditChain(client, database)
        self._clock = clock

    async def record(self, act: OperatorAct) -> None:
        """Write the act down, with the time, and seal it: both or neither."""
        now = self._clock.now()
        act_id = f"act_{ULID.from_datetime(now)}"
        line: dict[str, Any] = {
            "at": now,
            "actor_id": act.actor_id,
            "verb": act.verb,
            "subject_id": act.subject_id,
            "reason": act.reason,
            "outcome": act.outcome,
            "request_id": act.request_id,
            "facts": act.facts,
        }

        async def work(session: AsyncClientSession) -> None:
            await self._chain.write({"_id": act_id}, {"$setOnInsert": line}, session, upsert=True)

        await in_transaction(self._client, work)
