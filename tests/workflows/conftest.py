"""A time-skipping Temporal server and a worker that tells stories inside the sandbox."""

import shutil
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from temporalio.client import WorkflowHandle
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.ledger import LedgerActivities
from activities.repairs import RepairActivities
from temporal.converter import DATA_CONVERTER
from temporal.messages import Ending, TransferStory
from temporal.names import SEARCH_ATTRIBUTES
from temporal.search_attributes import add_search_attributes
from tests.fakes import TRANSFER, InMemoryBooks, TroubledBooks
from tests.fakes_repairs import PROOFS, InMemoryRepairs
from workflows.transfer import TransferWorkflow

PARK_AFTER_S = 30


@pytest.fixture(scope="session")
async def temporal() -> AsyncIterator[WorkflowEnvironment]:
    async with skipping_server() as environment:
        yield environment


@asynccontextmanager
async def skipping_server() -> AsyncIterator[WorkflowEnvironment]:
    """A server whose clock skips what nobody works in."""
    beside = Path(sys.executable).with_name("temporal-test-server")
    server = str(beside) if beside.exists() else shutil.which("temporal-test-server")
    assert server, "temporal-test-server is not installed: run `make install`"
    async with await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=server, data_converter=DATA_CONVERTER
    ) as environment:
        await add_search_attributes(
            environment.client, [key.name for key in SEARCH_ATTRIBUTES]
        )  # this server cannot list them
        yield environment


@dataclass
class Saga:
    """One transfer's workflow on books that do as they are told."""

    environment: WorkflowEnvironment
    handle: WorkflowHandle[TransferWorkflow, Ending]
    books: InMemoryBooks
    trouble: TroubledBooks
    repairs: InMemoryRepairs

    async def ending(self) -> Ending:
        return await self.handle.result()


Tell = Callable[[InMemoryBooks, TroubledBooks], AbstractAsyncContextManager[Saga]]


@pytest.fixture
def tell(temporal: WorkflowEnvironment) -> Tell:
    """Start the story of the one transfer in these books."""

    @asynccontextmanager
    async def telling(books: InMemoryBooks, trouble: TroubledBooks) -> AsyncIterator[Saga]:
        repairs = InMemoryRepairs(books)
        queue = str(uuid.uuid4())  # noqa: TID251  # a queue of the test's own
        async with Worker(
            temporal.client,
            task_queue=queue,
            workflows=[TransferWorkflow],
            activities=[
                *LedgerActivities(trouble, repairs).all(),
                *RepairActivities(repairs, PROOFS).all(),
            ],
        ):
            handle = await temporal.client.start_workflow(
                TransferWorkflow.run,
                TransferStory(TRANSFER, PARK_AFTER_S),
                id=f"transfer/{queue}",
                task_queue=queue,
            )
            yield Saga(temporal, handle, books, trouble, repairs)

    return telling
