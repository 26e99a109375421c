"""One unit changed behind the books' back is found by the next pass, however old it is."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cli.stack import EmbeddedStack
from payflow.domain.events import GENESIS
from payflow.domain.invariants import Invariant
from payflow.domain.proof_ports import ProofOvertaken, ProofPending, Verdict
from payflow.proof.passes import Passes
from payflow.proof.publishing import Publisher
from payflow.storage.identity import SystemClock
from payflow.storage.proofs import MongoProofs
from tests.contracts.proven import ProvenBooks, proven_books
from tests.contracts.proving import Proving, both, proving, right_again, subjects, thaw, verify

Fields = dict[str, Any]
Named = Callable[[ProvenBooks], Any]


@pytest.fixture(scope="module")
async def books(pair: EmbeddedStack) -> AsyncIterator[ProvenBooks]:
    async with proven_books(pair, "payflow_passes") as made:
        yield made


@pytest.fixture(scope="module")
async def proof(
    books: ProvenBooks, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Proving]:
    folder: Path = tmp_path_factory.mktemp("keys")
    async with proving(books.database, books.settings, folder) as made:
        yield made


async def test_the_first_pass_is_a_full_one_and_the_next_are_not(
    proof: Proving, books: ProvenBooks
) -> None:
    proofs = MongoProofs(books.database.proofs, SystemClock())
    with pytest.raises(ProofPending):
        await proofs.latest()

    first, second = await proof.prove(), await proof.prove()

    assert (first["status"], first["scope"], second["scope"]) == ("ok", "full", "incremental")
    assert second["violations"] == []
    assert first["transfers_checked"] == second["transfers_checked"] == 8
    assert second["oldest_in_transit"]["transfer_id"] == books.in_flight
    assert await proofs.latest() == second
    assert await proofs.before(second["number"], 5) == [first]


async def test_a_stranger_verifies_the_chain_of_proofs(proof: Proving) -> None:
    await proof.prove()
    previous = GENESIS
    async for kept in proof.database.proofs.find({}, sort=[("_id", 1)]):
        verify(kept["statement"], proof.keys.public, previous)
        previous = kept["statement"]["hash"]


@dataclass(frozen=True)
class Spoilt:
    """A change to one document, the rule and the subject that are named, and who is frozen."""

    what: str
    collection: str
    key: Named
    change: Fields
    rule: Invariant
    subject: Named
    frozen: Named = field(default=lambda books: {books.alice})


def alice(books: ProvenBooks) -> str:
    return books.alice


def debit(books: ProvenBooks) -> str:
    return f"{books.completed}:debit"


GROWS, HAVE = Invariant.HISTORY_ONLY_GROWS, Invariant.CHANGES_HAVE_ENTRIES
SPOILT = [
    Spoilt("a balance", "wallets", alice, {"$inc": {"balance": 1}}, HAVE, alice),
    Spoilt("what is held", "wallets", alice, {"$inc": {"held": 1}}, HAVE, alice),
    Spoilt("a sequence", "wallets", alice, {"$inc": {"sequence": 1}}, HAVE, alice),
    Spoilt("a posting", "journal", debit, {"$inc": {"postings.1.amount": 1}}, GROWS, debit),
    Spoilt(
        "an outcome",
        "journal",
        lambda books: f"{books.refused}:debit",
        {"$set": {"outcome": "voided"}},
        GROWS,
        lambda books: f"{books.refused}:debit",
    ),
    Spoilt(
        "an event", "journal", debit, {"$set": {"event.data.description": "Lunch"}}, GROWS, debit
    ),
    Spoilt(
        "an event's place",
        "feed",
        lambda _: 3,
        {"$set": {"event.type": "transfer.failed"}},
        GROWS,
        lambda _: "3",
        lambda books: {books.alice, books.bob},
    ),
    Spoilt(
        "a feed hash",
        "feed",
        lambda _: 5,
        {"$set": {"hash": "0" * 64}},
        GROWS,
        lambda _: "5",
        lambda books: {books.alice, books.bob},
    ),
    Spoilt(
        "a status",
        "transfers",
        lambda books: books.in_flight,
        {"$set": {"status": "completed"}},
        HAVE,
        lambda books: books.in_flight,
        both,
    ),
    Spoilt(
        "an amount of long ago",
        "transfers",
        lambda books: books.completed,
        {"$inc": {"amount": 1}},
        HAVE,
        lambda books: books.completed,
        both,
    ),
]


@pytest.mark.parametrize("case", SPOILT, ids=lambda case: case.what)
async def test_one_changed_unit_is_found_by_the_next_pass(
    proof: Proving, books: ProvenBooks, case: Spoilt
) -> None:
    await proof.seal()
    assert (await proof.prove())["status"] == "ok"
    kept = books.database[case.collection]
    before = await kept.find_one({"_id": case.key(books)})
    assert before
    changed = await kept.update_one({"_id": case.key(books)}, case.change)
    assert changed.modified_count == 1

    wrong, still = await proof.prove(), await proof.prove()

    assert (wrong["status"], wrong["scope"]) == ("violated", "full")
    assert (case.rule.value, case.subject(books)) in subjects(wrong)
    frozen = await thaw(proof, books)
    assert case.frozen(books) <= frozen
    alert = await books.database.journal.find_one({"_id": f"proof:{wrong['number']}:violated"})
    assert alert
    assert alert["event"]["type"] == "proof.violated"
    assert alert["event"]["data"] == wrong
    if still["status"] == "violated":  # told once, however long it stands
        silent = f"proof:{still['number']}:violated"
        assert subjects(still) <= subjects(wrong)
        assert await books.database.journal.find_one({"_id": silent}) is None
    await kept.replace_one({"_id": case.key(books)}, before)
    await right_again(proof)
    await thaw(proof, books)


async def test_what_is_removed_or_slipped_in_is_found(proof: Proving, books: ProvenBooks) -> None:
    journal, wallets = books.database.journal, books.database.wallets
    gone = await journal.find_one_and_delete({"_id": f"{books.completed}:credit"})
    removed = await proof.prove()
    await journal.insert_one(gone or {})
    fake = {"_id": "wal_FAKE", "balance": 7, "held": 0, "sequence": 0, "currency": "USD"}
    await wallets.insert_one({**fake, "status": "active", "wallet_ids": []})
    slipped_in = await proof.prove()
    await wallets.delete_one({"_id": "wal_FAKE"})

    assert (GROWS.value, f"{books.completed}:credit") in subjects(removed)
    assert (HAVE.value, "wal_FAKE") in subjects(slipped_in)
    await right_again(proof)
    await thaw(proof, books)


async def test_a_deposit_that_never_came_is_found(proof: Proving, books: ProvenBooks) -> None:
    last = await books.database.journal.find_one({"leg": "deposit"})
    alice = await books.database.wallets.find_one({"_id": books.alice})
    assert last
    assert alice
    place = {"wallet_sequence": alice["sequence"] + 1, "balance_after": alice["balance"] + 1_000}
    event = {**last["event"], "id": "evt_MADE_UP"}
    made_up = {**last, **place, "_id": "dep_MADE_UP:deposit", "event": event}
    made_up.pop("idempotency")
    await books.database.journal.insert_one(made_up)

    wrong = await proof.prove()
    await books.database.journal.delete_one({"_id": "dep_MADE_UP:deposit"})

    assert (HAVE.value, books.alice) in subjects(wrong)
    assert books.alice in await thaw(proof, books)
    await right_again(proof)
    await thaw(proof, books)


async def test_what_was_put_back_at_once_is_found_all_the_same(
    proof: Proving, books: ProvenBooks
) -> None:
    for cent in (1, -1):
        await books.database.wallets.update_one({"_id": books.bob}, {"$inc": {"balance": cent}})

    wrong, right, after = [await proof.prove() for _ in range(3)]

    assert subjects(wrong) == subjects(right) == subjects(after) == {(HAVE.value, books.bob)}
    assert [one["scope"] for one in (wrong, right, after)] == ["full", "full", "incremental"]
    assert await thaw(proof, books) == {books.bob}
    assert await proof.close_findings() == 1
    assert (await proof.prove())["status"] == "ok"


async def test_who_loses_the_place_folds_from_the_start(proof: Proving) -> None:
    await proof.database.proof_state.update_one({}, {"$set": {"token": {"_data": "00"}}})

    lost, after = await proof.prove(), await proof.prove()

    assert (lost["status"], lost["scope"]) == ("ok", "full")
    assert (after["status"], after["scope"]) == ("ok", "incremental")


async def test_of_two_passes_at_once_one_counts(proof: Proving) -> None:
    before = await MongoProofs(proof.database.proofs, SystemClock()).latest()
    results = await asyncio.gather(proof.prove(), proof.prove(), return_exceptions=True)
    overtaken = [one for one in results if isinstance(one, BaseException)]
    assert all(isinstance(one, ProofOvertaken) for one in overtaken), overtaken
    assert len(overtaken) < 2
    after = await proof.prove()
    assert after["number"] == before["number"] + 3 - len(overtaken)
    assert after["status"] == "ok"


class Dies(Exception):
    pass


class Dying(Publisher):
    """Dies where a process may: the sums are folded, and nothing is told yet."""

    async def publish(self, *_: Any) -> Verdict:
        raise Dies


async def test_who_dies_in_a_pass_leaves_one_that_goes_on(
    proof: Proving, books: ProvenBooks
) -> None:
    storage = proof.storage
    dying = Dying(
        proof.database,
        proof.keys,
        storage.wallets,
        storage.audit,
        SystemClock(),
        proof.interval_s,
    )
    await books.database.wallets.update_one({"_id": books.bob}, {"$inc": {"balance": 1}})
    with pytest.raises(Dies):
        await Passes(proof.database, dying, SystemClock()).prove()
    await books.database.wallets.update_one({"_id": books.bob}, {"$inc": {"balance": -1}})

    wrong = await proof.prove()

    assert subjects(wrong) == {(HAVE.value, books.bob)}
    assert await thaw(proof, books) == {books.bob}
    await proof.close_findings()
    assert (await proof.prove())["status"] == "ok"
