"""The examination against real servers: each row turned red, one thing at a time, and back."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError

from cli.doctor.command import doctor
from cli.doctor.examination import examine
from cli.doctor.rows import Row, Verdict
from cli.errors import CliError
from cli.stack import EmbeddedStack
from payflow.domain.invariants import Invariant
from payflow.domain.representation import rfc3339
from payflow.proof.books import IN_THE_BOOKS
from payflow.settings import Settings
from temporal import names
from temporal.client import connect
from temporal.queries import PARKED
from temporal.search_attributes import ensure_search_attributes
from tests.contracts.proven import ProvenBooks, proven_books
from tests.fakes import START

NOWHERE = "127.0.0.1:1"
OF_THE_SERVERS = {
    "mongodb",
    "replica set",
    "transactions",
    "oplog",
    "indexes",
    "redis",
    "proxies",
    "clocks",
    "temporal",
    "search attributes",
    "workers",
}


@pytest.fixture(scope="module")
async def books(pair: EmbeddedStack) -> AsyncIterator[ProvenBooks]:
    async with proven_books(pair, "payflow_doctor") as made:
        yield made


async def rows_of(settings: Settings, *only: str, books: bool = False) -> dict[str, Row]:
    return {row.name: row for row in await examine(settings, books=books, only=only)}


async def verdict_on(name: str, settings: Settings) -> Verdict:
    return (await rows_of(settings, name))[name].verdict


def of_the_stack(stack: EmbeddedStack, **other: Any) -> Settings:
    return Settings(
        mongo_url=stack.addresses.mongo_url,
        redis_url=stack.addresses.redis_url,
        temporal_address=stack.addresses.temporal_address,
    ).model_copy(update=other)


async def test_a_stack_that_is_well(pair: EmbeddedStack) -> None:
    rows = await rows_of(of_the_stack(pair), books=True)

    well = OF_THE_SERVERS | {"relay"}
    assert {
        name: rows[name].found for name in well if rows[name].verdict is not Verdict.GREEN
    } == {}
    asked = (*IN_THE_BOOKS, Invariant.SAGAS_ARE_ALIVE)
    proven = {f"books: {rule.value.replace('_', ' ')}" for rule in asked}
    rest = {"webhooks", "parked sagas", "proof", "findings", "receipts", "cannot run"}
    rest |= {"not in the ledger", "documents"}
    assert rows.keys() == well | proven | rest


@pytest.mark.parametrize(
    ("setting", "value", "silent"),
    [
        (
            "mongo_url",
            f"mongodb://{NOWHERE}/?replicaSet=rs0",
            {"mongodb", "transactions", "oplog", "indexes", "clocks", "relay", "webhooks"}
            | {"parked sagas", "proof", "findings", "receipts", "documents"},
        ),
        ("redis_url", f"redis://{NOWHERE}/0", {"redis", "clocks"}),
        (
            "temporal_address",
            NOWHERE,
            {"temporal", "search attributes", "workers", "cannot run", "not in the ledger"},
        ),
    ],
)
async def test_a_server_that_is_away_is_a_red_row_in_time(
    pair: EmbeddedStack, setting: str, value: str, silent: set[str]
) -> None:
    async with asyncio.timeout(20):
        rows = await rows_of(of_the_stack(pair, **{setting: value}))

    assert {name for name, row in rows.items() if row.silent} == silent
    assert {rows[name].verdict for name in silent} == {Verdict.RED}
    assert all(row.fix for row in rows.values() if row.verdict is Verdict.RED)


async def test_transactions_that_live_too_long(books: ProvenBooks) -> None:
    admin = books.database.client.admin
    wanted = {"setParameter": 1, "transactionLifetimeLimitSeconds": 60}
    try:
        await admin.command(wanted)
        assert await verdict_on("transactions", books.settings) is Verdict.RED
    finally:
        await admin.command({**wanted, "transactionLifetimeLimitSeconds": 10})
    assert await verdict_on("transactions", books.settings) is Verdict.GREEN


async def test_an_index_that_is_missing_another_or_unknown(books: ProvenBooks) -> None:
    journal = books.database.journal
    index = (await journal.index_information())["age"]
    await journal.drop_index("age")
    try:
        missing = (await rows_of(books.settings, "indexes"))["indexes"]
        await journal.create_index([("created_at", -1)], name="age")
        other = (await rows_of(books.settings, "indexes"))["indexes"]
    finally:
        await journal.drop_index("age")
        await journal.create_index(index["key"], name="age")
    await journal.create_index("leg", name="strange")
    unknown = (await rows_of(books.settings, "indexes"))["indexes"]
    await journal.drop_index("strange")

    assert (missing.verdict, missing.found) == (Verdict.RED, "journal.age is missing")
    assert (other.verdict, other.found) == (Verdict.RED, "journal.age is another")
    assert (unknown.verdict, "journal.strange" in unknown.found) == (Verdict.YELLOW, True)
    assert await verdict_on("indexes", books.settings) is Verdict.GREEN


async def test_a_namespace_without_our_attributes_and_without_workers(
    books: ProvenBooks,
) -> None:
    settings = books.settings.model_copy(update={"temporal_namespace": "doctor"})
    client = await connect(settings)
    await client.workflow_service.register_namespace(
        RegisterNamespaceRequest(
            namespace="doctor", workflow_execution_retention_period=Duration(seconds=86_400)
        )
    )
    async with asyncio.timeout(60):
        asked = ("search attributes", "workers")
        while (rows := await rows_of(settings, *asked))["search attributes"].silent:
            await asyncio.sleep(0.5)
        assert rows["search attributes"].verdict is Verdict.RED
        assert "PayflowNeedsAttention" in rows["search attributes"].found
        assert rows["workers"].verdict is Verdict.RED
        await _registered(client)
    assert await verdict_on("search attributes", settings) is Verdict.GREEN


async def test_an_attribute_of_another_type(
    pair: EmbeddedStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = (SearchAttributeKey.for_bool(names.STATE.name),)
    monkeypatch.setattr(names, "SEARCH_ATTRIBUTES", other)
    row = (await rows_of(of_the_stack(pair), "search attributes"))["search attributes"]
    monkeypatch.undo()

    assert (row.verdict, row.silent) == (Verdict.RED, False)
    assert "must be Bool" in row.found
    assert await verdict_on("search attributes", of_the_stack(pair)) is Verdict.GREEN


async def _registered(client: Any) -> None:
    while True:
        try:
            return await ensure_search_attributes(client)
        except RPCError:  # the frontend has not heard of the namespace yet
            await asyncio.sleep(0.5)


async def _beating(books: ProvenBooks) -> None:
    while True:
        await books.database.relay.update_one({"_id": "lease"}, {"$inc": {"beat": 1}})
        await asyncio.sleep(0.5)


async def test_a_relay_that_shows_no_life(books: ProvenBooks) -> None:
    dead = (await rows_of(books.settings, "relay"))["relay"]
    beating = asyncio.create_task(_beating(books))
    alive = (await rows_of(books.settings, "relay"))["relay"]
    beating.cancel()

    assert (dead.verdict, "shows no life" in dead.found) == (Verdict.RED, True)
    assert (alive.verdict, "at position" in alive.found) == (Verdict.GREEN, True)


async def test_a_relay_that_is_behind(books: ProvenBooks) -> None:
    feed, journal = books.database.feed, books.database.journal
    last = await feed.find_one({}, sort=[("_id", -1)])
    assert last
    told_at = datetime.fromisoformat(last["event"]["created_at"]) - timedelta(seconds=60)
    event = {"id": "evt_LATE", "type": "endpoint.test"}
    late = {"_id": "late", "event": event, "created_at": told_at + timedelta(seconds=20)}
    own = {"_id": last["_id"]}
    beating = asyncio.create_task(_beating(books))
    await feed.update_one(own, {"$set": {"event.created_at": rfc3339(told_at)}})
    await journal.insert_one(late)
    behind = (await rows_of(books.settings, "relay"))["relay"]
    await journal.delete_one({"_id": "late"})
    caught_up = await verdict_on("relay", books.settings)
    await feed.replace_one(own, last)
    beating.cancel()

    assert (behind.verdict, "s behind" in behind.found) == (Verdict.RED, True)
    assert caught_up is Verdict.GREEN


async def test_a_relay_nobody_is(books: ProvenBooks) -> None:
    lease = await books.database.relay.find_one_and_delete({"_id": "lease"})
    assert lease
    nobody = (await rows_of(books.settings, "relay"))["relay"]
    await books.database.relay.insert_one(lease)

    assert (nobody.verdict, "nobody leads" in nobody.found) == (Verdict.RED, True)


async def test_a_delivery_nobody_comes_for(books: ProvenBooks) -> None:
    newest = await books.database.journal.find_one({}, sort=[("created_at", -1)])
    assert newest
    waiting = {
        "_id": "whd_1",
        "endpoint_id": "whe_1",
        "status": "pending",
        "due_at": newest["created_at"] - timedelta(minutes=5),
    }
    await books.database.webhook_deliveries.insert_one(waiting)
    late = await verdict_on("webhooks", books.settings)
    await books.database.webhook_deliveries.delete_one({"_id": "whd_1"})

    assert late is Verdict.RED
    assert await verdict_on("webhooks", books.settings) is Verdict.GREEN


async def test_a_parked_saga(books: ProvenBooks) -> None:
    transfers, own = books.database.transfers, {"_id": books.in_flight}
    await transfers.update_one(own, {"$set": {"needs_attention": True}})
    parked = (await rows_of(books.settings, "parked sagas"))["parked sagas"]
    await transfers.update_one(own, {"$set": {"needs_attention": False}})

    assert parked.verdict is Verdict.RED
    assert books.in_flight in parked.found
    assert books.in_flight in parked.fix
    assert await verdict_on("parked sagas", books.settings) is Verdict.GREEN


async def test_findings_with_the_wallets_that_are_frozen(books: ProvenBooks) -> None:
    kept, wallets = books.database.proof_findings, books.database.wallets
    opened = {
        "_id": "fnd_1",
        "invariant": "records_match_entries",
        "subject_id": books.completed,
        "detail": "says amount 11",
        "status": "open",
        "first_proof": 1,
        "last_proof": 1,
        "wallet_ids": [books.alice, books.bob],
        "found_at": START,
    }
    await kept.insert_one(opened)
    await wallets.update_one({"_id": books.alice}, {"$set": {"status": "frozen"}})
    found = (await rows_of(books.settings, "findings"))["findings"]
    await kept.update_one({"_id": "fnd_1"}, {"$set": {"status": "closed", "closed_at": START}})
    left = (await rows_of(books.settings, "findings"))["findings"]
    await wallets.update_one({"_id": books.alice}, {"$set": {"status": "active"}})

    assert found.verdict is Verdict.RED
    said = f"1 open: fnd_1 records_match_entries of {books.completed} (frozen: {books.alice})"
    assert found.found == said
    assert "payflow proof close fnd_1" in found.fix
    assert (left.verdict, books.alice in left.found) == (Verdict.YELLOW, True)
    assert await verdict_on("findings", books.settings) is Verdict.GREEN
    await kept.delete_one({"_id": "fnd_1"})


async def test_books_that_do_not_balance(books: ProvenBooks) -> None:
    wallets, own = books.database.wallets, {"_id": books.alice}
    await wallets.update_one(own, {"$inc": {"balance": 1}})
    asked = ("books", "books: sagas are alive")
    rows = await rows_of(books.settings, *asked, books=True)
    await wallets.update_one(own, {"$inc": {"balance": -1}})
    right = await rows_of(books.settings, "books", books=True)

    reds = {name for name, row in rows.items() if row.verdict is Verdict.RED and "books" in name}
    # these books have no workflows at all
    assert reds == {
        "books: balances are folds",
        "books: money is conserved",
        "books: sagas are alive",
    }
    assert books.alice in rows["books: balances are folds"].found
    assert books.in_flight in rows["books: sagas are alive"].found
    assert right["books: balances are folds"].verdict is Verdict.GREEN


async def run_doctor(*options: str, **env: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli.main", "doctor", *options),
        env={**os.environ, "COLUMNS": "160", **env},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_the_command_tells_programs_and_the_shell(pair: EmbeddedStack) -> None:
    code, out, err = await run_doctor("--json", "--no-books", PAYFLOW_DATA_DIR=str(pair.data_dir))
    told = json.loads(out)

    assert code == (1 if told["status"] == "red" else 0)
    assert {row["name"] for row in told["data"] if row["verdict"] == "green"} >= OF_THE_SERVERS
    assert not any(row["name"].startswith("books") for row in told["data"])
    assert PARKED.query in {one["query"] for one in told["queries"]}
    assert not err


async def test_servers_that_are_all_away_are_another_exit_code() -> None:
    code, out, err = await run_doctor(
        "--no-books",
        PAYFLOW_MONGO_URL=f"mongodb://{NOWHERE}/",
        PAYFLOW_REDIS_URL=f"redis://{NOWHERE}/0",
        PAYFLOW_TEMPORAL_ADDRESS=NOWHERE,
    )
    assert code == 2
    assert "Traceback" not in out + err


def test_a_folder_without_a_stack_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYFLOW_DATA_DIR", str(tmp_path))
    with pytest.raises(CliError, match="No stack runs") as told:
        doctor(as_json=False, books=False)
    assert told.value.exit_code == 2
