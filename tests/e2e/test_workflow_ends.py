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
from tests.e2e.gaps import go_on, held_in_every_gap


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
async def test_ending_the_workflow_between_two_legs(
    bank: Bank, operator: Person, temporal: Client, database: Database, how: str
) -> None:
    every = await held_in_every_gap(bank, operator)
    for held in every:
        handle = temporal.get_workflow_handle(held.sent["workflow_id"])
        await _shown_as_pending(handle)
        await end_workflow(temporal, handle, how)
        if how == "cancel" and held.step in ("debit", "credit"):  # it is heard before they go on
            await bank.until(held.alice, held.id, "refunding", "failed")
    await check_the_sums(database)
    await go_on(bank, operator, every)
    for held in every:
        ended = await bank.ended(held.alice, held.id)
        # a cancellation is the verb refund: it settles debit and credit, is too late for a post
        is_sent_home = how == "cancel" and held.step in ("debit", "credit")
        goes_home = held.goes_home or is_sent_home
        assert ended["status"] == ("failed" if goes_home else "completed"), held
        if is_sent_home:
            assert ended["failure"]["code"] == "cancelled_by_operator"
        paid = (100, 0) if goes_home else (0, 100)
        assert (await bank.balance(held.alice), await bank.balance(held.bob)) == paid, held
    await check_the_books(database)


async def _shown_as_pending(handle: WorkflowHandle[object, object]) -> None:
    """Wait until the step has left the fast lane: from then on an operator sees it pending."""
    async with asyncio.timeout(30):
        while not (await handle.describe()).raw_description.pending_activities:
            await asyncio.sleep(0.05)
