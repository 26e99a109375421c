"""A batch's story on a time-skipping server: every mode, trouble on the way, and a second run."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from temporalio.client import WorkflowHandle
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.batches import BatchActivities
from payflow.domain.batches import BatchMode
from payflow.domain.ledger import Leg, LegRequest
from payflow.domain.ports import Origin
from payflow.domain.transfers import Transfer
from temporal import policies
from temporal.messages import BatchStory
from tests.fakes import (
    BATCH,
    BOB,
    InMemoryBatchWork,
    InMemoryBooks,
    TroubledBooks,
    books_with_items,
)
from workflows.batch import BatchWorkflow


class Left:
    """``Sagas`` that note which items were left to themselves."""

    def __init__(self, trouble: TroubledBooks) -> None:
        self.ids: list[str] = []
        self._trouble = trouble

    async def start_alone(self, item: Transfer) -> None:
        self.ids.append(item.id)
        self._trouble.down_for.discard(item.id)  # from the second look on it answers


@asynccontextmanager
async def story(
    environment: WorkflowEnvironment, mode: BatchMode, trouble: TroubledBooks, books: InMemoryBooks
) -> AsyncIterator[tuple[WorkflowHandle[BatchWorkflow, None], InMemoryBatchWork, Left]]:
    queue = str(uuid.uuid4())  # noqa: TID251  # a queue of the test's own
    work, left = InMemoryBatchWork(books, mode), Left(trouble)
    async with Worker(
        environment.client,
        task_queue=queue,
        workflows=[BatchWorkflow],
        activities=BatchActivities(trouble, work, left).all(),  # type: ignore[arg-type]  # one verb
    ):
        handle = await environment.client.start_workflow(
            BatchWorkflow.run, BatchStory(BATCH, 30), id=f"batch/{queue}", task_queue=queue
        )
        yield handle, work, left


def ends(books: InMemoryBooks) -> list[str]:
    return [item.failure or item.status for item in books.items_of(BATCH)]


@pytest.mark.parametrize(
    ("mode", "expected", "paid"),
    [
        (BatchMode.INDEPENDENT, ["completed", "insufficient_funds", "completed"], 200),
        (BatchMode.STOP_ON_ERROR, ["completed", "insufficient_funds", "batch_stopped"], 100),
        (BatchMode.ATOMIC, ["batch_rejected", "insufficient_funds", "batch_rejected"], 0),
    ],
)
async def test_each_mode_twice(
    temporal: WorkflowEnvironment, mode: BatchMode, expected: list[str], paid: int
) -> None:
    books = books_with_items(mode, [100, 5_000, 100])
    for _ in range(2):  # a second run walks the same keys
        async with story(temporal, mode, TroubledBooks(books), books) as (handle, work, _left):
            await handle.result()
            assert work.closed == [BATCH]
        assert ends(books) == expected
        assert books.wallets[BOB].balance == paid


async def test_many_chunks_are_carried_on_by_new_runs(
    temporal: WorkflowEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policies, "BATCH_CHUNK", 2)
    monkeypatch.setattr(policies, "BATCH_HISTORY_EVENTS", 10)
    books = books_with_items(BatchMode.STOP_ON_ERROR, [1] * 9)
    trouble = TroubledBooks(books)
    async with story(temporal, BatchMode.STOP_ON_ERROR, trouble, books) as (handle, _work, _left):
        await handle.result()
        assert (await handle.describe()).run_id != handle.first_execution_run_id
    assert [(order.first, order.past) for order in trouble.orders] == [
        *((0, 2), (2, 4), (4, 6), (6, 8), (8, 9)),
    ]
    assert ends(books) == ["completed"] * 9


async def test_an_item_that_does_not_answer_is_left_to_itself(
    temporal: WorkflowEnvironment,
) -> None:
    books = books_with_items(BatchMode.INDEPENDENT, [1, 2, 3])
    trouble = TroubledBooks(books)
    trouble.down_for.add("trf_1")
    async with story(temporal, BatchMode.INDEPENDENT, trouble, books) as (handle, work, left):
        while not left.ids:
            await temporal.sleep(1)
        assert left.ids[0] == "trf_1"
        assert ends(books) == ["completed", "initiated", "completed"]
        assert not work.closed
        await _finish(books, "trf_1")
        await handle.result()
        assert work.closed == [BATCH]


async def _finish(books: InMemoryBooks, transfer_id: str) -> None:
    for leg in (Leg.DEBIT, Leg.CREDIT, Leg.POST):
        await books.take(LegRequest(transfer_id, leg), Origin())


async def test_books_that_are_away_park_the_batch_and_let_it_go_on(
    temporal: WorkflowEnvironment,
) -> None:
    books = books_with_items(BatchMode.ATOMIC, [1, 2])
    trouble = TroubledBooks(books)
    trouble.down.add(Leg.DEBIT)
    async with story(temporal, BatchMode.ATOMIC, trouble, books) as (handle, _work, _left):
        while not books.marks:
            await temporal.sleep(5)
        assert books.transfers["trf_0"].needs_attention
        trouble.down.clear()
        await handle.result()
    assert ends(books) == ["completed", "completed"]


async def test_a_cancelled_batch_begins_nothing(temporal: WorkflowEnvironment) -> None:
    books = books_with_items(BatchMode.INDEPENDENT, [1, 2])
    trouble = TroubledBooks(books)
    queue = str(uuid.uuid4())  # noqa: TID251  # a queue of the test's own
    work = InMemoryBatchWork(books, BatchMode.INDEPENDENT)
    work.cancelled = True
    async with Worker(
        temporal.client,
        task_queue=queue,
        workflows=[BatchWorkflow],
        activities=BatchActivities(trouble, work, Left(trouble)).all(),  # type: ignore[arg-type]
    ):
        await temporal.client.execute_workflow(
            BatchWorkflow.run, BatchStory(BATCH, 30), id=f"batch/{queue}", task_queue=queue
        )
    assert ends(books) == ["cancelled", "cancelled"]
