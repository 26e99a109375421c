"""The ``StepHistories`` port over Temporal: the step results of transfers' workflows."""

import json
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from payflow.domain.errors import PayflowError
from payflow.domain.ledger import Leg, StepAnswer
from payflow.domain.ports import Clock
from payflow.domain.proof_ports import HistoriesUnavailable, StepHistory
from temporal.activity_events import LOCAL_MARKER
from temporal.away import TEMPORAL_AWAY
from temporal.histories import ANSWERS_WITHIN
from temporal.names import TRANSFER_WORKFLOW, transfer_workflow_id

ANSWER_A_STEP = frozenset({*(leg.value for leg in Leg), "settle"})
KEPT_AT_MOST = 10_000  # ids of the newest workflows: ten pages of about 20 ms

_GONE = (RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT)


class TemporalStepHistories:
    """Reads what the steps of a workflow's latest run came to."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    async def of(self, transfer_id: str) -> StepHistory | None:
        """The latest run's; None when there is no history, or none that can be read."""
        handle = self._client.get_workflow_handle(transfer_workflow_id(transfer_id))
        try:
            described = await handle.describe(rpc_timeout=ANSWERS_WITHIN)
            run = self._client.get_workflow_handle(handle.id, run_id=described.run_id)
            results = await self._results(
                [one async for one in run.fetch_history_events(rpc_timeout=ANSWERS_WITHIN)]
            )
        except TEMPORAL_AWAY as error:
            if isinstance(error, RPCError) and error.status in _GONE:
                return None
            raise HistoriesUnavailable(str(error)) from error
        if results is None:
            return None
        return StepHistory(
            results,
            is_complete=described.status is WorkflowExecutionStatus.COMPLETED,
            is_settled=_is_settled(described),
            run_id=described.run_id or "",
        )

    async def kept(self) -> AsyncIterator[str]:
        """The transfers of the newest workflows, running and closed, by the search index."""
        query = f"WorkflowType = '{TRANSFER_WORKFLOW}'"
        try:
            async for execution in self._client.list_workflows(query, limit=KEPT_AT_MOST):
                yield execution.id.partition("/")[2]
        except TEMPORAL_AWAY as error:
            raise HistoriesUnavailable(str(error)) from error

    async def kept_since(self) -> datetime:
        """Histories of workflows that closed before this are gone."""
        request = DescribeNamespaceRequest(namespace=self._client.namespace)
        try:
            found = await self._client.workflow_service.describe_namespace(
                request, timeout=ANSWERS_WITHIN
            )
        except TEMPORAL_AWAY as error:
            raise HistoriesUnavailable(str(error)) from error
        kept_for: Duration = found.config.workflow_execution_retention_ttl
        return self._clock.now() - kept_for.ToTimedelta()

    async def _results(self, events: Sequence[HistoryEvent]) -> tuple[StepAnswer, ...] | None:
        """What the steps answered; None when an answer cannot be decrypted or understood."""
        steps: set[int] = set()
        answers: list[Sequence[Payload]] = []
        for event in events:
            kind = event.event_type
            if kind == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
                scheduled = event.activity_task_scheduled_event_attributes
                if scheduled.activity_type.name in ANSWER_A_STEP:
                    steps.add(event.event_id)
            elif kind == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
                completed = event.activity_task_completed_event_attributes
                if completed.scheduled_event_id in steps:
                    answers.append(completed.result.payloads)
            elif kind == EventType.EVENT_TYPE_MARKER_RECORDED:
                answers += _of_marker(event)
        try:
            decoded = [
                await self._client.data_converter.decode(one, [StepAnswer]) for one in answers
            ]
        except (PayflowError, RuntimeError, ValueError):
            return None
        return tuple(answer for (answer,) in decoded)


def _of_marker(event: HistoryEvent) -> list[Sequence[Payload]]:
    """The answer of a local step, if the marker is of one that has answered."""
    marker = event.marker_recorded_event_attributes
    if marker.marker_name != LOCAL_MARKER or marker.HasField("failure"):
        return []
    (data,) = marker.details["data"].payloads
    if json.loads(data.data)["activity_type"] not in ANSWER_A_STEP:
        return []
    return [marker.details["result"].payloads]


def _is_settled(described: WorkflowExecutionDescription) -> bool:
    """Whether it runs, and every result but the pending step's is in its history."""
    running = described.status is WorkflowExecutionStatus.RUNNING
    return running and not described.raw_description.HasField("pending_workflow_task")
