"""A ledger restored from a backup that is older than Temporal: who is not in it ends by itself."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.exceptions import ApplicationError

from cli.apps import Layout
from cli.doctor.examination import examine
from cli.doctor.rows import Row, Verdict
from cli.stack import EmbeddedStack
from payflow.settings import Settings
from temporal.client import connect
from temporal.names import NOT_IN_LEDGER, STATE, WAKE_SIGNAL
from tests.conftest import stack_in
from tests.e2e.auditing import Database, books_of, check_the_books
from tests.e2e.bank import Bank, Json, Person, bank_of, new_key, order
from tests.e2e.conftest import new_operator

APPS = ("api", "worker", "relay")
# a parked step is tried once a minute, and what is absent is asked for again after 15 s
ENDS_WITHIN_S = 120
HOLD = {"step": "credit", "failure_type": "error", "failure_rate": 1}
Dump = dict[str, list[dict[str, Any]]]


@pytest.fixture
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedStack]:
    """A stack of its own, since its ledger is lost."""
    async with stack_in(tmp_path_factory.mktemp("restore"), Layout(1, 1)) as one:
        yield one


async def dumped(database: Database) -> Dump:
    """Every collection in one snapshot."""
    async with database.client.start_session(snapshot=True) as session:
        names = await database.list_collection_names()
        return {
            name: await database[name].find({}, session=session).to_list() for name in sorted(names)
        }


async def restored(database: Database, dump: Dump) -> None:
    """The database as it was dumped, and nothing else; the processes make the indexes anew."""
    await database.client.drop_database(database.name)
    for name, documents in dump.items():
        if documents:
            await database[name].insert_many(documents)


async def failing_delivery(bank: Bank, who: Person) -> str:
    """A webhook delivery that waits for its next attempt, by the id of its workflow."""
    hook = {"url": "https://127.0.0.1:9/", "event_types": ["*"]}
    endpoint = (await bank.ask("POST", "/v1/webhook-endpoints", who, body=hook)).json()["id"]
    tested = await bank.ask("POST", f"/v1/webhook-endpoints/{endpoint}/test", who)
    return f"webhook/{tested.json()['id']}"


async def batch_of_two(bank: Bank, payer: Person, payee: Person) -> tuple[str, list[str]]:
    body: Json = {"mode": "independent", "transfers": [order(payer, payee, 1)] * 2}
    headers = {"Idempotency-Key": new_key()}
    made = (await bank.ask("POST", "/v1/batches", payer, body=body, headers=headers)).json()["id"]
    items = await bank.ask("GET", f"/v1/batches/{made}/items", payer)
    return made, [item["transfer"]["id"] for item in items.json()["data"]]


async def failure_of(client: Client, workflow_id: str) -> ApplicationError:
    with pytest.raises(WorkflowFailureError) as failed:
        await client.get_workflow_handle(workflow_id).result()
    assert isinstance(failed.value.cause, ApplicationError), failed.value.cause
    return failed.value.cause


async def until_it_runs(client: Client, workflow_id: str) -> None:
    async with asyncio.timeout(30):
        while True:
            found = [one async for one in client.list_workflows(f"WorkflowId = '{workflow_id}'")]
            if found and found[0].status is WorkflowExecutionStatus.RUNNING:
                return
            await asyncio.sleep(0.2)


async def test_workflows_that_the_restored_ledger_does_not_know_end_and_move_nothing(
    stack: EmbeddedStack,
) -> None:
    where = stack.addresses
    settings = Settings(
        mongo_url=where.mongo_url,
        redis_url=where.redis_url,
        temporal_address=where.temporal_address,
    )
    client = await connect(settings)
    async with bank_of(stack) as bank, books_of(stack) as database:
        operator = await new_operator(stack, bank)
        alice, bob = await bank.funded(1_000), await bank.person("bob")
        await bank.rehearse(operator, HOLD)
        kept = (await bank.send(alice, bob, 10))["id"]
        await bank.until(alice, kept, "debited")
        dump = await dumped(database)

        lost = (await bank.send(alice, bob, 100))["id"]
        await bank.until(alice, lost, "debited")
        batch_id, items = await batch_of_two(bank, alice, bob)
        for item in items:
            await bank.until(alice, item, "debited")
        delivery = await failing_delivery(bank, alice)
        unknown = [f"transfer/{one}" for one in (lost, *items)] + [f"batch/{batch_id}"]
        for workflow_id in (*unknown, delivery):
            await until_it_runs(client, workflow_id)
        for name in APPS:
            await stack.take_down(name)
        await restored(database, dump)
        for name in reversed(APPS):
            await stack.bring_up(name)

        held = await bank.balance(alice), await bank.balance(bob)
        await bank.end_rehearsal(operator)
        await client.get_workflow_handle(delivery).signal(WAKE_SIGNAL)
        async with asyncio.timeout(ENDS_WITHIN_S):
            failures = {one: await failure_of(client, one) for one in unknown}
            assert await client.get_workflow_handle(delivery).result() == "cancelled"
        ended = await bank.ended(alice, kept)

        assert {one.type for one in failures.values()} == {NOT_IN_LEDGER}
        assert all(one.partition("/")[2] in failures[one].message for one in unknown)
        assert held == (990, 0)
        assert ended["status"] == "completed"
        assert (await bank.balance(alice), await bank.balance(bob)) == (990, 10)
        gone = {"transfer_id": {"$in": [lost, *items]}}
        assert await database.journal.count_documents(gone) == 0
        await check_the_books(database)
        await told_of(client, settings, stack, unknown)


async def row_of(settings: Settings) -> Row:
    (row,) = await examine(settings, only=["not in the ledger"])
    return row


async def told_of(
    client: Client, settings: Settings, stack: EmbeddedStack, unknown: list[str]
) -> None:
    """The doctor, the search attribute and the worker's log say which and why."""
    for workflow_id in unknown:
        described = await client.get_workflow_handle(workflow_id).describe()
        assert described.typed_search_attributes.get(STATE) == "unknown"
    async with asyncio.timeout(30):  # the search index is behind
        while (row := (await examine(settings, only=["not in the ledger"]))[0]).found.count(
            "/"
        ) < 3:
            await asyncio.sleep(0.5)
    assert row.verdict is Verdict.YELLOW
    log = (stack.data_dir / "logs" / "worker.log").read_text()
    for workflow_id in unknown:
        kind, _, subject = workflow_id.partition("/")
        assert f"the ledger does not have {kind} {subject}" in log
