"""Records one history of each way a pass of the proof can end, for the replay gate.

Run by hand when a version is released: ``python -m tests.workflows.record_proof_histories``.
A released version's histories are never recorded again; a new version gets a folder of its own.
"""

import asyncio

from temporalio.client import WorkflowFailureError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.proof import ProofActivities
from temporal.schedules import ProofOrder
from tests.workflows.conftest import skipping_server
from tests.workflows.prover import TroubledProver
from tests.workflows.record_histories import FOLDER as SAGAS
from tests.workflows.record_histories import keep
from workflows.proof import ProofWorkflow

FOLDER = SAGAS.with_name("proof_histories")
QUEUE = "payflow-maintenance"
EVERY_WAY = {"proved": TroubledProver(), "gave_up": TroubledProver(failures=1_000)}


async def main() -> None:
    async with skipping_server() as temporal:
        for name, prover in EVERY_WAY.items():
            keep(FOLDER, name, await told(temporal, name, prover))


async def told(temporal: WorkflowEnvironment, name: str, prover: TroubledProver) -> str:
    """The history of the story, told to its end."""
    async with Worker(
        temporal.client,
        task_queue=QUEUE,
        workflows=[ProofWorkflow],
        activities=ProofActivities(prover).all(),
    ):
        handle = await temporal.client.start_workflow(
            ProofWorkflow.run, ProofOrder(), id=f"proof-{name}", task_queue=QUEUE
        )
        try:
            await handle.result()
        except WorkflowFailureError:
            assert prover.failures
        return (await handle.fetch_history()).to_json()


if __name__ == "__main__":
    asyncio.run(main())
