"""A workflow whose transfer or batch the ledger does not have ends itself, after a while."""

from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from payflow.domain.batches import BatchMode
from payflow.domain.ledger import Leg
from payflow.domain.repairs import RepairAnswer
from payflow.domain.transfers import Transfer
from temporal.messages import Ending, OperatorOrder
from temporal.names import NEEDS_ATTENTION, NOT_IN_LEDGER, REFUND_UPDATE, STATE, UNKNOWN
from temporal.policies import ABSENT_FOR
from tests.fakes import ALICE, BOB, TRANSFER, TroubledBooks, books_of_two, books_with_items
from tests.workflows.conftest import Saga, Tell
from tests.workflows.test_batch_story import story


async def failure_of(handle: WorkflowHandle[Any, Any]) -> ApplicationError:
    with pytest.raises(WorkflowFailureError) as failed:
        await handle.result()
    cause = failed.value.cause
    assert isinstance(cause, ApplicationError)
    return cause


async def test_a_transfer_that_is_not_in_the_ledger_ends_its_workflow(tell: Tell) -> None:
    books = books_of_two()
    del books.transfers[TRANSFER]
    async with tell(books, TroubledBooks(books)) as saga:
        cause = await failure_of(saga.handle)
        ended = await saga.handle.describe()

    assert (cause.type, cause.non_retryable) == (NOT_IN_LEDGER, True)
    assert f"The ledger does not have transfer {TRANSFER}" in cause.message
    assert ended.typed_search_attributes.get(STATE) == UNKNOWN
    assert not ended.typed_search_attributes.get(NEEDS_ATTENTION)
    assert ended.close_time
    assert ended.close_time - ended.start_time >= ABSENT_FOR
    assert (books.entries, books.marks) == ([], [])
    assert books.wallets[ALICE].balance == 1_000


async def test_an_operator_who_asks_meanwhile_is_answered(tell: Tell) -> None:
    books = books_of_two()
    del books.transfers[TRANSFER]
    async with tell(books, TroubledBooks(books)) as saga:
        why = OperatorOrder("usr_OPERATOR", "the payer called")
        answer = await saga.handle.execute_update(REFUND_UPDATE, why, result_type=RepairAnswer)
        assert answer.outcome == "pending"
        await saga.handle.cancel()
        assert (await failure_of(saga.handle)).type == NOT_IN_LEDGER


async def test_a_transfer_that_is_seen_late_goes_on(tell: Tell) -> None:
    """Absence is not an outcome: what is found after the first seconds is carried out."""
    books = books_of_two()
    late = books.transfers.pop(TRANSFER)
    async with tell(books, TroubledBooks(books)) as saga:
        await saga.environment.sleep(ABSENT_FOR / 2)
        books.transfers[TRANSFER] = late
        assert await saga.ending() is Ending.COMPLETED
    assert books.wallets[BOB].balance == 100


async def lost_while_parked(saga: Saga) -> Transfer:
    """Skip time until the saga has parked; then its transfer is gone from the ledger."""
    for _ in range(60):
        description = await saga.handle.describe()
        if description.typed_search_attributes.get(NEEDS_ATTENTION):
            return saga.books.transfers.pop(TRANSFER)
        await saga.environment.sleep(timedelta(seconds=3))
    raise AssertionError("the saga did not park")


async def test_a_parked_transfer_that_is_lost_ends_its_workflow(tell: Tell) -> None:
    books = books_of_two()
    trouble = TroubledBooks(books)
    trouble.down.add(Leg.CREDIT)
    async with tell(books, trouble) as saga:
        await lost_while_parked(saga)
        trouble.down.clear()
        assert (await failure_of(saga.handle)).type == NOT_IN_LEDGER
        ended = await saga.handle.describe()
    assert ended.typed_search_attributes.get(STATE) == UNKNOWN
    assert not ended.typed_search_attributes.get(NEEDS_ATTENTION)


@pytest.mark.parametrize("mode", list(BatchMode))
async def test_a_batch_that_is_not_in_the_ledger_ends_its_workflow(
    temporal: WorkflowEnvironment, mode: BatchMode
) -> None:
    books = books_with_items(mode, [])
    async with story(temporal, mode, TroubledBooks(books), books) as (handle, _work, left):
        cause = await failure_of(handle)
        ended = await handle.describe()

    assert (cause.type, cause.non_retryable) == (NOT_IN_LEDGER, True)
    assert "The ledger does not have batch" in cause.message
    assert ended.typed_search_attributes.get(STATE) == UNKNOWN
    assert (books.entries, left.ids) == ([], [])
