"""The proof's story inside the sandbox, on a clock that skips."""

import uuid

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.proof import ProofActivities
from payflow.domain.proof_ports import Verdict
from temporal.schedules import ProofOrder
from tests.workflows.prover import VERDICT, TroubledProver
from workflows.proof import ProofWorkflow


async def tell(temporal: WorkflowEnvironment, prover: TroubledProver, *, full: bool) -> Verdict:
    queue = str(uuid.uuid4())  # noqa: TID251  # a queue of the test's own
    async with Worker(
        temporal.client,
        task_queue=queue,
        workflows=[ProofWorkflow],
        activities=ProofActivities(prover).all(),
    ):
        return await temporal.client.execute_workflow(
            ProofWorkflow.run, ProofOrder(full=full), id=f"proof-{queue}", task_queue=queue
        )


@pytest.mark.parametrize("full", [False, True])
async def test_a_pass_is_tried_again_until_the_books_answer(
    temporal: WorkflowEnvironment, full: bool
) -> None:
    prover = TroubledProver(failures=2)
    assert await tell(temporal, prover, full=full) == VERDICT
    assert prover.asked == [full] * 3


async def test_a_pass_that_cannot_be_made_ends_and_leaves_it_to_the_next(
    temporal: WorkflowEnvironment,
) -> None:
    prover = TroubledProver(failures=1_000)
    with pytest.raises(WorkflowFailureError):
        await tell(temporal, prover, full=False)
    assert 1 < len(prover.asked) < 1_000
