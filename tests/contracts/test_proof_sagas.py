"""Unfinished transfers and running workflows are held against each other, both ways."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from temporalio.client import Client

from cli.stack import EmbeddedStack
from payflow.proof.sagas import prove_sagas
from temporal.client import connect
from temporal.live import TemporalLiveSagas
from temporal.messages import TransferStory
from temporal.names import TRANSFER_WORKFLOW
from tests.contracts.proven import ProvenBooks, proven_books


@dataclass
class InMemorySagas:
    """The port's second implementation: what runs, and what the index has not heard of yet."""

    indexed: set[str] = field(default_factory=set)
    unindexed: set[str] = field(default_factory=set)

    async def running(self) -> AsyncIterator[str]:
        for one in sorted(self.indexed):
            yield one

    async def is_running(self, workflow_id: str) -> bool:
        return workflow_id in self.indexed | self.unindexed


@pytest.fixture(scope="module")
async def books(pair: EmbeddedStack) -> AsyncIterator[ProvenBooks]:
    async with proven_books(pair, "payflow_proof_sagas") as made:
        yield made


def carried(books: ProvenBooks) -> set[str]:
    return {
        f"transfer/{books.in_flight}",
        f"transfer/{books.initiated}",
        f"batch/{books.batch}",
    }


async def found_with(books: ProvenBooks, sagas: InMemorySagas) -> list[str]:
    proven = await prove_sagas(books.database, sagas, look_again_s=0)
    return [one.subject_id for one in proven.findings]


async def test_each_unfinished_transfer_has_its_workflow(books: ProvenBooks) -> None:
    assert await found_with(books, InMemorySagas(carried(books))) == []


async def test_a_transfer_without_a_workflow_is_found(books: ProvenBooks) -> None:
    sagas = InMemorySagas(carried(books) - {f"transfer/{books.in_flight}"})

    assert await found_with(books, sagas) == [books.in_flight]


async def test_a_workflow_the_index_has_not_heard_of_yet_counts(books: ProvenBooks) -> None:
    assert await found_with(books, InMemorySagas(unindexed=carried(books))) == []


async def test_a_workflow_without_a_transfer_is_found(books: ProvenBooks) -> None:
    stray = {"transfer/trf_UNKNOWN", "batch/bat_UNKNOWN"}
    sagas = InMemorySagas(carried(books) | stray | {"webhook/whd_1"})

    assert set(await found_with(books, sagas)) == stray


async def test_an_item_is_carried_by_its_batch(books: ProvenBooks) -> None:
    own = {"_id": books.in_flight}
    await books.database.transfers.update_one(own, {"$set": {"workflow_id": "batch/bat_1"}})
    await books.database.batches.insert_one({"_id": "bat_1"})
    try:
        others = carried(books) - {f"transfer/{books.in_flight}"}
        by_batch, by_none = InMemorySagas({"batch/bat_1", *others}), InMemorySagas(others)

        assert await found_with(books, InMemorySagas(carried(books))) == []
        assert await found_with(books, by_batch) == []
        assert await found_with(books, by_none) == [books.in_flight]
    finally:
        workflow_id = f"transfer/{books.in_flight}"
        await books.database.transfers.update_one(own, {"$set": {"workflow_id": workflow_id}})
        await books.database.batches.delete_one({"_id": "bat_1"})


@asynccontextmanager
async def held_by_nobody(client: Client, transfer_id: str) -> AsyncIterator[str]:
    """A transfer's workflow on a queue that no worker serves."""
    handle = await client.start_workflow(
        TRANSFER_WORKFLOW,
        TransferStory(transfer_id, 10),
        id=f"transfer/{transfer_id}",
        task_queue="payflow-nobody",
    )
    try:
        yield handle.id
    finally:
        await handle.terminate("a test says so")


async def test_temporal_says_what_runs(books: ProvenBooks) -> None:
    client = await connect(books.settings)
    sagas = TemporalLiveSagas(client)
    async with held_by_nobody(client, "trf_HELD") as held:
        assert await sagas.is_running(held)
        while held not in {one async for one in sagas.running()}:
            pass
    assert not await sagas.is_running(held)
    assert not await sagas.is_running("transfer/trf_NEVER_STARTED")
