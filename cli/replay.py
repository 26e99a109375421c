"""``payflow replay``: whether the code at hand goes on with the workflows that are there.

It samples the histories of the running stack's namespace, and replays them: run it with the next
release before that is deployed. Nothing is written anywhere.
"""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from rich.console import Console
from rich.table import Table
from rich.text import Text
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHistory
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from cli.configuration import settings_of_running_stack
from cli.errors import UNREACHABLE, CliError
from payflow.domain.observing import UNOBSERVED
from payflow.settings import Settings
from temporal.client import connect, data_converter, interceptors
from temporal.names import (
    BATCH_WORKFLOW,
    DELIVERY_WORKFLOW,
    PROOF_WORKFLOW,
    TRANSFER_WORKFLOW,
)
from workflows.batch import BatchWorkflow
from workflows.proof import ProofWorkflow
from workflows.transfer import TransferWorkflow
from workflows.webhook_delivery import WebhookDeliveryWorkflow

WORKFLOWS: tuple[type, ...] = (
    TransferWorkflow,
    BatchWorkflow,
    WebhookDeliveryWorkflow,
    ProofWorkflow,
)
TYPES = (TRANSFER_WORKFLOW, BATCH_WORKFLOW, DELIVERY_WORKFLOW, PROOF_WORKFLOW)
STATUSES = (
    "Running",
    "Completed",
    "Failed",
    "Canceled",
    "Terminated",
    "ContinuedAsNew",
    "TimedOut",
)
REACH_WITHIN_S = 5.0
CALL_WITHIN = timedelta(seconds=10)  # a page of a history takes 2-20 ms
SHOWN_FAILURES = 20
_OBJECTION = re.compile(r'\[TMPRL\d+\][^"]*')

WHAT_TO_DO = (
    "These workflows would stand still with the code at hand: put the change behind "
    "`workflow.patched`, or let workers of the old version end them; do not deploy it as it is."
)


@dataclass(frozen=True, slots=True)
class Replayed:
    """One history and what became of it; ``failure`` is None when it replays."""

    kind: str
    status: str
    workflow_id: str
    run_id: str
    failure: str | None


def replay(limit: int, query: str) -> int:
    """Replay up to ``limit`` histories of each type and status, and say what was found.

    Args:
        limit: of each workflow type in each status, the newest first.
        query: a Temporal list filter that each must match besides; all when empty.

    Returns:
        0: all replay. 1: one does not.

    Raises:
        CliError: Temporal does not answer, or does not understand the query (exit code 2).
    """
    found = asyncio.run(replayed(settings_of_running_stack(), limit, query))
    show(found, Console())
    return 1 if any(one.failure for one in found) else 0


async def replayed(
    settings: Settings, limit: int, query: str = "", workflows: Sequence[type] = ()
) -> list[Replayed]:
    """The same over these settings and workflows, today's when none are given.

    Raises:
        CliError: Temporal does not answer, or does not understand the query.
    """
    try:
        async with asyncio.timeout(REACH_WITHIN_S):
            client = await connect(settings)
    except (RPCError, RuntimeError, OSError, TimeoutError):
        raise CliError("Temporal does not answer: is the stack running?", UNREACHABLE) from None
    replayer = Replayer(
        workflows=list(workflows or WORKFLOWS),
        namespace=settings.temporal_namespace,
        data_converter=data_converter(settings),
        interceptors=interceptors(settings, UNOBSERVED),
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    found = []
    try:
        async for kind, status, history in _sampled(client, limit, query):
            result = await replayer.replay_workflow(history, raise_on_replay_failure=False)
            failure = result.replay_failure
            words = told(failure) if failure else None
            found.append(Replayed(kind, status, history.workflow_id, history.run_id, words))
    except RPCError as error:
        if error.status is RPCStatusCode.INVALID_ARGUMENT:
            raise CliError(
                f"Temporal does not understand the query: {error.message}", UNREACHABLE
            ) from None
        raise CliError(f"Temporal does not answer: {error.message}", UNREACHABLE) from None
    return found


def told(failure: Exception) -> str:
    """What Temporal has against a replay, without how the SDK wraps it."""
    words = str(failure).strip() or type(failure).__name__
    said = _OBJECTION.search(words)
    return said[0] if said else words.splitlines()[0]


async def _sampled(
    client: Client, limit: int, query: str
) -> AsyncIterator[tuple[str, str, WorkflowHistory]]:
    for kind in TYPES:
        for status in STATUSES:
            wanted = f'WorkflowType = "{kind}" AND ExecutionStatus = "{status}"'
            wanted += f" AND ({query})" if query else ""
            listed = client.list_workflows(wanted, limit=limit, rpc_timeout=CALL_WITHIN)
            async for one in listed:
                history = await _history(client, one.id, one.run_id)
                if history is not None:
                    yield kind, status, history


async def _history(client: Client, workflow_id: str, run_id: str) -> WorkflowHistory | None:
    """The run's history; None when it is gone, or no code has run in it yet."""
    handle = client.get_workflow_handle(workflow_id, run_id=run_id)
    try:
        history = await handle.fetch_history(rpc_timeout=CALL_WITHIN)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:  # forgotten since it was listed
            return None
        raise
    begun = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    return history if any(event.event_type == begun for event in history.events) else None


def show(found: Sequence[Replayed], console: Console) -> None:
    """What was replayed, by type and status; then what does not replay."""
    table = Table("workflow", "status", "replayed", "broken", box=None, pad_edge=False)
    replays = Counter((one.kind, one.status) for one in found)
    broken = Counter((one.kind, one.status) for one in found if one.failure)
    for (kind, status), count in replays.items():
        bad = broken[kind, status]
        table.add_row(kind, status, str(count), Text(str(bad), style="red" if bad else ""))
    console.print(table)
    failures = [one for one in found if one.failure]
    for one in failures[:SHOWN_FAILURES]:
        where = f"✗ {one.workflow_id} (run {one.run_id}): {one.failure}"
        console.print(Text(where), soft_wrap=True)
    if len(failures) > SHOWN_FAILURES:
        console.print(f"… and {len(failures) - SHOWN_FAILURES} more.")
    console.print(_verdict(found, failures), soft_wrap=True, highlight=False)


def _verdict(found: Sequence[Replayed], failures: Sequence[Replayed]) -> str:
    if failures:
        return f"{len(failures)} of {len(found)} histories do not replay. {WHAT_TO_DO}"
    if not found:
        return "There is no history to replay."
    return f"All {len(found)} histories replay with the code at hand."
