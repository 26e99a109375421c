"""Operators' acts on transfers, in ``operator_acts`` and ``audit``: both, before anything is done.

An act's id is its identity: repeated by a retry or a reset, it is found and not written again. What
came through Temporal without the API's proof is the act of ``temporal``: the operator it names is
kept as ``claimed_operator``, and its id has the transfer's in front, so it never is another's.
"""

from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from pymongo.asynchronous.client_session import AsyncClientSession

from payflow.domain.credentials import normalized_email
from payflow.domain.errors import Conflict, NotFound
from payflow.domain.ledger import Leg, LegRequest
from payflow.domain.ports import Clock, Origin
from payflow.domain.repair_errors import ActIdReused, OperatorUnknown, SecondOperatorRequired
from payflow.domain.repairs import (
    APPROVAL_LAPSES_AFTER,
    TEMPORAL,
    Act,
    Begun,
    PlannedEntry,
    Resolution,
    Resolve,
    Verb,
    plan,
    tombstone_of,
)
from payflow.domain.users import Role
from payflow.storage.audit import BEGUN
from payflow.storage.audit_chain import AuditChain
from payflow.storage.books_collections import BooksCollections
from payflow.storage.posting_group import OriginatedLeg, PostingGroup
from payflow.storage.recent import RecentTransfers
from payflow.storage.transactions import Collection, in_transaction, translated

APPROVAL_PENDING, APPROVED, LAPSED = "approval_pending", "approved", "lapsed"
_AN_OPERATOR = {"role": Role.OPERATOR.value, "active": True}


class MongoRepairs:
    """The ``Repairs`` port over the collections of the books."""

    def __init__(self, books: BooksCollections, clock: Clock) -> None:
        self._books = books
        self._clock = clock
        self._chain = AuditChain(books.client, books.audit.database.name)
        # it remembers nothing, so that every look at the books is a fresh one
        self._reader = PostingGroup(books, clock, RecentTransfers())

    async def begin(self, act: Act, *, proven: bool) -> Begun:
        """Write the act down, once for one id; a second operator's ``resolve`` approves."""
        if not proven:
            act = replace(act, id=f"act_{act.transfer_id}:{act.id}")

        async def work(session: AsyncClientSession) -> Begun:
            kept = await self._acts.find_one({"_id": act.id}, session=session)
            if kept is None:
                kept = await self._begin(act, session, proven=proven)
            elif not kept.items() >= _asked(act).items():
                raise ActIdReused(act.id)
            return Begun(
                act.id,
                kept["operator"],
                kept["outcome"] in (APPROVAL_PENDING, APPROVED, LAPSED),
                kept.get("proposed_by"),
            )

        try:
            return await in_transaction(self._books.client, work)
        except Conflict as refusal:
            actor = act.operator if proven else TEMPORAL
            line = {**self._line(act, actor, refusal.code), "facts": _claimed(act, proven=proven)}
            write = partial(self._chain.write, {"_id": act.id}, {"$setOnInsert": line}, upsert=True)
            await in_transaction(self._books.client, write)
            raise

    async def finish(self, act_id: str, outcome: str) -> None:
        """Write down what came of it, in both places; once, and of an act on a transfer only."""

        async def work(session: AsyncClientSession) -> None:
            begun, done = {"_id": act_id, "outcome": BEGUN}, {"$set": {"outcome": outcome}}
            found = await self._acts.update_one(begun, done, session=session)
            if found.matched_count:
                # the API may have given up on the act and said so; what was done is what counts
                await self._chain.write({"_id": act_id}, done, session)

        await in_transaction(self._books.client, work)

    async def authorizes(self, leg: LegRequest) -> bool:
        """Whether an act on record says what the request would write, and by the same people."""
        allowed = _acts_that_allow(leg)
        if not allowed:
            return False
        with translated():
            query = {"transfer_id": leg.transfer_id, "$or": allowed}
            return await self._acts.find_one(query, {"_id": 1}) is not None

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

    async def _begin(
        self, act: Act, session: AsyncClientSession, *, proven: bool
    ) -> dict[str, Any]:
        named = await self._operator(act.operator, session) if act.operator else ""
        if not proven:
            act = replace(act, operator=named)
        operator = named if proven else TEMPORAL
        kept: dict[str, Any] = {
            "_id": act.id,
            **_asked(act),
            **_claimed(act, proven=proven),
            "operator": operator,
            "at": self._clock.now(),
            "outcome": BEGUN,
        }
        if act.resolve is not None:
            kept |= await self._approval(act, operator, session)
        await self._acts.insert_one(kept, session=session)
        await self._chain.write(
            {"_id": act.id},
            {
                "$setOnInsert": self._line(act, operator, kept["outcome"]),
                "$set": {"facts": _facts(kept)},
            },
            session,
            upsert=True,
        )
        return kept

    async def _operator(self, named: str, session: AsyncClientSession) -> str:
        """Who this is, so that one operator under two names does not make two."""
        which: dict[str, Any] = {"_id": named}
        with suppress(ValueError):
            which = {"email": normalized_email(named.strip())}
        found = await self._books.users.find_one({**which, **_AN_OPERATOR}, session=session)
        if found is None:
            raise OperatorUnknown(named)
        return str(found["_id"])

    async def _approval(
        self, act: Act, operator: str, session: AsyncClientSession
    ) -> dict[str, Any]:
        """What makes the act a proposal, or the approval of another's.

        ``temporal`` proposes and never approves; and who is claimed to have proposed there does
        not approve it here.
        """
        await self._lapse(act.transfer_id, session)
        waiting = {**_asked(act), "outcome": APPROVAL_PENDING}
        del waiting["reason"]  # each says why in their own words
        proposals = await self._acts.find(waiting, sort=[("at", 1)], session=session).to_list()
        if not proposals:
            return {"outcome": APPROVAL_PENDING}
        own = any(operator in (one["operator"], one.get("claimed_operator")) for one in proposals)
        if own or operator == TEMPORAL:
            raise SecondOperatorRequired(act.transfer_id)
        approved = proposals[0]
        await self._decide(approved["_id"], {"outcome": APPROVED, "approved_by": operator}, session)
        return {"approval_of": approved["_id"], "proposed_by": approved["operator"]}

    async def _lapse(self, transfer_id: str, session: AsyncClientSession) -> None:
        """End the proposals that are too old, or of people who are no operators any more."""
        waiting = {"transfer_id": transfer_id, "outcome": APPROVAL_PENDING}
        oldest = self._clock.now() - APPROVAL_LAPSES_AFTER
        for one in await self._acts.find(waiting, session=session).to_list():
            proposer = {"_id": one["operator"], **_AN_OPERATOR}
            counts = one["operator"] == TEMPORAL or await self._books.users.find_one(
                proposer, session=session
            )
            if one["at"] < oldest or not counts:
                await self._decide(one["_id"], {"outcome": LAPSED}, session)

    async def _decide(self, act_id: str, said: dict[str, str], session: AsyncClientSession) -> None:
        """What became of a proposal, in both places."""
        await self._acts.update_one({"_id": act_id}, {"$set": said}, session=session)
        told = {name if name == "outcome" else f"facts.{name}": said[name] for name in said}
        await self._chain.write({"_id": act_id}, {"$set": told}, session)

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


def _acts_that_allow(leg: LegRequest) -> list[dict[str, Any]]:
    if leg.outside is not None:
        both = {"operator": leg.outside.approved_by, "proposed_by": leg.outside.proposed_by}
        said = {
            "leg": leg.leg.value,
            "resolution": Resolution.SETTLED_OUTSIDE.value,
            "evidence": leg.outside.evidence,
        }
        return [{**both, "reason": leg.outside.reason, **said}]
    if leg.tombstone is None:
        return []
    actor, reason = leg.tombstone.actor, leg.tombstone.reason
    if leg.tombstone != tombstone_of(actor, reason):
        return []  # no operator writes another code
    by = {"operator": actor, "reason": reason}
    not_done = {"resolution": Resolution.NOT_DONE.value, "proposed_by": {"$exists": True}}
    return [{**by, "verb": Verb.REFUND.value}, {**by, **not_done}]


def _asked(act: Act) -> dict[str, Any]:
    """What an act asks for, by whomever; another act under its id asks for something else."""
    return {
        "transfer_id": act.transfer_id,
        "verb": act.verb.value,
        "reason": act.reason,
        **(_said(act.resolve) if act.resolve else {}),
    }


def _claimed(act: Act, *, proven: bool) -> dict[str, str]:
    """Whom an act without a proof names; *Cancel* names no operator."""
    return {} if proven or not act.operator else {"claimed_operator": act.operator}


def _said(resolve: Resolve) -> dict[str, Any]:
    return {
        "leg": resolve.leg.value,
        "resolution": resolve.outcome.value,
        "evidence": resolve.evidence.strip(),
    }


def _facts(kept: dict[str, Any]) -> dict[str, Any]:
    named = (
        "leg",
        "resolution",
        "evidence",
        "approval_of",
        "proposed_by",
        "claimed_operator",
    )
    return {name: kept[name] for name in named if name in kept}
