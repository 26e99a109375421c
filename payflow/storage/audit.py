"""Operators' acts in ``audit``: before they are done or with what they write, always sealed."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from pymongo.asynchronous.client_session import AsyncClientSession
from ulid import ULID

from payflow.domain.ports import Clock
from payflow.domain.repair_ports import OperatorAct
from payflow.storage.audit_chain import AuditChain
from payflow.storage.transactions import Client, in_transaction

T = TypeVar("T")

DONE = "done"
BEGUN = "begun"  # the act may have been done; a line that stays so tells of a crash


class MongoAuditLog:
    """The ``AuditLog`` port over the chain."""

    def __init__(self, client: Client, database: str, clock: Clock) -> None:
        self._client = client
        self._chain = AuditChain(client, database)
        self._clock = clock
        # acts of one process would conflict on the chain's next link, and be run again whole
        self._one_at_a_time = asyncio.Lock()

    async def begin(self, act: OperatorAct) -> str:
        """Write the act down, with the time."""
        return await self._write_alone(act, BEGUN)

    async def refused(self, act: OperatorAct, code: str) -> None:
        """Write down that it was refused."""
        await self._write_alone(act, code)

    async def write(
        self, act: OperatorAct, session: AsyncClientSession, outcome: str = DONE
    ) -> str:
        """The act's line in a transaction, with what it does; the line's id."""
        now = self._clock.now()
        act_id = f"act_{ULID.from_datetime(now)}"
        line: dict[str, Any] = {
            "at": now,
            "actor_id": act.actor_id,
            "verb": act.verb,
            "subject_id": act.subject_id,
            "reason": act.reason,
            "outcome": outcome,
            "request_id": act.request_id,
            "facts": {},
        }
        await self._chain.write({"_id": act_id}, {"$setOnInsert": line}, session, upsert=True)
        return act_id

    async def in_transaction(
        self, act: OperatorAct | None, work: Callable[[AsyncClientSession], Awaitable[T]]
    ) -> T:
        """Run ``work``, which writes the act's line; without an act it is any transaction."""
        if act is None:
            return await in_transaction(self._client, work)
        async with self._one_at_a_time:
            return await in_transaction(self._client, work)

    async def _write_alone(self, act: OperatorAct, outcome: str) -> str:
        async def work(session: AsyncClientSession) -> str:
            return await self.write(act, session, outcome)

        return await self.in_transaction(act, work)

    async def finish(self, act_id: str, outcome: str) -> None:
        """Add what came of it, unless that is written already."""

        async def work(session: AsyncClientSession) -> None:
            begun = {"_id": act_id, "outcome": BEGUN}
            await self._chain.write(begun, {"$set": {"outcome": outcome}}, session)

        await in_transaction(self._client, work)
