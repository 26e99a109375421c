"""The worker that runs transfers and batches: a list."""

from temporalio.client import Client
from temporalio.worker import Worker

from activities.batches import BatchActivities
from activities.ledger import LedgerActivities
from activities.repairs import RepairActivities
from payflow.domain.ports import Sagas
from payflow.domain.repair_ports import ActionProofs
from payflow.storage.factory import Storage
from temporal.names import TRANSFERS_QUEUE
from workers.built import worker
from workflows.batch import BatchWorkflow
from workflows.transfer import TransferWorkflow

CACHED_WORKFLOWS = 2_000  # a parked saga costs about 50 kB while it is cached
LEGS_AT_ONCE = 500  # what the posting engine groups from; the rest waits in Temporal


def transfer_worker(
    client: Client,
    storage: Storage,
    sagas: Sagas,
    proofs: ActionProofs,
    *,
    in_threads: bool = False,
) -> Worker:
    """The worker of the transfers' queue.

    Workflow code runs on the loop's own thread (what the SDK calls debugging): it never waits,
    and handing each task of a few hundred microseconds to another thread and back cost as much
    again, four times a transfer.
    ``in_threads`` is for tests that hold one story still and not the others.
    """
    return worker(
        client=client,
        task_queue=TRANSFERS_QUEUE,
        workflows=[TransferWorkflow, BatchWorkflow],
        activities=[
            *LedgerActivities(storage.books, storage.repairs).all(),
            *RepairActivities(storage.repairs, proofs).all(),
            *BatchActivities(storage.books, storage.batch_work, sagas).all(),
        ],
        debug_mode=not in_threads,
        max_cached_workflows=CACHED_WORKFLOWS,
        max_concurrent_activities=LEGS_AT_ONCE,
        max_concurrent_local_activities=LEGS_AT_ONCE,
    )
