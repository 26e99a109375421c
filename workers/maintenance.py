"""The worker of what keeps PayFlow honest: the proof, with connections of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio.client import Client

from activities.proof import ProofActivities
from payflow.auth.statements import load_statement_keys
from payflow.domain.proof_ports import Prover, StepHistories
from payflow.proof.books import ASKED_WITHIN_S
from payflow.proof.histories import HistoryCheck
from payflow.proof.passes import Passes
from payflow.proof.publishing import Publisher
from payflow.settings import Settings
from payflow.storage.connection import open_client
from payflow.storage.factory import Storage
from payflow.storage.uncancelled import Calls
from temporal.names import MAINTENANCE_QUEUE
from temporal.schedules import ensure_proof_schedule
from temporal.step_histories import TemporalStepHistories
from workers.built import worker
from workflows.proof import ProofWorkflow


@asynccontextmanager
async def open_prover(
    settings: Settings, storage: Storage, histories: StepHistories | None = None
) -> AsyncIterator[Prover]:
    """What runs passes; its own connections wait longer than those of the books.

    Raises:
        KeysUnusable: the proof's keys, given or in the data folder, cannot sign.
    """
    keys = load_statement_keys(settings)
    async with (
        open_client(settings, longest_answer_s=ASKED_WITHIN_S) as client,
        Calls() as calls,
    ):
        database = client[settings.mongo_database]
        publisher = Publisher(
            database,
            keys,
            storage.wallets,
            storage.audit,
            storage.clock,
            settings.proof_interval_s,
        )
        check = HistoryCheck(database, histories) if histories is not None else None
        yield calls.wrap(Passes(database, publisher, storage.clock, check))


@asynccontextmanager
async def maintenance_worker(
    client: Client, settings: Settings, storage: Storage
) -> AsyncIterator[None]:
    """The worker of the maintenance queue, and the schedule that gives it work."""
    histories = TemporalStepHistories(client, storage.clock)
    async with open_prover(settings, storage, histories) as prover:
        maintaining = worker(
            client=client,
            task_queue=MAINTENANCE_QUEUE,
            workflows=[ProofWorkflow],
            activities=ProofActivities(prover).all(),
            max_concurrent_activities=1,  # a second pass at once would only be overtaken
        )
        async with maintaining:
            await ensure_proof_schedule(client, settings.proof_interval_s)
            yield
