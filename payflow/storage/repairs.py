"""Operators' acts on transfers, in ``operator_acts`` and ``audit``: both, before anything is done.

An act's id is its identity: repeated by a retry or a reset, it is found and not written again.
"""

from typing import Any

from pymongo.asynchronous.client_session import AsyncClientSession

from payflow.domain.errors import Conflict, NotFound
from payflow.domain.ledger import Leg, LegRequest
from payflow.domain.ports import Clock, Origin
from payflow.domain.repair_errors import OperatorUnknown, SecondOperatorRequired
from payflow.domain.repairs import (
    APPROVAL_LAPSES_AFTER,
    TEMPORAL,
    Act,
    Begun,
    PlannedEntry,
    Resolve,
    Verb,
    plan,
)
from payflow.domain.users import Role
from payflow.storage.audit import BEGUN
from payflow.storage.books_collections import BooksCollections
from payflow.storage.posting_group import OriginatedLeg, PostingGroup
from payflow.storage.recent import RecentTransfers
from payflow.storage.transactions import Collection, in_transaction, translated

APPROVAL_PENDING, APPROVED, LAPSED = "approval_pending", "approved", "lapsed"


class MongoRepairs:
    """The ``Repairs`` port over the collections of the books."""

    def __init__(self, books: BooksCollections, clock: Clock) -> None:
        self._books = books
        self._clock = clock
        # it remembers nothing, so that every look at the books is a fresh one
        self._reader = PostingGroup(books, clock, RecentTransfers())

    async def begin(self, act: Act) -> Begun:
        """Write the act down, once for one id; a second operator's ``resolve`` approves."""

        async def work(session: AsyncClientSession) -> Begun:
            kept = await self._acts.find_one({"_id": act.id}, session=session)
            if kept is None:
                kept = await self._begin(act, session)
            return Begun(
                kept["operator"],
                kept["outcome"] in (APPROVAL_PENDING, APPROVED, LAPSED),
                kept.get("proposed_by"),
            )

        try:
            return await in_transaction(self._books.client, work)
        except Conflict as refusal:
            with translated():
                await self._audit.update_one(
                    {"_id": act.id},
                    {"$setOnInsert": self._line(act, act.operator, refusal.code)},
                    upsert=True,
                )
            raise

    async def finish(self, act_id: str, outcome: str) -> None:
        """Write down what came of it, in both places."""

        async def work(session: AsyncClientSession) -> None:
            done = {"$set": {"outcome": outcome}}
            await self._acts.update_one({"_id": act_id, "outcome": BEGUN}, done, session=session)
            # the API may have given up on the act and said so; what was done is what counts
            await self._audit.update_one({"_id": act_id}, done, session=session)

        await in_transaction(self._books.client, work)

    async def preview(
        self, verb: Verb, transfer_id: str, resolve: Resolve | None
    ) -> list[PlannedEntry]:
        """What the verb would post, read in one snapshot."""
        leg = OriginatedLeg(LegRequest(transfer_id, Leg.DEBIT), Origin())

        async def work(session: AsyncClientSession) -> list[PlannedEntry]:
            snapshot = await self._reader.read([leg], session)
            if transfer_id not in snapshot.transfers:
                raise NotFound("transfer", transfer_id)
            return [
                PlannedEntry(entry.key, entry.answer.outcome, entry.answer.code, entry.postings)
                for entry in plan(verb, transfer_id, resolve, snapshot, self._clock.now())
            ]

        return await in_transaction(self._books.client, work)

    async def _begin(self, act: Act, session: AsyncClientSession) -> dict[str, Any]:
        operator = TEMPORAL if act.by_cancellation else await self._operator(act.operator, session)
        kept: dict[str, Any] = {
            "_id": act.id,
            "transfer_id": act.transfer_id,
            "verb": act.verb.value,
            "operator": operator,
            "reason": act.reason,
            "at": self._clock.now(),
            "outcome": BEGUN,
        }
        if act.resolve is not None:
            kept |= _said(act.resolve)
            kept |= await self._approval(act, act.resolve, operator, session)
        await self._acts.insert_one(kept, session=session)
        await self._audit.update_one(
            {"_id": act.id},
            {
                "$setOnInsert": self._line(act, operator, kept["outcome"]),
                "$set": {"facts": _facts(kept)},
            },
            upsert=True,
            session=session,
        )
        return kept

    async def _operator(self, named: str, session: AsyncClientSession) -> str:
        """Who this is, so that one operator under two names does not make two."""
        found = await self._books.users.find_one(
            {
                "$or": [{"_id": named}, {"email": named.strip().lower()}],
                "role": Role.OPERATOR.value,
                "active": True,
            },
            session=session,
        )
        if found is None:
            raise OperatorUnknown(named)
        return str(found["_id"])

    async def _approval(
        self, act: Act, resolve: Resolve, operator: str, session: AsyncClientSession
    ) -> dict[str, Any]:
        """What makes the act a proposal, or the approval of another operator's."""
        now = self._clock.now()
        waiting = {
            "transfer_id": act.transfer_id,
            "verb": Verb.RESOLVE.value,
            "outcome": APPROVAL_PENDING,
        }
        lapsed = {**waiting, "at": {"$lt": now - APPROVAL_LAPSES_AFTER}}
        await self._acts.update_many(lapsed, {"$set": {"outcome": LAPSED}}, session=session)
        same = {**waiting, **_said(resolve)}
        approved = await self._acts.find_one_and_update(
            {**same, "operator": {"$ne": operator}},
            {"$set": {"outcome": APPROVED, "approved_by": operator}},
            session=session,
        )
        if approved is not None:
            await self._audit.update_one(
                {"_id": approved["_id"]},
                {"$set": {"outcome": APPROVED, "facts.approved_by": operator}},
                session=session,
            )
            return {"approval_of": approved["_id"], "proposed_by": approved["operator"]}
        if await self._acts.find_one({**same, "operator": operator}, session=session):
            raise SecondOperatorRequired(act.transfer_id)
        return {"outcome": APPROVAL_PENDING}

    def _line(self, act: Act, operator: str, outcome: str) -> dict[str, Any]:
        return {
            "at": self._clock.now(),
            "actor_id": operator,
            "verb": act.verb.value,
            "subject_id": act.transfer_id,
            "reason": act.reason,
            "outcome": outcome,
            "request_id": None,
        }

    @property
    def _acts(self) -> Collection:
        return self._books.operator_acts

    @property
    def _audit(self) -> Collection:
        return self._books.audit


def _said(resolve: Resolve) -> dict[str, Any]:
    return {
        "leg": resolve.leg.value,
        "resolution": resolve.outcome.value,
        "evidence": resolve.evidence.strip(),
    }


def _facts(kept: dict[str, Any]) -> dict[str, Any]:
    named = ("leg", "resolution", "evidence", "approval_of", "proposed_by")
    return {name: kept[name] for name in named if name in kept}
