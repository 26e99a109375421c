"""One unit changed behind the books' back turns its invariant red, and nothing else does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from cli.stack import EmbeddedStack
from payflow.domain.invariants import Finding, Invariant
from payflow.proof.books import FINDINGS_AT_MOST, IN_THE_BOOKS, findings_in, prove_books
from payflow.proof.sums import Database
from tests.contracts.proven import ProvenBooks, proven_books
from tests.contracts.spoilt import EVENTS, SPOILT, Spoilt
from tests.fakes import START

Fields = dict[str, Any]


@pytest.fixture(scope="module")
async def books(pair: EmbeddedStack) -> AsyncIterator[ProvenBooks]:
    async with proven_books(pair, "payflow_proof") as made:
        yield made


@asynccontextmanager
async def spoilt(
    database: Database, collection: str, key: object, change: Fields
) -> AsyncIterator[None]:
    """The books while one document is other than it was."""
    before = await database[collection].find_one({"_id": key})
    assert before is not None
    changed = await database[collection].update_one({"_id": key}, change)
    assert changed.modified_count == 1
    try:
        yield
    finally:
        await database[collection].replace_one({"_id": key}, before)


@asynccontextmanager
async def without(database: Database, collection: str, key: object) -> AsyncIterator[None]:
    """The books while one document is gone."""
    gone = await database[collection].find_one_and_delete({"_id": key})
    assert gone is not None
    try:
        yield
    finally:
        await database[collection].insert_one(gone)


@asynccontextmanager
async def besides(database: Database, collection: str, document: Fields) -> AsyncIterator[None]:
    """The books while they hold one document more."""
    await database[collection].insert_one(document)
    try:
        yield
    finally:
        await database[collection].delete_one({"_id": document["_id"]})


def broken(findings: list[Finding]) -> set[Invariant]:
    return {one.invariant for one in findings}


def subjects(findings: list[Finding]) -> set[str]:
    return {one.subject_id for one in findings}


async def test_right_books_are_proven(books: ProvenBooks) -> None:
    proven = await prove_books(books.database)

    assert [one.invariant for one in proven] == list(IN_THE_BOOKS)
    assert [one.findings for one in proven] == [()] * len(proven)
    assert await books.database.feed.count_documents({}) == EVENTS


AN_EVENT: Fields = {
    "type": "transfer.failed",
    "sequence": 1,
    "created_at": "2026-01-31T12:00:00.000Z",
    "data": {},
}


@pytest.mark.parametrize("case", SPOILT, ids=lambda case: case.what)
async def test_one_changed_unit_is_found(books: ProvenBooks, case: Spoilt) -> None:
    async with spoilt(books.database, case.collection, case.key(books), case.change):
        found = await findings_in(books.database)

    assert broken(found) == case.breaks, found
    assert case.subject(books) in subjects(found), found
    assert await findings_in(books.database) == []


async def test_a_lost_entry_is_found(books: ProvenBooks) -> None:
    async with without(books.database, "journal", f"{books.completed}:credit"):
        found = await findings_in(books.database)

    assert broken(found) == {
        Invariant.BALANCES_ARE_FOLDS,
        Invariant.TRANSIT_ONLY_IN_FLIGHT,
        Invariant.STEP_SETS_ARE_LEGAL,
        Invariant.SEQUENCES_HAVE_NO_GAP,
        Invariant.FEED_TELLS_THE_JOURNAL,
    }
    assert {books.bob, books.completed} < subjects(found)


async def test_a_lost_transfer_is_found(books: ProvenBooks) -> None:
    async with without(books.database, "transfers", books.completed):
        found = await findings_in(books.database)

    assert broken(found) == {
        Invariant.STEP_SETS_ARE_LEGAL,
        Invariant.SEQUENCES_HAVE_NO_GAP,
        Invariant.RECORDS_MATCH_ENTRIES,
    }
    assert subjects(found) == {books.completed}


async def test_a_lost_wallet_is_found(books: ProvenBooks) -> None:
    async with without(books.database, "wallets", books.bob):
        found = await findings_in(books.database)

    assert broken(found) == {
        Invariant.BALANCES_ARE_FOLDS,
        Invariant.SEQUENCES_HAVE_NO_GAP,
        Invariant.MONEY_IS_CONSERVED,
    }
    assert subjects(found) == {books.bob, "USD"}


async def test_a_lost_place_in_the_feed_is_found(books: ProvenBooks) -> None:
    async with without(books.database, "feed", 5):
        found = await findings_in(books.database)

    # an event that has just been journaled has no place either: that is no loss yet
    assert broken(found) == {Invariant.FEED_CHAIN_HOLDS}
    assert subjects(found) == {"5"}


async def test_an_old_event_that_never_got_its_place_is_found(books: ProvenBooks) -> None:
    event = {**AN_EVENT, "id": "evt_LOST", "type": "endpoint.test"}
    entry: Fields = {
        "_id": "whe_1:test:evt_LOST",
        "leg": "test",
        "postings": [],
        "entry_id": "ent_1",
        "audience": [],
        "event": event,
    }
    async with besides(books.database, "journal", {**entry, "created_at": START}):
        found = await findings_in(books.database)
    place = await books.database.relay.find_one({"_id": "place"})
    assert place
    young = place["at"] - timedelta(minutes=1)
    async with besides(books.database, "journal", {**entry, "created_at": young}):
        not_yet = await findings_in(books.database)

    assert broken(found) == {Invariant.FEED_TELLS_THE_JOURNAL}
    assert subjects(found) == {"evt_LOST"}
    assert not_yet == []


async def test_an_event_that_was_made_up_is_found(books: ProvenBooks) -> None:
    event = {
        "_id": EVENTS + 1,
        "event_id": "evt_MADE_UP",
        "event": {**AN_EVENT, "id": "evt_MADE_UP"},
        "audience": [],
        "previous_hash": "",
        "hash": "",
    }
    async with besides(books.database, "feed", event):
        found = await findings_in(books.database)

    assert broken(found) == {Invariant.FEED_CHAIN_HOLDS, Invariant.FEED_TELLS_THE_JOURNAL}
    assert subjects(found) == {str(EVENTS + 1), "evt_MADE_UP"}


async def test_however_much_is_wrong_so_many_findings_are_told(books: ProvenBooks) -> None:
    many = [{"_id": f"wal_{n}", "balance": 1, "held": 0, "currency": "USD"} for n in range(40)]
    await books.database.wallets.insert_many(many)
    try:
        found = await findings_in(books.database, [Invariant.BALANCES_ARE_FOLDS])
    finally:
        await books.database.wallets.delete_many({"_id": {"$in": [one["_id"] for one in many]}})

    assert len(found) == FINDINGS_AT_MOST
