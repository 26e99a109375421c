"""The proof's story: one pass. The schedule tells it again every minute."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.proof import ProofActivities
    from payflow.domain.proof_ports import Verdict
    from temporal.names import PROOF_WORKFLOW
    from temporal.policies import (
        PROOF_ALTOGETHER,
        PROOF_HEARTBEAT,
        PROOF_RETRY,
        PROOF_TIMEOUT,
    )
    from temporal.schedules import ProofOrder


@workflow.defn(name=PROOF_WORKFLOW)
class ProofWorkflow:
    """Follows the checkpoint and nothing else: whoever dies, the next one goes on there."""

    @workflow.run
    async def run(self, order: ProofOrder) -> Verdict:
        """Prove the books once; what was found is signed, frozen and told by the step."""
        return await workflow.execute_activity_method(
            ProofActivities.prove,
            order,
            start_to_close_timeout=PROOF_TIMEOUT,
            schedule_to_close_timeout=PROOF_ALTOGETHER,
            heartbeat_timeout=PROOF_HEARTBEAT,
            retry_policy=PROOF_RETRY,
        )
