"""Each question the code asks is answered by an index: no scan, no sort, no more than it needs."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection

from cli.stack import EmbeddedStack
from payflow.domain.identifiers import Prefix
from payflow.domain.money import Money
from payflow.domain.ports import TransferFilter
from payflow.domain.transfers import FailureCode, Transfer, TransferStatus
from payflow.domain.users import Principal, Role
from payflow.domain.webhooks import DeliveryStatus
from payflow.settings import Settings
from payflow.storage.books_collections import BooksCollections
from payflow.storage.connection import bind_documents, missing_indexes
from payflow.storage.endings import OPEN, UNFINISHED
from payflow.storage.feed import events_wanted
from payflow.storage.identity import new_id
from payflow.storage.mapping import from_transfer, to_transfer, transfer_state
from payflow.storage.receipts import end_wanted, ends_wanted, root_wanted
from payflow.storage.transactions import Collection
from payflow.storage.transfers import index_for, transfers_wanted
from payflow.storage.webhook_deliveries import WAITED_FOR, deliveries_wanted
from tests.fakes import START

PAST = 3_000
LIMIT = 21
CREDITED = TransferStatus.CREDITED
LATER = START + timedelta(days=1)
PAST_STATES = {TransferStatus.DEBITED, TransferStatus.FAILED, TransferStatus.COMPLETED}
ALICE = Principal("usr_7", Role.USER)
OPERATOR = Principal("usr_OPERATOR", Role.OPERATOR)

TYPES = ["transfer.initiated", "transfer.debited", "transfer.credited", "transfer.completed"]

Plan = dict[str, Any]


def past_status(number: int) -> TransferStatus:
    if number % 500 == 7:
        return TransferStatus.DEBITED
    return TransferStatus.FAILED if number % 3 == 0 else TransferStatus.COMPLETED


def past_transfer(number: int) -> dict[str, Any]:
    at = START + timedelta(seconds=number)
    status = past_status(number)
    codes = list(FailureCode)
    transfer = Transfer(
        id=new_id(Prefix.TRANSFER, at),
        money=Money(1 + number, "USD"),
        source_wallet_id=f"wal_{number % 50}",
        destination_wallet_id=f"wal_{(number + 1) % 50}",
        payer_id=f"usr_{number % 50}",
        payee_id=f"usr_{(number + 1) % 50}",
        workflow_id="transfer/past",
        created_at=at,
        updated_at=at,
        status=status,
        failure=codes[number % len(codes)] if status is TransferStatus.FAILED else None,
        completed_at=at if status.is_terminal else None,
        needs_attention=number % 1_000 == 7,
    )
    return from_transfer(transfer)


@pytest.fixture
async def books(pair: EmbeddedStack) -> AsyncIterator[BooksCollections]:
    settings = Settings(mongo_url=pair.addresses.mongo_url, mongo_database="payflow_indexes")
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(settings.mongo_url)
    async with client:
        await bind_documents(client, settings)
        assert await missing_indexes(client, settings) == []
        kept = BooksCollections.of(client, settings.mongo_database)
        if not await kept.transfers.estimated_document_count():
            await kept.transfers.insert_many([past_transfer(n) for n in range(PAST)])
            await kept.journal.insert_many([past_entry(n) for n in range(PAST)])
            await kept.journal.database.feed.insert_many([past_event(n) for n in range(PAST)])
        yield kept


def past_entry(number: int) -> dict[str, Any]:
    return {
        "_id": f"trf_{number}:debit",
        "transfer_id": f"trf_{number}",
        "wallet_id": f"wal_{number % 5}",
        "wallet_sequence": 1 + number // 5,
        "idempotency": {"user_id": f"usr_{number % 5}", "key": f"key-{number}"},
        "created_at": START + timedelta(seconds=number),
    }


def past_event(number: int) -> dict[str, Any]:
    return {
        "_id": number + 1,
        "event_id": f"evt_{number}",
        "event": {"type": TYPES[number % len(TYPES)]},
        "audience": [f"usr_{number % 50}", f"usr_{(number + 1) % 50}"],
        "transfer_id": f"trf_{number // 4}",
    }


async def explained(
    collection: AsyncCollection[dict[str, Any]],
    query: dict[str, Any],
    sort: dict[str, int] | None = None,
    limit: int = 0,
    hint: str | None = None,
) -> Plan:
    command: dict[str, Any] = {"find": collection.name, "filter": query, "limit": limit}
    if hint:
        command["hint"] = hint
    if sort:
        command["sort"] = sort
    plan: Plan = await collection.database.command(
        {"explain": command, "verbosity": "executionStats"}
    )
    return plan


def stages(part: Any) -> set[str]:
    """Every stage of the winning plan."""
    if isinstance(part, list):
        return set().union(*map(stages, part)) if part else set()
    if not isinstance(part, dict):
        return set()
    own = {part["stage"]} if isinstance(part.get("stage"), str) else set()
    return own.union(*map(stages, part.values()))


def check(plan: Plan, at_most: int) -> None:
    found = stages(plan["queryPlanner"]["winningPlan"])
    assert not found & {"COLLSCAN", "SORT"}, found
    assert plan["executionStats"]["totalDocsExamined"] <= at_most, plan["executionStats"]


@pytest.mark.parametrize(
    ("viewer", "wanted", "at_most"),
    [
        (ALICE, TransferFilter(), LIMIT),
        (ALICE, TransferFilter(status=TransferStatus.COMPLETED), LIMIT),
        (ALICE, TransferFilter(status=TransferStatus.FAILED), LIMIT),
        (ALICE, TransferFilter(status=TransferStatus.DEBITED), LIMIT),
        (ALICE, TransferFilter(wallet_id="wal_7"), 2 * LIMIT),
        (ALICE, TransferFilter(created_after=START + timedelta(seconds=100)), LIMIT),
        (ALICE, TransferFilter(created_before=START + timedelta(seconds=1_000)), LIMIT),
        (OPERATOR, TransferFilter(), LIMIT),
        (OPERATOR, TransferFilter(status=TransferStatus.DEBITED), LIMIT),
        (OPERATOR, TransferFilter(status=TransferStatus.COMPLETED), LIMIT),
        (OPERATOR, TransferFilter(status=TransferStatus.FAILED), LIMIT),
        (OPERATOR, TransferFilter(wallet_id="wal_7"), LIMIT),
        (OPERATOR, TransferFilter(needs_attention=True), LIMIT),
    ],
    ids=str,
)
async def test_a_page_of_transfers_reads_a_page(
    books: BooksCollections, viewer: Principal, wanted: TransferFilter, at_most: int
) -> None:
    for after in (None, new_id(Prefix.TRANSFER, START + timedelta(seconds=2_000))):
        query = transfers_wanted(viewer, wanted, after)
        plan = await explained(books.transfers, query, {"_id": -1}, LIMIT, index_for(query))
        check(plan, at_most)


@pytest.mark.parametrize("status", TransferStatus)
async def test_a_list_of_one_state_holds_that_state(
    books: BooksCollections, status: TransferStatus
) -> None:
    by_status = {"party_ids": ALICE.user_id, "status": status.value}
    query = transfers_wanted(ALICE, TransferFilter(status=status), None)
    found = books.transfers.find(query, {"_id": 1}, sort={"_id": -1})
    due = books.transfers.find(by_status, {"_id": 1}, sort={"_id": -1}, hint={"_id": 1})
    assert await found.to_list() == await due.to_list()
    assert bool(await books.transfers.find_one(by_status)) == (status in PAST_STATES)


async def test_a_move_touches_no_index_until_the_transfer_ends(books: BooksCollections) -> None:
    # an index of the status, or filtered by it, costs each leg the keys of all of them
    paths = [
        path
        for index in (await books.transfers.index_information()).values()
        for path in [*dict(index["key"]), *index.get("partialFilterExpression", {})]
    ]
    debited = past_transfer(507)
    credited = {**debited, **transfer_state(to_transfer(debited).moved(CREDITED, LATER))}
    moved = {field for field in credited if credited[field] != debited[field]}
    assert moved == {"status", "sequence", "updated_at"}
    assert not moved & {path.partition(".")[0] for path in paths}


async def test_a_page_of_entries_reads_a_page(books: BooksCollections) -> None:
    for before in ({"$gt": 0}, {"$lt": 400}):
        query = {"wallet_id": "wal_3", "wallet_sequence": before}
        check(await explained(books.journal, query, {"wallet_sequence": -1}, LIMIT), LIMIT)


async def test_an_idempotency_key_is_one_read(books: BooksCollections) -> None:
    query = {"idempotency.user_id": "usr_2", "idempotency.key": "key-1002"}
    check(await explained(books.journal, query), 1)


async def test_the_sweep_reads_what_is_unfinished_and_nothing_else(
    books: BooksCollections,
) -> None:
    plan = await explained(books.transfers, UNFINISHED, hint=OPEN)
    check(plan, PAST // 500)


async def test_closing_a_wallet_reads_what_may_still_come_back(books: BooksCollections) -> None:
    query = {"source_wallet_id": "wal_7", "status": {"$in": ["debited", "refunding"]}, **UNFINISHED}
    check(await explained(books.transfers, query, limit=1, hint=OPEN), 1)


@pytest.mark.parametrize(
    ("user_id", "types", "transfer_id", "at_most"),
    [
        ("usr_7", (), None, LIMIT),
        ("usr_7", ("transfer.debited", "transfer.completed"), None, 2 * LIMIT),
        ("usr_NOBODY", (), None, 0),
        (None, (), None, LIMIT),
        (None, ("transfer.debited",), None, LIMIT),
        (None, ("wallet.deposited", "transfer.failed"), None, 0),
        (None, (), "trf_600", 4),
        ("usr_0", (), "trf_600", 4),
    ],
    ids=str,
)
async def test_a_page_of_events_reads_a_page(
    books: BooksCollections,
    user_id: str | None,
    types: tuple[str, ...],
    transfer_id: str | None,
    at_most: int,
) -> None:
    feed = books.journal.database.feed
    for position in (0, 1_000):
        query = events_wanted(position, user_id, types, transfer_id)
        check(await explained(feed, query, {"_id": 1}, LIMIT), at_most)


async def test_what_is_placed_already_is_one_read_an_event(books: BooksCollections) -> None:
    query = {"event_id": {"$in": ["evt_1", "evt_500", "evt_UNKNOWN"]}}
    check(await explained(books.journal.database.feed, query), 2)


async def test_the_journal_is_compared_by_age(books: BooksCollections) -> None:
    query = {"created_at": {"$gte": START + timedelta(seconds=PAST - 10)}}
    check(await explained(books.journal, query, {"created_at": 1, "_id": 1}, LIMIT), 10)


@pytest.fixture
async def deliveries(books: BooksCollections) -> Collection:
    kept = books.client["payflow_indexes"]["webhook_deliveries"]
    if not await kept.estimated_document_count():
        await kept.insert_many([past_delivery(number) for number in range(PAST)])
    return kept


def past_delivery(number: int) -> dict[str, Any]:
    at = START + timedelta(seconds=number)
    return {
        "_id": new_id(Prefix.DELIVERY, at),
        "endpoint_id": f"whe_{number % 10}",
        "status": ("pending", "failed", "succeeded", "succeeded")[number % 4],
        "due_at": at,
    }


@pytest.mark.parametrize("status", [None, DeliveryStatus.FAILED])
async def test_a_page_of_deliveries_reads_a_page(
    deliveries: Collection, status: DeliveryStatus | None
) -> None:
    for after in (None, new_id(Prefix.DELIVERY, START + timedelta(seconds=2_000))):
        query = deliveries_wanted("whe_3", status, after)
        check(await explained(deliveries, query, {"_id": -1}, LIMIT), LIMIT)


async def test_the_pick_up_takes_one_step_for_each_endpoint(deliveries: Collection) -> None:
    command = {"aggregate": deliveries.name, "pipeline": WAITED_FOR, "cursor": {}}
    plan = await deliveries.database.command({"explain": command, "verbosity": "executionStats"})
    found = stages(plan)
    assert "DISTINCT_SCAN" in found, found
    assert not found & {"COLLSCAN", "SORT", "IXSCAN"}, found
    overdue = {
        "status": "pending",
        "endpoint_id": "whe_2",
        "due_at": {"$lt": START + timedelta(days=1)},
    }
    check(await explained(deliveries, overdue, {"due_at": 1}, LIMIT), LIMIT)


async def test_receipts_find_ends_and_roots(books: BooksCollections) -> None:
    database = books.journal.database
    feed, roots = database.feed, database.receipt_roots
    check(await explained(feed, ends_wanted(PAST // 2), {"_id": 1}, LIMIT), LIMIT + 1)
    check(await explained(feed, end_wanted("trf_7"), limit=1), 4)
    if not await roots.estimated_document_count():
        sealed = [{"_id": f"day {n:04}", "through_position": 10 * n} for n in range(PAST)]
        await roots.insert_many(sealed)
    order = {"through_position": 1, "_id": 1}
    check(await explained(roots, root_wanted(PAST), order, 1), 1)
    check(await explained(roots, {"_id": {"$lt": "day 2000"}}, {"_id": -1}, LIMIT), LIMIT)
