"""The stories with two commands swapped: what the replay gate must catch."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.batches import BatchActivities
    from activities.proof import ProofActivities
    from activities.webhooks import DeliveryAttempt, WebhookActivities
    from payflow.domain.ledger import Leg
    from payflow.domain.proof_ports import Verdict
    from payflow.domain.webhooks import DeliveryStatus
    from temporal.messages import BatchStory, DeliveryStory, Ending, TransferStory
    from temporal.names import (
        BATCH_WORKFLOW,
        DELIVERY_WORKFLOW,
        PROOF_WORKFLOW,
        TRANSFER_WORKFLOW,
    )
    from temporal.schedules import ProofOrder
    from workflows.batch_steps import BatchSteps
    from workflows.steps import Steps


@workflow.defn(name=TRANSFER_WORKFLOW)
class CreditBeforeDebit:
    """Takes the credit first."""

    @workflow.init
    def __init__(self, story: TransferStory) -> None:
        self._steps = Steps(story, lambda: None)

    @workflow.run
    async def run(self, story: TransferStory) -> Ending:
        await self._steps.answer(Leg.CREDIT)
        await self._steps.answer(Leg.DEBIT)
        return Ending.COMPLETED


@workflow.defn(name=TRANSFER_WORKFLOW)
class PaysAnotherTransfer:
    """Gives the same commands, one of them about another transfer."""

    @workflow.init
    def __init__(self, story: TransferStory) -> None:
        self._steps = Steps(story, lambda: None)
        self._others = Steps(TransferStory("another", story.park_after_s), lambda: None)

    @workflow.run
    async def run(self, story: TransferStory) -> Ending:
        await self._steps.answer(Leg.DEBIT)
        await self._others.answer(Leg.CREDIT)
        await self._steps.answer(Leg.POST)
        return Ending.COMPLETED


@workflow.defn(name=TRANSFER_WORKFLOW)
class DebitsBehindAPatch:
    """Does new workflows' steps in another order, and old ones' as they were."""

    @workflow.init
    def __init__(self, story: TransferStory) -> None:
        self._steps = Steps(story, lambda: None)

    @workflow.run
    async def run(self, story: TransferStory) -> Ending:
        if workflow.patched("credit first"):
            await self._steps.answer(Leg.CREDIT)
        debit = await self._steps.answer(Leg.DEBIT)
        if not debit.applied:
            return Ending.NEVER_DEBITED
        await self._steps.answer(Leg.CREDIT)
        await self._steps.answer(Leg.POST)
        return Ending.COMPLETED


@workflow.defn(name=BATCH_WORKFLOW)
class ClosesBatchFirst:
    """Asks whether all have ended before it asks what is to be done."""

    @workflow.init
    def __init__(self, story: BatchStory) -> None:
        self._steps = BatchSteps(story)

    @workflow.run
    async def run(self, story: BatchStory) -> None:
        await self._steps.until_answered(BatchActivities.close_batch, story.batch_id)
        await self._steps.until_answered(BatchActivities.plan_batch, story.batch_id)


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


@workflow.defn(name=PROOF_WORKFLOW)
class RestsBeforeItProves:
    """Waits first."""

    @workflow.run
    async def run(self, order: ProofOrder) -> Verdict:
        await workflow.sleep(1)
        return await workflow.execute_activity_method(
            ProofActivities.prove, order, start_to_close_timeout=timedelta(seconds=60)
        )
