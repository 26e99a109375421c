"""The books proved: every invariant asked in one snapshot, with what was found against each."""

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import ExecutionTimeout, OperationFailure

from payflow.domain.invariants import Finding, Invariant
from payflow.proof.feed import broken_links, untold_events
from payflow.proof.questions import QUESTIONS, Question, Stage
from payflow.proof.readable import misfit_findings
from payflow.proof.records import differing_records
from payflow.proof.sums import Database, disagreements, read_sums
from payflow.storage.misfits import like
from payflow.storage.transactions import is_transient, translated
from payflow.storage.uncancelled import end_if_abandoned

DETAIL_MOST = 300  # characters of what a server says
NO_LIMIT = 2**62
FINDINGS_AT_MOST = 20  # of one question: enough to see what is wrong, whatever is wrong
ASKED_WITHIN_S = 240.0  # one question; the server keeps a snapshot for 300 s (its default)

# What one look at MongoDB can see. Whether sagas live, and what their histories say, is asked of
# Temporal as well; what was changed, and is right again, only the change stream tells.
IN_THE_BOOKS = tuple(
    rule
    for rule in Invariant
    if rule
    not in {
        Invariant.SAGAS_ARE_ALIVE,
        Invariant.HISTORIES_MATCH_JOURNAL,
        Invariant.HISTORY_ONLY_GROWS,
        Invariant.CHANGES_HAVE_ENTRIES,
    }
)


@dataclass(frozen=True, slots=True)
class Proven:
    """One invariant and what breaks it; nothing, when it holds."""

    invariant: Invariant
    findings: tuple[Finding, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether nothing was found against it."""
        return not self.findings


async def prove_books(
    database: Database, rules: Collection[Invariant] = IN_THE_BOOKS
) -> list[Proven]:
    """Hold the books against these rules, all in the same snapshot.

    Memory is bounded by the server's and by ``FINDINGS_AT_MOST``, whatever the books' size. Books
    that take longer than a snapshot lives (300 s) cannot be proved in one go.

    Raises:
        BooksUnavailable: MongoDB does not answer.
    """
    with translated():
        async with database.client.start_session(snapshot=True) as session:
            return [await _prove(database, session, rule) for rule in rules]


async def findings_in(
    database: Database, rules: Collection[Invariant] = IN_THE_BOOKS
) -> list[Finding]:
    """Everything found against these rules; empty when all hold."""
    return [one for proven in await prove_books(database, rules) for one in proven.findings]


async def _prove(database: Database, session: AsyncClientSession, rule: Invariant) -> Proven:
    end_if_abandoned()
    found: list[Finding] = []
    if rule is Invariant.MONEY_IS_CONSERVED:
        found += disagreements(await read_sums(database, session))
    elif rule is Invariant.FEED_CHAIN_HOLDS:
        found += await _first(broken_links(database, session))
    elif rule is Invariant.FEED_TELLS_THE_JOURNAL:
        found += await _first(untold_events(database, session))
    elif rule is Invariant.RECORDS_MATCH_ENTRIES:
        found += await _first(differing_records(database, session))
    elif rule is Invariant.DOCUMENTS_READABLE:
        found += await _first(misfit_findings(database, session))
    for question in QUESTIONS:
        if question.invariant is rule:
            found += await _first(_ask_past_misfits(database, session, question))
    return Proven(rule, tuple(islice(found, FINDINGS_AT_MOST)))


async def _ask_past_misfits(
    database: Database, session: AsyncClientSession, question: Question
) -> AsyncIterator[Finding]:
    """Ask it; a document that the server cannot reckon with is a finding, and is left out."""
    try:
        async for one in _ask(database, session, question):
            yield one
        return
    except OperationFailure as error:
        if is_transient(error) or isinstance(error, ExecutionTimeout):
            raise
        detail = f"cannot be asked of every document: {error}"[:DETAIL_MOST]
    yield Finding(question.invariant, question.collection, detail)
    # the limit keeps the server from asking the rest of a document before its form
    known: list[Stage] = [
        {"$match": like(question.collection)},
        {"$limit": NO_LIMIT},
        *question.stages,
    ]
    async for one in _ask(database, session, replace(question, stages=known)):
        yield one


async def _ask(
    database: Database, session: AsyncClientSession, question: Question
) -> AsyncIterator[Finding]:
    stages = [*question.stages, {"$limit": FINDINGS_AT_MOST}]
    rows = await database[question.collection].aggregate(
        stages, session=session, allowDiskUse=True, maxTimeMS=int(ASKED_WITHIN_S * 1_000)
    )
    async for row in rows:
        subject = row.get("subject") or row["_id"]
        yield Finding(question.invariant, str(subject), question.detail.format_map(_Fields(row)))


class _Fields(dict[str, Any]):
    """A row's fields; what it lacks is said to be missing, and not an error."""

    def __missing__(self, name: str) -> str:
        return f"no {name}"


async def _first(findings: AsyncIterator[Finding]) -> list[Finding]:
    found: list[Finding] = []
    async for one in findings:
        found.append(one)
        if len(found) == FINDINGS_AT_MOST:
            break
    return found
