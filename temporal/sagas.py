"""The ``Sagas`` port over Temporal: the workflows of transfers and batches, started, spoken to."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from loguru import logger
from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowExecutionStatus,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import (
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from payflow.domain.errors import (
    NothingToRetry,
    TransferTerminal,
    WorkflowCannotRun,
)
from payflow.domain.repair_errors import VerbRefused
from payflow.domain.repair_ports import ActionProofs
from payflow.domain.repairs import Act, RepairAnswer, RepairOrder, Verb
from payflow.domain.transfers import Transfer
from payflow.observability.context import note
from temporal import policies
from temporal.away import TEMPORAL_AWAY
from temporal.messages import VERB_LAPSED, BatchStory, OperatorOrder, ResolveOrder, TransferStory
from temporal.names import (
    BATCH_WORKFLOW,
    TRANSFER_WORKFLOW,
    TRANSFERS_QUEUE,
    batch_workflow_id,
    transfer_workflow_id,
)
from temporal.search_attributes import amount_band, at_start
from temporal.wording import Links, static_details, static_summary

# What a saga may answer an operator's verb with, by code; anything else is a bug over there.
REFUSALS = frozenset(
    {
        "illegal_move",
        "leg_not_pending",
        "nothing_to_retry",
        "operator_unknown",
        "reason_required",
        "resolve_invalid",
        "second_operator_required",
        "transfer_paused",
        "transfer_terminal",
    }
)


@dataclass(frozen=True, slots=True)
class _Said:
    """What Temporal shows of a workflow from its first moment."""

    attributes: TypedSearchAttributes = TypedSearchAttributes.empty
    summary: str | None = None
    details: str | None = None


class TemporalSagas:
    """Starts transfers and batches, and passes operators' verbs on to transfers.

    A process without ``proofs`` vouches for no operator: its verbs are recorded as ``temporal``'s.
    """

    def __init__(
        self,
        client: Client,
        *,
        park_after_s: int,
        proofs: ActionProofs | None = None,
        links: Links | None = None,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._proofs = proofs
        self._now_s = now_s
        self._links = links or Links()
        self._eager = False
        self._park_after_s = park_after_s

    @property
    def client(self) -> Client:
        """The client in use."""
        return self._client

    def use(self, client: Client, *, eager: bool) -> None:
        """Go on with a better client: one that a worker of this process shares.

        ``eager``: that worker runs what is started here without asking the server for it.
        """
        self._client = client
        self._eager = eager

    async def start(self, transfer: Transfer, request_id: str | None) -> None:
        """Start the saga, or find it running; what cannot be started is left to the sweep."""
        if transfer.place is not None:
            await self.start_batch(transfer.place.batch_id, request_id)
        else:
            await self._start_transfer(transfer, request_id)

    async def start_alone(self, transfer: Transfer) -> None:
        """Start a saga of the item's own, or find it running."""
        await self._start_transfer(transfer, None)

    async def start_batch(self, batch_id: str, request_id: str | None) -> None:
        """Start the batch's saga, or find it running."""
        await self._start(
            BATCH_WORKFLOW,
            BatchStory(batch_id, self._park_after_s),
            batch_workflow_id(batch_id),
            request_id,
        )

    async def _start_transfer(self, transfer: Transfer, request_id: str | None) -> None:
        await self._start(
            TRANSFER_WORKFLOW,
            self._story(transfer),
            transfer_workflow_id(transfer.id),
            request_id,
            self._said_of(transfer),
        )

    async def _start(
        self,
        workflow: str,
        story: TransferStory | BatchStory,
        workflow_id: str,
        request_id: str | None,
        said: _Said = _Said(),
    ) -> None:
        try:
            await self._client.start_workflow(
                workflow,
                story,
                id=workflow_id,
                task_queue=TRANSFERS_QUEUE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                task_timeout=policies.WORKFLOW_TASK_TIMEOUT,
                rpc_timeout=policies.START_RPC_TIMEOUT,
                search_attributes=said.attributes,
                static_summary=said.summary,
                static_details=said.details,
                memo={"request_id": request_id} if request_id else None,
                request_eager_start=self._eager,
            )
        except TEMPORAL_AWAY as error:
            # it is accepted and in the books; Temporal being away delays it only
            logger.warning("{} not started, the sweep will: {!r}", workflow_id, error)

    async def repair(self, transfer: Transfer, order: RepairOrder) -> RepairAnswer:
        """Ask the saga for an operator's verb."""
        if order.verb is Verb.RETRY:
            if transfer.status.is_terminal or await self._waits_for_its_batch(transfer):
                raise NothingToRetry(transfer.id)
        elif transfer.status.is_terminal:
            raise TransferTerminal(transfer.id, transfer.status)
        return await self._update(transfer, order)

    async def _waits_for_its_batch(self, transfer: Transfer) -> bool:
        """Whether it is an item that has not been left to a saga of its own."""
        if transfer.place is None:
            return False
        handle = self._client.get_workflow_handle(transfer_workflow_id(transfer.id))
        try:
            found = await handle.describe(rpc_timeout=policies.VERB_RPC_TIMEOUT)
        except TEMPORAL_AWAY as error:
            if isinstance(error, RPCError) and error.status is RPCStatusCode.NOT_FOUND:
                return True
            raise WorkflowCannotRun(transfer.id) from error
        return found.status is not WorkflowExecutionStatus.RUNNING

    async def _update(self, transfer: Transfer, order: RepairOrder) -> RepairAnswer:
        note(workflow_id=transfer.workflow_id)
        try:
            return await self._ask(transfer, order, self._now_s())
        except WorkflowUpdateFailedError as failed:
            theirs_s = _time_over_there(failed)
            if theirs_s is None:
                raise _refusal(failed, transfer) from failed
        # We are still here, so nothing has lapsed: our clock is behind Temporal's, which counts.
        try:
            return await self._ask(transfer, order, theirs_s)
        except WorkflowUpdateFailedError as failed:
            raise _refusal(failed, transfer) from failed

    async def _ask(self, transfer: Transfer, order: RepairOrder, now_s: float) -> RepairAnswer:
        said = self._said_of(transfer)
        # with start: a workflow that was terminated or deleted hears the verb as well
        start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
            TRANSFER_WORKFLOW,
            self._story(transfer),
            id=transfer_workflow_id(transfer.id),
            task_queue=TRANSFERS_QUEUE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            task_timeout=policies.WORKFLOW_TASK_TIMEOUT,
            search_attributes=said.attributes,
            static_summary=said.summary,
            static_details=said.details,
        )
        try:
            answer: RepairAnswer = await self._client.execute_update_with_start_workflow(
                order.verb.value,
                self._message(transfer.id, order, now_s),
                id=order.act_id or None,
                start_workflow_operation=start,
                result_type=RepairAnswer,
                rpc_timeout=policies.VERB_RPC_TIMEOUT,
            )
        except (WorkflowUpdateRPCTimeoutOrCancelledError, *TEMPORAL_AWAY) as silent:
            await _hear_out(start)
            raise WorkflowCannotRun(transfer.id) from silent
        return answer

    def _message(
        self, transfer_id: str, order: RepairOrder, now_s: float
    ) -> OperatorOrder | ResolveOrder:
        """The verb, which lapses when we have given up on it: Temporal keeps what waits.

        A preview has no proof: it is no act, and its message must not serve as one.
        """
        operator, reason, said = order.operator, order.reason, order.resolve
        until = now_s + policies.VERB_RPC_TIMEOUT.total_seconds()
        act = Act(order.act_id, transfer_id, order.verb, operator, reason, said, until)
        proof = self._proofs.prove(act) if self._proofs and not order.dry_run else ""
        if said is None:
            return OperatorOrder(operator, reason, order.dry_run, until, proof)
        resolved = (said.leg, said.outcome, said.evidence)
        return ResolveOrder(operator, reason, *resolved, order.dry_run, until, proof)

    def _story(self, transfer: Transfer) -> TransferStory:
        return TransferStory(transfer_id=transfer.id, park_after_s=self._park_after_s)

    def _said_of(self, transfer: Transfer) -> _Said:
        return _Said(
            at_start(transfer),
            static_summary(transfer, amount_band(transfer.money.amount_minor)),
            static_details(transfer.id, self._links),
        )


async def _hear_out(start: WithStartWorkflowOperation[Any, Any]) -> None:
    """Take the failure we know of once more: asyncio logs one that nobody took as an error."""
    with suppress(Exception):
        async with asyncio.timeout(0):
            await start.workflow_handle()


def _time_over_there(failed: WorkflowUpdateFailedError) -> float | None:
    """Temporal's time, where the verb was refused because it seemed to have lapsed."""
    cause = failed.cause
    if isinstance(cause, ApplicationError) and cause.type == VERB_LAPSED and cause.details:
        return float(cause.details[0])
    return None


def _refusal(failed: WorkflowUpdateFailedError, transfer: Transfer) -> Exception:
    cause = failed.cause
    if isinstance(cause, ApplicationError) and cause.type in REFUSALS:
        return VerbRefused(cause.type, cause.message)
    return WorkflowCannotRun(transfer.id)
