"""Books and sagas held against each other: who has not ended is carried by a workflow.

Two systems have no snapshot in common. So whoever looks lost is looked at once more a little
later, and only what is lost both times counts.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any, Protocol

from payflow.domain.invariants import Finding, Invariant
from payflow.proof.books import FINDINGS_AT_MOST, Proven
from payflow.proof.questions import TRANSFERS
from payflow.proof.sums import Database
from payflow.storage.documents import BatchDocument
from payflow.storage.endings import OPEN, UNFINISHED
from payflow.storage.slices import slices
from payflow.storage.transactions import translated

LOOK_AGAIN_S = 3.0  # a transfer's workflow is started within milliseconds of its commit
SUSPECTS_AT_MOST = 200  # looked at once more: a wiped Temporal need not be told of 20,000 times
READ_AT_ONCE = 1_000

_KEPT_IN = {"transfer": TRANSFERS, "batch": BatchDocument.Settings.name}


class LiveSagas(Protocol):
    """The workflows of transfers and batches that run now."""

    def running(self) -> AsyncIterator[str]:
        """Their ids, as the search index has them: seconds late at times."""
        ...

    async def is_running(self, workflow_id: str) -> bool:
        """Whether this one runs, at this moment."""
        ...


async def prove_sagas(
    database: Database, sagas: LiveSagas, *, look_again_s: float = LOOK_AGAIN_S
) -> Proven:
    """Hold unfinished transfers and running workflows against each other.

    Ids of what runs are held in memory: about 100 bytes for each unfinished transfer, of which
    the door lets in ``PAYFLOW_MAX_UNFINISHED``.

    Raises:
        BooksUnavailable: MongoDB does not answer. Whatever ``sagas`` raises.
    """
    running = {workflow_id async for workflow_id in sagas.running()}
    with translated():
        lost = await _not_carried(database, running)
        strays = await _carrying_nothing(database, running)
        if lost or strays:
            await asyncio.sleep(look_again_s)
        findings = await _still_lost(database, sagas, lost)
        findings += await _still_stray(database, sagas, strays)
    return Proven(Invariant.SAGAS_ARE_ALIVE, tuple(findings[:FINDINGS_AT_MOST]))


def _carriers(transfer: dict[str, Any]) -> set[str]:
    """The workflows either of which carries it: a batch may leave an item to one of its own."""
    return {str(transfer.get("workflow_id")), f"transfer/{transfer['_id']}"}


async def _not_carried(database: Database, running: Collection[str]) -> list[str]:
    unfinished = database[TRANSFERS].find(
        UNFINISHED, {"workflow_id": 1}, hint=OPEN, batch_size=READ_AT_ONCE
    )
    lost: list[str] = []
    async for transfer in unfinished:
        if _carriers(transfer).isdisjoint(running):
            lost.append(transfer["_id"])
        if len(lost) == SUSPECTS_AT_MOST:
            break
    return lost


async def _still_lost(database: Database, sagas: LiveSagas, lost: Sequence[str]) -> list[Finding]:
    query = {"_id": {"$in": list(lost)}, **UNFINISHED}
    findings: list[Finding] = []
    async for transfer in database[TRANSFERS].find(query, {"workflow_id": 1, "status": 1}):
        if len(findings) == FINDINGS_AT_MOST:
            break
        if not any([await sagas.is_running(one) for one in sorted(_carriers(transfer))]):
            detail = f"{transfer.get('status')}, and no {transfer.get('workflow_id')} runs"
            findings.append(Finding(Invariant.SAGAS_ARE_ALIVE, transfer["_id"], detail))
    return findings


async def _carrying_nothing(database: Database, running: Collection[str]) -> list[str]:
    strays: list[str] = []
    for some in slices(sorted(running), READ_AT_ONCE):
        subjects = {one: _subject(one) for one in some}
        known = await _known(database, [subject for subject in subjects.values() if subject])
        strays += [one for one, subject in subjects.items() if subject and subject[1] not in known]
    return strays[:SUSPECTS_AT_MOST]


def _subject(workflow_id: str) -> tuple[str, str] | None:
    """The collection and the id of what a workflow carries."""
    kind, _, subject_id = workflow_id.partition("/")
    return (_KEPT_IN[kind], subject_id) if kind in _KEPT_IN else None


async def _known(database: Database, subjects: Sequence[tuple[str, str]]) -> set[str]:
    known: set[str] = set()
    for collection in {where for where, _ in subjects}:
        ids = [subject_id for where, subject_id in subjects if where == collection]
        found = database[collection].find({"_id": {"$in": ids}}, {"_id": 1})
        known |= {fields["_id"] async for fields in found}
    return known


async def _still_stray(
    database: Database, sagas: LiveSagas, strays: Sequence[str]
) -> list[Finding]:
    runs = [one for one in strays if await sagas.is_running(one)]
    lost = await _carrying_nothing(database, runs)
    return [
        Finding(Invariant.SAGAS_ARE_ALIVE, one, "runs, and the books know nothing of it")
        for one in lost
    ]
