"""The ``Histories`` port over Temporal: what a workflow's runs did, and what it waits for."""

from collections.abc import Collection, Mapping
from datetime import timedelta

from loguru import logger
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from payflow.domain.attempts import CountedActivity
from payflow.domain.timeline_ports import PendingStep, Told
from temporal.activity_events import RunReader
from temporal.away import TEMPORAL_AWAY
from temporal.sagas import TemporalSagas

ANSWERS_WITHIN = timedelta(seconds=2)  # each call; a history page takes 2-20 ms
RUNS_AT_MOST = 10  # a sweep starts one every few seconds while somebody ends them


class TemporalHistories:
    """Reads histories and pending activities."""

    def __init__(self, sagas: TemporalSagas) -> None:
        self._sagas = sagas  # shares its client, which gets better once Temporal answers

    async def told(self, workflow_id: str, run_ids: Collection[str]) -> Told | None:
        """What it says of the workflow's latest run and of those; None when it does not answer."""
        try:
            return await self._told(workflow_id, run_ids)
        except TEMPORAL_AWAY as error:
            logger.warning("temporal does not tell of {}: {!r}", workflow_id, error)
            return None

    async def _told(self, workflow_id: str, run_ids: Collection[str]) -> Told:
        latest = await self._describe(workflow_id)
        pending = {one.activity_id: one for one in _pending_of(latest)}
        counted: list[CountedActivity] = []
        step = None
        for run_id in _runs(latest, run_ids):
            waited_for = pending if latest is not None and run_id == latest.run_id else {}
            activities = await self._activities(workflow_id, run_id, waited_for)
            counted += activities
            step = step or _step_among(activities, waited_for)
        running = latest is not None and latest.status is WorkflowExecutionStatus.RUNNING
        return Told(running, counted, step)

    async def _describe(self, workflow_id: str) -> WorkflowExecutionDescription | None:
        handle = self._sagas.client.get_workflow_handle(workflow_id)
        try:
            return await handle.describe(rpc_timeout=ANSWERS_WITHIN)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise

    async def _activities(
        self, workflow_id: str, run_id: str, pending: Mapping[str, PendingActivityInfo]
    ) -> list[CountedActivity]:
        handle = self._sagas.client.get_workflow_handle(workflow_id, run_id=run_id)
        reader = RunReader(self._sagas.client.data_converter, run_id)
        try:
            async for event in handle.fetch_history_events(rpc_timeout=ANSWERS_WITHIN):
                reader.take(event)
        except RPCError as error:
            if error.status not in (RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT):
                raise  # what is forgotten, or was no run of this server's, is passed over
        return await reader.activities(pending)


def _pending_of(latest: WorkflowExecutionDescription | None) -> list[PendingActivityInfo]:
    return list(latest.raw_description.pending_activities) if latest is not None else []


def _runs(latest: WorkflowExecutionDescription | None, run_ids: Collection[str]) -> list[str]:
    newest = {latest.run_id} if latest is not None and latest.run_id else set()
    return sorted(newest | {one for one in run_ids if one})[-RUNS_AT_MOST:]


def _step_among(
    activities: list[CountedActivity], pending: Mapping[str, PendingActivityInfo]
) -> PendingStep | None:
    for one in activities:
        if one.last.activity_id in pending:
            due_at = one.last.started_at if one.due else None
            return PendingStep(one.last.leg, one.last.lane, one.last.number, due_at)
    return None
