"""Journal and histories are compared, both ways, and only what stays wrong counts."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from cli.stack import EmbeddedStack
from payflow.domain.invariants import Invariant
from payflow.domain.ledger import Leg, Outcome, StepAnswer
from payflow.domain.proof_ports import FindingStatus, HistoriesUnavailable, StepHistory
from payflow.domain.transfers import FailureCode
from payflow.proof.histories import HistoryCheck, difference
from payflow.proof.passes import Passes
from payflow.proof.publishing import Publisher
from payflow.settings import Settings
from payflow.storage.identity import SystemClock
from temporal.client import connect
from temporal.step_histories import TemporalStepHistories
from tests.contracts.proven import ProvenBooks, proven_books
from tests.contracts.proving import Proving, proving, subjects, thaw
from tests.e2e.bank import Bank, Json, bank_of
from tests.fakes import START

RULE = Invariant.HISTORIES_MATCH_JOURNAL
DEBIT, CREDIT = (StepAnswer(leg, Outcome.APPLIED) for leg in (Leg.DEBIT, Leg.CREDIT))
POST = StepAnswer(Leg.POST, Outcome.APPLIED)
NO_FUNDS = StepAnswer(Leg.DEBIT, Outcome.REFUSED, FailureCode.INSUFFICIENT_FUNDS)
FROZEN = StepAnswer(Leg.DEBIT, Outcome.REFUSED, FailureCode.WALLET_FROZEN)


def journal(*answers: StepAnswer) -> dict[str, StepAnswer]:
    return {answer.leg.value: answer for answer in answers}


@pytest.mark.parametrize(
    ("history", "entries"),
    [
        (StepHistory((DEBIT, CREDIT, POST), is_complete=True), journal(DEBIT, CREDIT, POST)),
        (StepHistory((DEBIT, DEBIT, CREDIT), is_settled=True), journal(DEBIT, CREDIT)),
        (StepHistory((DEBIT,), is_settled=True), journal(DEBIT, CREDIT)),  # the pending step
        (StepHistory((), is_settled=False), journal(DEBIT, CREDIT)),  # a task is under way
        (StepHistory((NO_FUNDS,), is_settled=True), journal(NO_FUNDS)),
        (StepHistory((DEBIT,)), journal(DEBIT, CREDIT, POST)),  # it was terminated
        (StepHistory((NO_FUNDS,), is_complete=True), journal(NO_FUNDS)),
        (StepHistory(), {}),
    ],
)
def test_a_history_that_agrees(history: StepHistory, entries: dict[str, StepAnswer]) -> None:
    assert difference(history, entries, entries.keys()) is None


def test_a_run_that_was_started_again_may_not_have_come_to_what_another_did() -> None:
    entries = journal(DEBIT, CREDIT, POST)
    running = StepHistory((DEBIT,), is_settled=True)
    assert difference(running, entries, {"debit"}) is None
    assert difference(running, entries, {"credit", "post"}) is not None
    assert difference(StepHistory((DEBIT,), is_complete=True), entries, {"debit"}) is not None


@pytest.mark.parametrize(
    ("history", "entries", "words"),
    [
        (
            StepHistory((DEBIT, CREDIT)),
            journal(DEBIT),
            "its history has credit applied, and the journal has no credit",
        ),
        (
            StepHistory((NO_FUNDS,)),
            journal(DEBIT),
            "its history has debit refused (insufficient_funds), the journal debit applied",
        ),
        (
            StepHistory((NO_FUNDS,)),
            journal(FROZEN),
            "its history has debit refused (insufficient_funds), the journal debit refused "
            "(wallet_frozen)",
        ),
        (
            StepHistory((DEBIT,), is_complete=True),
            journal(DEBIT, CREDIT),
            "the journal has credit applied, and its history has no result of it",
        ),
        (
            StepHistory((), is_settled=True),
            journal(DEBIT, CREDIT),
            "the journal has debit applied, credit applied, and its history has no result of it",
        ),
    ],
)
def test_a_history_that_differs(
    history: StepHistory, entries: dict[str, StepAnswer], words: str
) -> None:
    assert difference(history, entries, entries.keys()) == words


@dataclass
class InMemoryHistories:
    """The port's second implementation."""

    by_transfer: dict[str, StepHistory] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    away: bool = False

    async def of(self, transfer_id: str) -> StepHistory | None:
        if self.away:
            raise HistoriesUnavailable
        self.asked.append(transfer_id)
        return self.by_transfer.get(transfer_id)

    async def kept(self) -> AsyncIterator[str]:
        for one in self.by_transfer:
            yield one

    async def kept_since(self) -> datetime:
        return START


@pytest.fixture(scope="module")
async def books(pair: EmbeddedStack) -> AsyncIterator[ProvenBooks]:
    async with proven_books(pair, "payflow_histories") as made:
        yield made


@pytest.fixture(scope="module")
async def proof(
    books: ProvenBooks, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Proving]:
    folder: Path = tmp_path_factory.mktemp("keys")
    async with proving(books.database, books.settings, folder) as made:
        yield made


def right(books: ProvenBooks) -> InMemoryHistories:
    return InMemoryHistories(
        {
            books.completed: StepHistory((DEBIT, CREDIT, POST), is_complete=True),
            books.in_flight: StepHistory((DEBIT,), is_settled=True),
        }
    )


def checks(proof: Proving, histories: InMemoryHistories) -> Passes:
    storage = proof.storage
    publisher = Publisher(
        proof.database,
        proof.keys,
        storage.wallets,
        storage.audit,
        storage.clock,
        proof.interval_s,
    )
    check = HistoryCheck(proof.database, histories, read_again_s=0)
    return Passes(proof.database, publisher, SystemClock(), check)


async def said(proof: Proving, passes: Passes, *, full: bool = False) -> dict[str, Any]:
    verdict = await passes.prove(full=full)
    kept = await proof.database.proofs.find_one({"_id": verdict.number})
    assert kept
    statement: dict[str, Any] = kept["statement"]
    return statement


async def test_a_full_pass_compares_every_history_that_is_kept(
    proof: Proving, books: ProvenBooks
) -> None:
    histories = right(books)
    assert (await said(proof, checks(proof, histories)))["status"] == "ok"
    transfers = {one["_id"] async for one in proof.database.transfers.find({}, {"_id": 1})}
    assert set(histories.asked) == transfers
    histories.asked.clear()
    assert (await said(proof, checks(proof, histories)))["scope"] == "incremental"
    assert histories.asked == []


@pytest.mark.parametrize("lost", [False, True], ids=["another outcome", "not in the ledger"])
async def test_a_history_that_differs_is_a_violation_until_it_is_right_and_closed(
    proof: Proving, books: ProvenBooks, lost: bool
) -> None:
    histories = right(books)
    subject = "trf_LOST" if lost else books.completed
    before = histories.by_transfer.get(subject)
    histories.by_transfer[subject] = StepHistory((NO_FUNDS,), is_complete=True)

    wrong = await said(proof, checks(proof, histories), full=True)
    await proof.close_findings()
    again = await said(proof, checks(proof, histories))

    due = {(RULE.value, subject)}
    assert (subjects(wrong), subjects(again)) == (due, due)
    frozen = set() if lost else {books.alice, books.bob}
    assert await thaw(proof, books) == frozen
    del histories.by_transfer[subject]
    if before is not None:
        histories.by_transfer[subject] = before
    assert (await said(proof, checks(proof, histories)))["status"] == "violated"
    assert await proof.close_findings() == 1
    assert (await said(proof, checks(proof, histories)))["status"] == "ok"


async def test_temporal_that_does_not_answer_is_no_violation(
    proof: Proving, books: ProvenBooks
) -> None:
    histories = right(books)
    histories.away = True
    assert (await said(proof, checks(proof, histories), full=True))["status"] == "ok"
    histories.away = False
    assert (await said(proof, checks(proof, histories)))["scope"] == "incremental"
    assert books.completed in histories.asked  # the comparison that was put off
    opened = await proof.storage.findings.list(FindingStatus.OPEN, limit=1, after=None)
    assert not opened.items


async def test_a_walk_goes_on_where_the_time_was_over(
    proof: Proving, books: ProvenBooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("payflow.proof.histories.WALK_FOR_S", 0.0)
    histories = right(books)
    await said(proof, checks(proof, histories), full=True)
    for _ in range(await proof.database.transfers.count_documents({})):
        await said(proof, checks(proof, histories))
    asked = histories.asked
    assert len(asked) == len(set(asked)) == await proof.database.transfers.count_documents({})


async def test_temporal_tells_what_the_steps_came_to(pair: EmbeddedStack) -> None:
    """Of a completed and of a refused transfer; in a copy of their entries changes are found."""
    where = pair.addresses
    settings = Settings(mongo_url=where.mongo_url, temporal_address=where.temporal_address)
    histories = TemporalStepHistories(await connect(settings), SystemClock())
    async with bank_of(pair) as bank:
        completed, refused = await _two_transfers(bank)
    client: AsyncMongoClient[Json] = AsyncMongoClient(settings.mongo_url, tz_aware=True)
    async with client, asyncio.timeout(60):
        for one in (completed, refused):  # a workflow closes a moment after its transfer
            while not ((told := await histories.of(one)) and told.is_complete):
                await asyncio.sleep(0.1)
        while completed not in {one async for one in histories.kept()}:
            await asyncio.sleep(0.1)  # the search index is behind
        there, here = client["payflow"], client["payflow_histories_copy"]
        await client.drop_database(here.name)
        async for entry in there.journal.find({"transfer_id": {"$in": [completed, refused]}}):
            await here.journal.insert_one(entry)
        check = HistoryCheck(here, histories, read_again_s=0)
        assert (await check.compare([completed, refused], None, full=False)).findings == ()
        await here.journal.delete_one({"_id": f"{completed}:credit"})
        await here.journal.update_one({"_id": f"{refused}:debit"}, {"$set": {"outcome": "voided"}})
        found = (await check.compare([completed, refused], None, full=False)).findings
        await here.journal.delete_many({"transfer_id": completed})

    assert [(one.subject_id, one.detail.partition(",")[0]) for one in found] == [
        (completed, "its history has credit applied"),
        (refused, "its history has debit refused (insufficient_funds)"),
    ]
    assert await histories.of("trf_NEVER_STARTED") is None
    assert await histories.kept_since() < SystemClock().now()


async def _two_transfers(bank: Bank) -> tuple[str, str]:
    alice, bob = await bank.funded(100), await bank.person("bob")
    done = await bank.send(alice, bob, 10, wait_s=20)
    refused = await bank.send(alice, bob, 5_000, wait_s=20)
    assert (done["status"], refused["status"]) == ("completed", "failed")
    return str(done["id"]), str(refused["id"])
