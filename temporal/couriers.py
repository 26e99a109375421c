"""The ``Couriers`` port over Temporal: a delivery's workflow, started and woken."""

import asyncio
from collections.abc import Sequence

from loguru import logger
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.service import RPCError, RPCStatusCode

from temporal import policies
from temporal.away import TEMPORAL_AWAY
from temporal.messages import DeliveryStory
from temporal.names import DELIVERY_WORKFLOW, WAKE_SIGNAL, WEBHOOKS_QUEUE, delivery_workflow_id
from temporal.sagas import TemporalSagas

AT_ONCE = 16  # a signal takes 2-5 ms; more would crowd out new transfers


class TemporalCouriers:
    """Starts and wakes the workflows of deliveries."""

    def __init__(self, sagas: TemporalSagas) -> None:
        self._sagas = sagas  # shares its client, which gets better once Temporal answers

    async def carry(self, delivery_id: str, wait_s: float) -> None:
        """Start the delivery's workflow, or wake the one that runs."""
        try:
            await self._sagas.client.start_workflow(
                DELIVERY_WORKFLOW,
                DeliveryStory(delivery_id, wait_s),
                id=delivery_workflow_id(delivery_id),
                task_queue=WEBHOOKS_QUEUE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                # only who wants it now wakes one that waits
                start_signal=WAKE_SIGNAL if wait_s == 0 else None,
                rpc_timeout=policies.START_RPC_TIMEOUT,
            )
        except TEMPORAL_AWAY as error:
            # it is on record; Temporal being away delays it only
            logger.warning("delivery {} not carried, the pick-up will: {!r}", delivery_id, error)

    async def wake(self, delivery_ids: Sequence[str]) -> None:
        """Let running workflows look at their delivery now; starts none."""
        limit = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(*(self._wake(one, limit) for one in delivery_ids))

    async def _wake(self, delivery_id: str, limit: asyncio.Semaphore) -> None:
        handle = self._sagas.client.get_workflow_handle(delivery_workflow_id(delivery_id))
        async with limit:
            try:
                await handle.signal(WAKE_SIGNAL, rpc_timeout=policies.START_RPC_TIMEOUT)
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    logger.warning("delivery {} not woken: {!r}", delivery_id, error)
            except (RuntimeError, TimeoutError) as error:
                logger.warning("delivery {} not woken: {!r}", delivery_id, error)
