"""``Repairs`` in memory: the same rules over the books in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from payflow.auth.action_proofs import HmacActionProofs
from payflow.domain.ledger import LegRequest, Snapshot
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
from tests.fakes import InMemoryBooks

PROOFS = HmacActionProofs({"a test's": b"0" * 32})

OPERATORS = {
    "usr_OPERATOR": "usr_OPERATOR",
    "usr_SECOND": "usr_SECOND",
    "op@example.com": "usr_OPERATOR",
}


@dataclass
class Kept:
    """An act as it stands on record."""

    act: Act
    operator: str
    at: datetime
    outcome: str = "begun"
    proposed_by: str | None = None


class InMemoryRepairs:
    """Acts on record in a process."""

    def __init__(self, books: InMemoryBooks) -> None:
        self._books = books
        self.acts: dict[str, Kept] = {}
        self.away = False

    async def begin(self, act: Act, *, proven: bool) -> Begun:
        if self.away:
            raise ConnectionError("the books are away")
        if not proven:
            act = replace(act, id=f"act_{act.transfer_id}:{act.id}")
        kept = self.acts.get(act.id)
        if kept is None:
            named = OPERATORS.get(act.operator) if act.operator else ""
            if named is None:
                raise OperatorUnknown(act.operator)
            act = replace(act, operator=named)
            kept = Kept(act, named if proven else TEMPORAL, self._books.clock.now())
            if act.resolve is not None:
                self._approve(kept)
            self.acts[act.id] = kept
        waits = kept.outcome in ("approval_pending", "approved", "lapsed")
        return Begun(act.id, kept.operator, waits, kept.proposed_by)

    def _approve(self, new: Kept) -> None:
        oldest = self._books.clock.now() - APPROVAL_LAPSES_AFTER
        same = [
            one
            for one in self.acts.values()
            if one.outcome == "approval_pending"
            and one.act.transfer_id == new.act.transfer_id
            and one.act.resolve == new.act.resolve
            and one.at >= oldest
        ]
        own = any(new.operator in (one.operator, one.act.operator) for one in same)
        if not same:
            new.outcome = "approval_pending"
        elif own or new.operator == TEMPORAL:
            raise SecondOperatorRequired(new.act.transfer_id)
        else:
            same[0].outcome = "approved"
            new.proposed_by = same[0].operator

    async def authorizes(self, leg: LegRequest) -> bool:
        actor = leg.outside.approved_by if leg.outside else leg.tombstone and leg.tombstone.actor
        return any(
            kept.operator == actor and kept.act.verb in (Verb.REFUND, Verb.RESOLVE)
            for kept in self.acts.values()
        )

    async def finish(self, act_id: str, outcome: str) -> None:
        self.acts[act_id].outcome = outcome

    async def preview(
        self, verb: Verb, transfer_id: str, resolve: Resolve | None
    ) -> Sequence[PlannedEntry]:
        books = self._books
        snapshot = Snapshot(books.transfers, books.wallets, books.journal)
        return [
            PlannedEntry(entry.key, entry.answer.outcome, entry.answer.code, entry.postings)
            for entry in plan(verb, transfer_id, resolve, snapshot, books.clock.now())
        ]
