"""Journal and workflow histories held against each other: what Temporal says a step came to.

Two systems have no snapshot in common. A history is read before the journal, so each result in it
has its entry; what looks wrong is read once more a little later, and counts if it is wrong then.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loguru import logger

from payflow.domain.identifiers import Prefix
from payflow.domain.invariants import Finding, Invariant
from payflow.domain.ledger import StepAnswer
from payflow.domain.proof_ports import HistoriesUnavailable, StepHistories, StepHistory
from payflow.proof.books import FINDINGS_AT_MOST
from payflow.proof.questions import JOURNAL, TRANSFERS
from payflow.proof.sums import Database
from payflow.storage.mapping import to_answer
from payflow.storage.slices import slices

SAMPLE = 50  # transfers that ended since the last pass: two calls each, about 5 ms together
WALK_FOR_S = 2.0  # of each pass, about 200 histories, until all that are kept have been compared
WALK_AT_ONCE = 200
READ_AGAIN_S = 3.0  # a result is recorded milliseconds after its entry
AT_REST = 1.0  # for each second of reading: Temporal has workflows to serve

START = ""  # before the first transfer


@dataclass(frozen=True, slots=True)
class Compared:
    """What was found, and the last transfer of the walk; None when the walk has ended."""

    findings: tuple[Finding, ...]
    walked_to: str | None


class HistoryCheck:
    """Compares a sample of what ended, what was wrong before, and step by step all that is kept."""

    def __init__(
        self, database: Database, histories: StepHistories, *, read_again_s: float = READ_AGAIN_S
    ) -> None:
        self._database = database
        self._histories = histories
        self._read_again_s = read_again_s

    async def compare(self, ids: Collection[str], walked_to: str | None, *, full: bool) -> Compared:
        """Compare these, and go on with the walk; ``full`` begins it and looks for lost transfers.

        When Temporal does not answer nothing is found, and the walk stays where it is.
        """
        begins = START if full and walked_to is None else walked_to
        try:
            suspects = [one for one in ids if await self._differs(one)]
            if full:
                suspects += await self._lost()
            found, reached = await self._walk(begins)
            suspects += found
            if suspects:
                await asyncio.sleep(self._read_again_s)
            differing = [await self._differs(one) for one in dict.fromkeys(suspects)]
        except HistoriesUnavailable as error:
            logger.warning("histories are compared by a later pass: {!r}", error)
            return Compared((), begins)
        findings = [one for one in differing if one is not None]
        return Compared(tuple(findings[:FINDINGS_AT_MOST]), reached)

    async def _walk(self, walked_to: str | None) -> tuple[list[str], str | None]:
        """The transfers that differ, of those after this one, and how far the time sufficed."""
        suspects: list[str] = []
        if walked_to is None:
            return suspects, None
        deadline = time.monotonic() + WALK_FOR_S
        async for transfer_id in self._kept_after(walked_to):
            begun = time.monotonic()
            if await self._differs(transfer_id):
                suspects.append(transfer_id)
            walked_to = transfer_id
            await asyncio.sleep(AT_REST * (time.monotonic() - begun))
            if time.monotonic() > deadline or len(suspects) == FINDINGS_AT_MOST:
                return suspects, walked_to
        return suspects, None

    async def _kept_after(self, transfer_id: str) -> AsyncIterator[str]:
        """Transfers that may have a history, in order."""
        since = await self._histories.kept_since()
        may_have = {"$or": [{"completed_at": None}, {"completed_at": {"$gte": since}}]}
        while True:
            query = {"_id": {"$gt": transfer_id}, **may_have}
            found = self._database[TRANSFERS].find(
                query, {"_id": 1}, sort=[("_id", 1)], limit=WALK_AT_ONCE
            )
            some = [fields["_id"] async for fields in found]
            for one in some:
                yield one
            if len(some) < WALK_AT_ONCE:
                return
            transfer_id = some[-1]

    async def _lost(self) -> list[str]:
        """Transfers that Temporal has and the ledger has not."""
        kept = [one async for one in self._histories.kept()]
        lost: list[str] = []
        for some in slices(sorted(set(kept)), WALK_AT_ONCE):
            found = self._database[TRANSFERS].find({"_id": {"$in": list(some)}}, {"_id": 1})
            lost += sorted({*some} - {fields["_id"] async for fields in found})
        return lost[:FINDINGS_AT_MOST]

    async def _differs(self, transfer_id: str) -> Finding | None:
        if not transfer_id.startswith(f"{Prefix.TRANSFER}_"):
            return None
        history = await self._histories.of(transfer_id)
        if history is None:
            return None
        detail = difference(history, *await self._entries(transfer_id, history.run_id))
        rule = Invariant.HISTORIES_MATCH_JOURNAL
        return Finding(rule, transfer_id, detail) if detail else None

    async def _entries(
        self, transfer_id: str, run_id: str
    ) -> tuple[dict[str, StepAnswer], frozenset[str]]:
        """The steps' entries, and which of them that run has written."""
        steps = {"transfer_id": transfer_id, "outcome": {"$exists": True}}
        fields = {"leg": 1, "outcome": 1, "code": 1, "origin.run_id": 1}
        found = await self._database[JOURNAL].find(steps, fields).to_list()
        own = [one["leg"] for one in found if one.get("origin", {}).get("run_id") == run_id]
        return {one["leg"]: to_answer(one) for one in found}, frozenset(own)


def difference(
    history: StepHistory, entries: Mapping[str, StepAnswer], own: Collection[str]
) -> str | None:
    """What a history has otherwise than the journal, in words; None when they agree.

    ``own`` are the steps whose entries the history's run has written. A workflow that was started
    again or reset asks for those of other runs once more, and may not have come to them yet.
    """
    for result in history.results:
        entry = entries.get(result.leg.value)
        if entry is None:
            return f"its history has {_words(result)}, and the journal has no {result.leg}"
        if entry != result:
            return f"its history has {_words(result)}, the journal {_words(entry)}"
    told = {result.leg.value for result in history.results}
    due = set(entries) if history.is_complete else set(own)
    more = [entry for leg, entry in entries.items() if leg in due - told]
    allowed = 1 if history.is_settled else len(more)  # the pending step may be done already
    if len(more) > (0 if history.is_complete else allowed):
        return f"the journal has {_all(more)}, and its history has no result of it"
    return None


def _words(answer: StepAnswer) -> str:
    code = f" ({answer.code})" if answer.code else ""
    return f"{answer.leg} {answer.outcome}{code}"


def _all(answers: Sequence[Any]) -> str:
    return ", ".join(_words(one) for one in answers)
