"""A batch's story: its items in bulk, in order, or all or none; then wait until all have ended."""

from collections.abc import Iterator

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.batches import BatchActivities, Items, ItemsTogether
    from payflow.domain.batch_ports import BatchPlan
    from payflow.domain.batches import BatchMode
    from temporal.messages import BatchStory
    from temporal.names import BATCH_WORKFLOW
    from temporal.policies import BATCH_CHUNK, BATCH_HISTORY_EVENTS, BATCH_LOOKS_AGAIN
    from workflows.batch_steps import BatchSteps


@workflow.defn(name=BATCH_WORKFLOW)
class BatchWorkflow:
    """Walks the items' own keys: any run, from any event, ends the same way."""

    @workflow.init
    def __init__(self, story: BatchStory) -> None:
        self._story = story
        self._steps = BatchSteps(story)

    @workflow.run
    async def run(self, story: BatchStory) -> None:
        """See to the items as the batch's mode asks, then to the batch's end."""
        plan = await self._steps.until_answered(BatchActivities.plan_batch, story.batch_id)
        if plan.mode is BatchMode.ATOMIC:
            await self._together(Items(story.batch_id, 0, plan.total), plan.mode)
        elif plan.mode is BatchMode.STOP_ON_ERROR:
            for items in self._chunks(plan):
                await self._together(items, plan.mode)
        else:
            for items in self._chunks(plan):
                await self._side_by_side(items)
        await self._until_all_have_ended(Items(story.batch_id, 0, plan.total))

    def _chunks(self, plan: BatchPlan) -> Iterator[Items]:
        for first in range(self._story.first, plan.total, BATCH_CHUNK):
            self._continue_when_long(first)
            yield Items(self._story.batch_id, first, min(first + BATCH_CHUNK, plan.total))

    async def _side_by_side(self, items: Items) -> None:
        try:
            late = await self._steps.try_for_a_while(BatchActivities.take_independent, items)
        except ActivityError:  # nobody answered all that time
            late = items.past - items.first
        if late:
            await self._steps.until_answered(BatchActivities.leave_to_themselves, items)

    async def _together(self, items: Items, mode: BatchMode) -> None:
        order = ItemsTogether(items, mode)
        await self._steps.until_answered(BatchActivities.take_together, order, stands_at=items)

    async def _until_all_have_ended(self, items: Items) -> None:
        """Look after those that have workflows of their own, ever more seldom."""
        pause, at_most = BATCH_LOOKS_AGAIN
        while await self._steps.until_answered(BatchActivities.close_batch, items.batch_id):
            await self._steps.until_answered(BatchActivities.leave_to_themselves, items)
            await workflow.sleep(pause)
            pause = min(pause * 2, at_most)
            self._continue_when_long(items.past)

    def _continue_when_long(self, first: int) -> None:
        if workflow.info().get_current_history_length() > BATCH_HISTORY_EVENTS:
            story = BatchStory(self._story.batch_id, self._story.park_after_s, first)
            workflow.continue_as_new(story)
