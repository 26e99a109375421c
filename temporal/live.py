"""Which workflows of transfers and batches run now: what the books are held against."""

from collections.abc import AsyncIterator

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from temporal import policies
from temporal.names import BATCH_WORKFLOW, TRANSFER_WORKFLOW

RUNNING = (
    f"WorkflowType IN ('{TRANSFER_WORKFLOW}', '{BATCH_WORKFLOW}') AND ExecutionStatus = 'Running'"
)


class TemporalLiveSagas:
    """The ``LiveSagas`` port of ``payflow.proof``."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def running(self) -> AsyncIterator[str]:
        """The ids of those that run, as the search index has them."""
        async for execution in self._client.list_workflows(RUNNING):
            yield execution.id

    async def is_running(self, workflow_id: str) -> bool:
        """Whether this one runs, asked of its history and not of the index."""
        handle = self._client.get_workflow_handle(workflow_id)
        try:
            found = await handle.describe(rpc_timeout=policies.VERB_RPC_TIMEOUT)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return False
            raise
        return found.status is WorkflowExecutionStatus.RUNNING
