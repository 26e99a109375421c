"""A delivery's story: try, wait, try again, until the subscriber took it or nothing is left."""

from contextlib import suppress
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.webhooks import DeliveryAttempt, WebhookActivities
    from payflow.domain.webhooks import DeliveryStatus, Verdict
    from temporal.messages import DeliveryStory
    from temporal.names import DELIVERY_WORKFLOW, WAKE_SIGNAL
    from temporal.policies import (
        DELIVERY_ALTOGETHER,
        DELIVERY_ATTEMPT_TIMEOUT,
        DELIVERY_HEARTBEAT,
        DELIVERY_RETRY,
    )


@workflow.defn(name=DELIVERY_WORKFLOW)
class WebhookDeliveryWorkflow:
    """Follows the record and nothing else: how often and how long to wait is written there."""

    @workflow.init
    def __init__(self, story: DeliveryStory) -> None:
        self._woken = False

    @workflow.run
    async def run(self, story: DeliveryStory) -> DeliveryStatus:
        """Go on until no attempt is left; ``pending`` at the end means a paused endpoint."""
        verdict = Verdict(DeliveryStatus.PENDING, story.wait_s)
        while verdict.again_in_s is not None or self._woken:
            await self._pause(verdict.again_in_s or 0)
            verdict = await self._try(story.delivery_id)
            if workflow.info().is_continue_as_new_suggested() and verdict.again_in_s is not None:
                workflow.continue_as_new(DeliveryStory(story.delivery_id, verdict.again_in_s))
        return verdict.status

    @workflow.signal(name=WAKE_SIGNAL)
    async def wake(self) -> None:
        """Do not wait for the next attempt's time: look at the record now."""
        self._woken = True

    async def _pause(self, wait_s: float) -> None:
        if wait_s > 0:
            with suppress(TimeoutError):
                await workflow.wait_condition(
                    lambda: self._woken,
                    timeout=timedelta(seconds=wait_s),
                    timeout_summary="until the next attempt",
                )
        self._woken = False

    async def _try(self, delivery_id: str) -> Verdict:
        return await workflow.execute_activity_method(
            WebhookActivities.deliver,
            DeliveryAttempt(delivery_id),
            start_to_close_timeout=DELIVERY_ATTEMPT_TIMEOUT,
            schedule_to_close_timeout=DELIVERY_ALTOGETHER,
            heartbeat_timeout=DELIVERY_HEARTBEAT,
            retry_policy=DELIVERY_RETRY,
        )
