"""``Repairs`` in memory: the same rules over the books in memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from payflow.domain.ledger import Snapshot
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

    async def begin(self, act: Act) -> Begun:
        if self.away:
            raise ConnectionError("the books are away")
        kept = self.acts.get(act.id)
        if kept is None:
            operator = TEMPORAL if act.by_cancellation else OPERATORS.get(act.operator)
            if operator is None:
                raise OperatorUnknown(act.operator)
            kept = Kept(act, operator, self._books.clock.now())
            if act.resolve is not None:
                self._approve(kept)
            self.acts[act.id] = kept
        waits = kept.outcome in ("approval_pending", "approved", "lapsed")
        return Begun(kept.operator, waits, kept.proposed_by)

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
        others = [one for one in same if one.operator != new.operator]
        if others:
            others[0].outcome = "approved"
            new.proposed_by = others[0].operator
        elif same:
            raise SecondOperatorRequired(new.act.transfer_id)
        else:
            new.outcome = "approval_pending"

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
