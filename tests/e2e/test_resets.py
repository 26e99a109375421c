"""Every finished shape, reset to wherever Temporal allows it, and not one byte of the books moves.

The short form resets each to its first, a middle and its last completed workflow task; ``make
chaos`` tries every event there is, on both layouts, and the one that un-parks by itself.
"""

import asyncio
import os
from collections.abc import AsyncIterator

import bson
import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from cli.stack import EmbeddedStack
from temporal.converter import DATA_CONVERTER
from tests.e2e.auditing import Database, check_the_books, check_the_sums
from tests.e2e.bank import Bank, Json, new_key, order
from tests.e2e.shapes import SHAPES, Held

LONG = os.environ.get("PAYFLOW_STORM") == "long"
AGAIN_WITHIN_S = 180.0  # a batch looks after its items once a minute; a reset may land in that
BOOKS = ("journal", "wallets", "transfers", "batches")


@pytest.fixture(params=["pair", "single"] if LONG else ["pair"])
def stack(request: pytest.FixtureRequest) -> EmbeddedStack:
    chosen: EmbeddedStack = request.getfixturevalue(request.param)
    return chosen


@pytest.fixture
async def temporal(stack: EmbeddedStack) -> AsyncIterator[Client]:
    yield await Client.connect(stack.addresses.temporal_address, data_converter=DATA_CONVERTER)


@pytest.mark.chaos
@pytest.mark.timeout(1_800 if LONG else 240)
async def test_a_reset_changes_nothing(
    stack: EmbeddedStack, bank: Bank, temporal: Client, database: Database
) -> None:
    held = await Held.begin(stack, bank, temporal, also_by_themselves=LONG)
    batches = await _batches(held)
    ended = await held.end()
    assert set(ended) == {name for name in SHAPES if LONG or name != "parked_then_unparked"}
    ids = [one["workflow_id"] for one in ended.values()]
    ids += [f"batch/{one['id']}" for one in batches]
    ids.append(f"transfer/{(await _items_once_ended(held, batches[-1]))[0]['transfer']['id']}")
    await asyncio.gather(*(_closed(temporal, one) for one in ids))
    before = await _every_byte(database)
    resets = await asyncio.gather(*(_reset_everywhere(temporal, one) for one in ids))
    assert min(resets) >= 1, dict(zip(ids, resets, strict=True))
    assert sum(resets) >= 2 * len(ids)
    after = await _every_byte(database)
    for name in BOOKS:
        assert after[name] == before[name], name
    await check_the_sums(database)
    await check_the_books(database)


async def _batches(held: Held) -> list[Json]:
    """A batch of each mode that ends as it is, and one whose first item gets its own workflow."""
    good, bad = (order(held.alice, held.bob, amount) for amount in (1, 1_000_000))
    made = [
        await _batch(held, "atomic", good),
        await _batch(held, "atomic", good, bad),
        await _batch(held, "stop_on_error", good, bad, good),
    ]
    for one in made:
        await _items_once_ended(held, one)
    await held.hang_every_credit()
    return [*made, await _batch(held, "independent", good, bad)]


async def _batch(held: Held, mode: str, *items: Json) -> Json:
    body, headers = {"mode": mode, "transfers": items}, {"Idempotency-Key": new_key()}
    answer = await held.bank.ask("POST", "/v1/batches", held.alice, body=body, headers=headers)
    assert answer.status_code == 202, answer.text
    made: Json = answer.json()
    return made


async def _items_once_ended(held: Held, batch: Json) -> list[Json]:
    path = f"/v1/batches/{batch['id']}"
    async with asyncio.timeout(AGAIN_WITHIN_S):
        while (await held.bank.ask("GET", path, held.alice)).json()["counts"]["pending"]:
            await asyncio.sleep(0.2)
    items: list[Json] = (await held.bank.ask("GET", f"{path}/items", held.alice)).json()["data"]
    return items


async def _closed(client: Client, workflow_id: str) -> None:
    await asyncio.wait_for(client.get_workflow_handle(workflow_id).result(), AGAIN_WITHIN_S)


async def _reset_everywhere(client: Client, workflow_id: str) -> int:
    """Reset the first run to each event that allows it, let each new run end; how often it was."""
    first = await client.get_workflow_handle(workflow_id).describe()
    history = client.get_workflow_handle(workflow_id, run_id=first.run_id).fetch_history_events()
    events = [
        event.event_id
        async for event in history
        if LONG or event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    ]
    if not LONG:
        events = sorted({events[0], events[len(events) // 2], events[-1]})
    return sum([await _reset(client, workflow_id, first.run_id, event) for event in events])


async def _reset(client: Client, workflow_id: str, run_id: str, event_id: int) -> bool:
    """Reset it to the event; False where Temporal does not allow that."""
    request = ResetWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
        reason="a test says so",
        workflow_task_finish_event_id=event_id,
        request_id=f"{workflow_id}-{event_id}",
    )
    try:
        answer = await client.workflow_service.reset_workflow_execution(request)
    except RPCError as error:
        assert error.status is RPCStatusCode.INVALID_ARGUMENT, error
        assert LONG, f"{workflow_id} cannot be reset to its task {event_id}: {error}"
        return False
    again = client.get_workflow_handle(workflow_id, run_id=answer.run_id)
    try:
        await asyncio.wait_for(again.result(), AGAIN_WITHIN_S)
    except TimeoutError:
        pytest.fail(f"{workflow_id} reset to {event_id} does not end")
    return True


async def _every_byte(database: Database) -> dict[str, dict[str, bytes]]:
    """All of the books but how often workers met at a wallet, which is no money."""
    return {
        name: {
            str(document["_id"]): bson.encode(document)
            async for document in database[name].find({}, {"contended": False})
        }
        for name in BOOKS
    }
