"""A finding of the proof stays open until an operator closes it, and is found again if it stays."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from cli.stack import EmbeddedStack
from payflow.domain.errors import NotFound
from payflow.domain.invariants import Invariant
from payflow.domain.proof_ports import FindingClosed, FindingClosure, FindingStatus, ProofStale
from payflow.storage.audit_verification import verify_audit
from payflow.storage.identity import SystemClock
from payflow.storage.proofs import MongoProofs
from tests.contracts.proven import ProvenBooks, proven_books
from tests.contracts.proving import Proving, both, proving, right_again, subjects, thaw
from tests.fakes import START

HAVE = Invariant.CHANGES_HAVE_ENTRIES


@pytest.fixture(scope="module")
async def books(pair: EmbeddedStack) -> AsyncIterator[ProvenBooks]:
    async with proven_books(pair, "payflow_findings") as made:
        yield made


@pytest.fixture(scope="module")
async def proof(
    books: ProvenBooks, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Proving]:
    folder: Path = tmp_path_factory.mktemp("keys")
    async with proving(books.database, books.settings, folder) as made:
        assert (await made.prove())["status"] == "ok"
        yield made


async def test_a_violation_stays_open_until_an_operator_closes_it(
    proof: Proving, books: ProvenBooks
) -> None:
    transfers, findings = books.database.transfers, proof.storage.findings
    changed = {"_id": books.completed}
    await transfers.update_one(changed, {"$inc": {"amount": 1}})
    first = await proof.prove()
    assert (await proof.prove(full=True))["status"] == "violated"
    opened = (await findings.list(FindingStatus.OPEN, limit=10, after=None)).items
    found = {one.finding.invariant for one in opened}
    assert found == {HAVE, Invariant.RECORDS_MATCH_ENTRIES}
    assert {one.finding.subject_id for one in opened} == {books.completed}
    assert {one.wallet_ids for one in opened} == {tuple(sorted(both(books)))}
    assert {one.first_proof for one in opened} == {first["number"]}
    assert await thaw(proof, books) == both(books)

    await proof.close_findings()
    still = await proof.prove()

    # what is wrong is found again, as a finding of its own, and the wallets are frozen again
    assert subjects(still) == {(Invariant.RECORDS_MATCH_ENTRIES.value, books.completed)}
    (again,) = (await findings.list(FindingStatus.OPEN, limit=10, after=None)).items
    assert again.id not in {one.id for one in opened}
    assert again.first_proof == still["number"]
    assert await thaw(proof, books) == both(books)
    await transfers.update_one(changed, {"$inc": {"amount": -1}})
    await right_again(proof)
    await thaw(proof, books)


async def test_a_finding_is_closed_once_on_record(proof: Proving, books: ProvenBooks) -> None:
    for cent in (1, -1):
        await books.database.wallets.update_one({"_id": books.bob}, {"$inc": {"balance": cent}})
    await proof.prove()
    (opened,) = (await proof.storage.findings.list(FindingStatus.OPEN, limit=9, after=None)).items
    closure = FindingClosure(opened.id, "usr_OPERATOR", "put back", "req_1")

    closed = await proof.storage.findings.close(closure)

    assert (closed.status, closed.closed_by, closed.reason) == (
        FindingStatus.CLOSED,
        "usr_OPERATOR",
        "put back",
    )
    kept = (await proof.storage.findings.list(FindingStatus.CLOSED, limit=1, after=None)).items
    assert list(kept) == [closed]
    lines = proof.database.audit.find({"subject_id": opened.id})
    (line,) = [one async for one in lines]
    named = ("actor_id", "verb", "reason", "outcome", "request_id")
    assert [line[name] for name in named] == [
        "usr_OPERATOR",
        "close_finding",
        "put back",
        "done",
        "req_1",
    ]
    with pytest.raises(FindingClosed):
        await proof.storage.findings.close(closure)
    with pytest.raises(NotFound):
        await proof.storage.findings.close(replace(closure, finding_id="fnd_NONE"))
    assert await proof.database.audit.count_documents({"subject_id": opened.id}) == 1
    report = await verify_audit(proof.database.client, proof.database.name, None)
    assert report.findings == []
    assert (await proof.prove())["status"] == "ok"
    await thaw(proof, books)


class Later(SystemClock):
    """A clock that is some seconds ahead."""

    def __init__(self, by_s: float) -> None:
        self._by = timedelta(seconds=by_s)

    def now(self) -> datetime:
        return super().now() + self._by


@pytest.mark.parametrize("intervals", [2, 4])
async def test_a_proof_of_three_intervals_ago_says_nothing_of_now(
    proof: Proving, intervals: int
) -> None:
    last, by_s = await proof.prove(), intervals * proof.interval_s
    proofs = MongoProofs(proof.database.proofs, Later(by_s))
    if intervals < 3:
        assert await proofs.latest() == last
    else:
        with pytest.raises(ProofStale) as stale:
            await proofs.latest()
        assert stale.value.statement == last
    assert await proofs.before(None, 1) == [last]


@pytest.mark.parametrize(("field", "other"), [("owner_id", "usr_other"), ("created_at", START)])
async def test_a_wallet_that_changed_is_found_by_full_passes_as_well(
    proof: Proving, books: ProvenBooks, field: str, other: object
) -> None:
    wallets, which = books.database.wallets, {"_id": books.bob}
    before = await wallets.find_one(which)
    assert before
    await wallets.update_one(which, {"$set": {field: other}})
    await proof.prove()
    await proof.close_findings()

    again = [await proof.prove(full=True) for _ in range(2)]

    due = {(Invariant.RECORDS_MATCH_ENTRIES.value, books.bob)}
    assert [subjects(one) for one in again] == [due, due]
    await wallets.update_one(which, {"$set": {field: before[field]}})
    await right_again(proof)
    await thaw(proof, books)
