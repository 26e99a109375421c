"""A batch's step until it answers: tried for a while, then parked and tried once a minute."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.batches import BatchActivities, Items
    from temporal.messages import BatchStory
    from temporal.names import FAILING_STEP, NEEDS_ATTENTION, STATE, UNKNOWN
    from temporal.policies import BATCH_HEARTBEAT, PARKED_BATCH_LANE, Lane, batch_lane
    from temporal.wording import is_absence
    from workflows.absence import end_as_unknown, is_in_ledger

A = TypeVar("A")
R = TypeVar("R")
Step = Callable[[BatchActivities, A], Awaitable[R]]


class BatchSteps:
    """Asks the books for one step after the other."""

    def __init__(self, story: BatchStory) -> None:
        self._batch_id = story.batch_id
        self._lane = batch_lane(story.park_after_s)

    async def try_for_a_while(self, step: Step[A, R], argument: A) -> R:
        """The step's answer, or ``ActivityError`` when it had none before it would be parked."""
        return await _run(step, argument, self._lane)

    async def until_answered(
        self, step: Step[A, R], argument: A, *, stands_at: Items | None = None
    ) -> R:
        """The step's answer, however long it takes; meanwhile operators see that it waits.

        ``stands_at``: the items of which the first that has not ended is flagged in the books.
        """
        try:
            return await _run(step, argument, self._lane)
        except ActivityError as failure:
            await self._end_if_unknown(failure)
        workflow.upsert_search_attributes(
            [NEEDS_ATTENTION.value_set(True), FAILING_STEP.value_set(step.__name__)]
        )
        mark = asyncio.create_task(_flag(stands_at)) if stands_at else None
        answer = await self._parked(step, argument)
        if mark is not None:
            mark.cancel()
        workflow.upsert_search_attributes(
            [NEEDS_ATTENTION.value_unset(), FAILING_STEP.value_unset()]
        )
        return answer

    async def _parked(self, step: Step[A, R], argument: A) -> R:
        while True:
            try:
                return await _run(step, argument, PARKED_BATCH_LANE)
            except ActivityError as failure:
                if not is_absence(failure):
                    raise
                await self._end_if_unknown(failure)

    async def _end_if_unknown(self, failure: ActivityError) -> None:
        """Ask for the batch itself; a workflow without one ends, and says why."""
        if not is_absence(failure):
            return
        if not await is_in_ledger(BatchActivities.find_batch, self._batch_id):
            workflow.upsert_search_attributes(
                [
                    STATE.value_set(UNKNOWN),
                    NEEDS_ATTENTION.value_unset(),
                    FAILING_STEP.value_unset(),
                ]
            )
            end_as_unknown(f"batch {self._batch_id}")


async def _flag(items: Items) -> None:
    with suppress(ActivityError):  # cancelled once the step has answered
        await _run(BatchActivities.park_batch, items, PARKED_BATCH_LANE)


async def _run(step: Step[Any, R], argument: object, lane: Lane) -> R:
    answer: R = await workflow.execute_activity_method(
        step,
        argument,
        start_to_close_timeout=lane.start_to_close,
        schedule_to_close_timeout=lane.altogether,
        heartbeat_timeout=BATCH_HEARTBEAT,
        retry_policy=lane.retry,
    )
    return answer
