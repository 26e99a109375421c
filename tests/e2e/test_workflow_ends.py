"""No way of closing, forgetting or resetting a workflow closes, doubles or changes a transfer."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import (
    DeleteWorkflowExecutionRequest,
    ResetWorkflowExecutionRequest,
)
from temporalio.client import Client, WorkflowHandle

from cli.stack import EmbeddedStack
from temporal.converter import DATA_CONVERTER
from tests.e2e.auditing import Database, check_the_books, check_the_sums
from tests.e2e.bank import Bank, Person
from tests.e2e.gaps import GAPS, held_before


@pytest.fixture
async def temporal(stack: EmbeddedStack) -> AsyncIterator[Client]:
    yield await Client.connect(stack.addresses.temporal_address, data_converter=DATA_CONVERTER)


async def end_workflow(client: Client, handle: WorkflowHandle[object, object], how: str) -> None:
    if how == "terminate":
        await handle.terminate("a test says so")
    elif how == "cancel":
        await handle.cancel()
    else:
        await client.workflow_service.delete_workflow_execution(
            DeleteWorkflowExecutionRequest(
                namespace=client.namespace,
                workflow_execution=WorkflowExecution(workflow_id=handle.id),
            )
        )


@pytest.mark.parametrize("how", ["terminate", "cancel", "delete"])
@pytest.mark.parametrize(("step", "state"), GAPS)
async def test_ending_the_workflow_between_two_legs(
    bank: Bank,
    operator: Person,
    temporal: Client,
    database: Database,
    how: str,
    step: str,
    state: str,
) -> None:
    alice, bob, sent = await held_before(bank, operator, step, state)
    handle = temporal.get_workflow_handle(sent["workflow_id"])
    await _shown_as_pending(handle)
    await end_workflow(temporal, handle, how)
    await check_the_sums(database)
    await bank.end_rehearsal(operator)
    ended = await bank.ended(alice, sent["id"])
    # a cancellation is the verb refund: it settles debit and credit, and is too late for a post
    sent_home = step == "refund" or (how == "cancel" and step in ("debit", "credit"))
    assert ended["status"] == ("failed" if sent_home else "completed")
    if how == "cancel" and sent_home and step != "refund":
        assert ended["failure"]["code"] == "cancelled_by_operator"
    paid = (100, 0) if sent_home else (0, 100)
    assert (await bank.balance(alice), await bank.balance(bob)) == paid
    await check_the_books(database)


async def test_a_finished_transfer_reset_to_each_of_its_tasks(
    bank: Bank, operator: Person, temporal: Client, database: Database
) -> None:
    alice, bob = await bank.funded(1_000), await bank.person("bob")
    completed = await bank.send(alice, bob, 100, wait_s=20)
    failed = await bank.send(alice, bob, 5_000, wait_s=20)
    await bank.rehearse(operator, {"step": "credit", "failure_type": "reject", "failure_rate": 1})
    refunded = await bank.send(alice, bob, 100, wait_s=20)
    await bank.end_rehearsal(operator)
    await bank.rehearse(operator, {"step": "credit", "failure_type": "error", "failure_rate": 1})
    parked = await bank.send(alice, bob, 100)
    await bank.until(alice, parked["id"], "debited")
    while not (await bank.transfer(alice, parked["id"]))["needs_attention"]:
        await asyncio.sleep(0.2)
    assert (await bank.verb(operator, parked["id"], "refund")).status_code == 200
    await bank.ended(alice, parked["id"])
    await bank.end_rehearsal(operator)
    before = await _everything(database)
    resets = 0
    for sent in (completed, failed, refunded, parked):
        resets += await _reset_everywhere(temporal, sent["workflow_id"])
    assert resets >= 4
    assert await _everything(database) == before
    await check_the_books(database)


async def _shown_as_pending(handle: WorkflowHandle[object, object]) -> None:
    """Wait until the step has left the fast lane: from then on an operator sees it pending."""
    async with asyncio.timeout(30):
        while not (await handle.describe()).raw_description.pending_activities:
            await asyncio.sleep(0.05)


async def _reset_everywhere(client: Client, workflow_id: str) -> int:
    """Reset the first run to each completed workflow task, and let each new run end."""
    first = await client.get_workflow_handle(workflow_id).describe()
    history = client.get_workflow_handle(workflow_id, run_id=first.run_id).fetch_history_events()
    tasks = [
        event.event_id
        async for event in history
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    ]
    for event_id in tasks:
        answer = await client.workflow_service.reset_workflow_execution(
            ResetWorkflowExecutionRequest(
                namespace=client.namespace,
                workflow_execution=WorkflowExecution(workflow_id=workflow_id, run_id=first.run_id),
                reason="a test says so",
                workflow_task_finish_event_id=event_id,
                request_id=f"{workflow_id}-{event_id}",
            )
        )
        again = client.get_workflow_handle(workflow_id, run_id=answer.run_id)
        await asyncio.wait_for(again.result(), 30)
    return len(tasks)


async def _everything(database: Database) -> list[list[dict[str, object]]]:
    return [
        await database[name].find({}).sort("_id").to_list()
        for name in ("journal", "wallets", "transfers")
    ]
