"""The stories with two commands swapped: what the replay gate must catch."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.webhooks import DeliveryAttempt, WebhookActivities
    from payflow.domain.ledger import Leg
    from payflow.domain.webhooks import DeliveryStatus
    from temporal.messages import DeliveryStory, Ending, TransferStory
    from temporal.names import DELIVERY_WORKFLOW, TRANSFER_WORKFLOW
    from workflows.steps import Steps


@workflow.defn(name=TRANSFER_WORKFLOW)
class CreditBeforeDebit:
    """Takes the credit first."""

    @workflow.init
    def __init__(self, story: TransferStory) -> None:
        self._steps = Steps(story)

    @workflow.run
    async def run(self, story: TransferStory) -> Ending:
        await self._steps.answer(Leg.CREDIT)
        await self._steps.answer(Leg.DEBIT)
        return Ending.COMPLETED


@workflow.defn(name=DELIVERY_WORKFLOW)
class TriesBeforeItWaits:
    """Makes the attempt first."""

    @workflow.run
    async def run(self, story: DeliveryStory) -> DeliveryStatus:
        verdict = await workflow.execute_activity_method(
            WebhookActivities.deliver,
            DeliveryAttempt(story.delivery_id),
            start_to_close_timeout=timedelta(seconds=60),
        )
        await workflow.sleep(story.wait_s)
        return verdict.status
