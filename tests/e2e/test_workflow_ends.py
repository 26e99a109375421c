"""No way of closing or forgetting a workflow closes, doubles or changes a transfer."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
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


async def _shown_as_pending(handle: WorkflowHandle[object, object]) -> None:
    """Wait until the step has left the fast lane: from then on an operator sees it pending."""
    async with asyncio.timeout(30):
        while not (await handle.describe()).raw_description.pending_activities:
            await asyncio.sleep(0.05)
