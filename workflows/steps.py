"""One step until the books answer: the fast lane, the durable lane, then parked.

Only an answer ends a step. An attempt that fails says nothing about the money, so the same step
is tried again under the same key, in the next lane, for as long as it takes.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, FailureError

with workflow.unsafe.imports_passed_through():
    from activities.ledger import LedgerActivities, Parking, Settlement, Step
    from payflow.domain.ledger import LEAVES, Leg, StepAnswer, Tombstone
    from payflow.domain.transfers import FailureCode
    from temporal.messages import OperatorOrder, TransferStory
    from temporal.names import FAILING_STEP, NEEDS_ATTENTION, STATE
    from temporal.policies import FAST_LANE, PARKED_LANE, Lane, durable_lane

_VERBS: dict[Leg, Callable[[LedgerActivities, Step], Any]] = {
    Leg.DEBIT: LedgerActivities.debit,
    Leg.CREDIT: LedgerActivities.credit,
    Leg.POST: LedgerActivities.post,
    Leg.REFUND: LedgerActivities.refund,
}


class Steps:
    """Asks the books step by step, and listens to operators meanwhile."""

    def __init__(self, story: TransferStory) -> None:
        self._transfer_id = story.transfer_id
        self._lanes = (FAST_LANE, durable_lane(story.park_after_s), PARKED_LANE)
        self._tombstone: Tombstone | None = None
        self._interrupted = False
        self.pending: Leg | None = None

    async def answer(self, leg: Leg) -> StepAnswer:
        """What the books say of the leg, however long it takes them."""
        self.pending = leg
        lanes = iter(self._lanes)
        lane = next(lanes)
        mark: asyncio.Task[None] | None = None
        while True:
            try:
                answer = await self._attempt(leg, lane)
            except FailureError:  # a local step fails as itself, an ordinary one wrapped
                if lane is PARKED_LANE:
                    raise  # it tries for ever; the sweep starts a story that ends like this
                lane = next(lanes)
                mark = self._park(leg) if lane is PARKED_LANE else None
            else:
                if answer is not None:
                    break
        self.pending = None
        if mark is not None:
            mark.cancel()
            _unpark()
        return answer

    def try_now(self) -> None:
        """Do not wait for the back-off: start a new attempt of the pending step."""
        self._interrupted = True

    def send_home(self, order: OperatorOrder) -> None:
        """From now on settle what is in doubt instead of taking it."""
        if self._tombstone is None:
            self._tombstone = Tombstone(
                FailureCode.CANCELLED_BY_OPERATOR, order.actor, order.reason
            )
            self._interrupted = True

    async def until(self, happened: Callable[[], bool]) -> None:
        """Wait; a cancellation request (the UI's *Cancel*) is taken as the verb ``refund``."""
        while not happened():
            try:
                await workflow.wait_condition(happened)
            except asyncio.CancelledError:
                self.send_home(OperatorOrder("temporal", "cancellation requested in Temporal"))

    async def _attempt(self, leg: Leg, lane: Lane) -> StepAnswer | None:
        """The step's answer in this lane, or None when an operator interrupted it.

        Raises:
            FailureError: the lane ran out; nothing is known of the money.
        """
        self._interrupted = False
        trying = asyncio.create_task(self._run(leg, lane))
        await self.until(lambda: trying.done() or self._interrupted)
        if trying.done():
            return trying.result()
        # A late attempt does no harm: it writes under the same key as the next one.
        trying.cancel()
        await self.until(trying.done)
        answered = not trying.cancelled() and trying.exception() is None
        return trying.result() if answered else None

    async def _run(self, leg: Leg, lane: Lane) -> StepAnswer:
        step: Callable[..., Any] = _VERBS[leg]
        order: Step | Settlement = Step(self._transfer_id)
        if self._tombstone is not None and leg.can_be_refused:
            step = LedgerActivities.settle
            order = Settlement(self._transfer_id, leg, self._tombstone)
        start = (
            workflow.execute_local_activity_method
            if lane is FAST_LANE
            else workflow.execute_activity_method
        )
        answer: StepAnswer = await start(
            step,
            order,
            start_to_close_timeout=lane.start_to_close,
            schedule_to_close_timeout=lane.altogether,
            retry_policy=lane.retry,
        )
        return answer

    def _park(self, leg: Leg) -> asyncio.Task[None]:
        """Show the saga to operators: in Temporal at once, in the books when they answer."""
        workflow.upsert_search_attributes(
            [
                NEEDS_ATTENTION.value_set(True),
                FAILING_STEP.value_set(leg),
                STATE.value_set(LEAVES[leg]),
            ]
        )
        return asyncio.create_task(self._mark(leg))

    async def _mark(self, leg: Leg) -> None:
        with suppress(ActivityError):  # cancelled once the step has answered
            await workflow.execute_activity_method(
                LedgerActivities.park,
                Parking(self._transfer_id, LEAVES[leg]),
                start_to_close_timeout=PARKED_LANE.start_to_close,
                retry_policy=PARKED_LANE.retry,
            )


def _unpark() -> None:
    workflow.upsert_search_attributes(
        [NEEDS_ATTENTION.value_unset(), FAILING_STEP.value_unset(), STATE.value_unset()]
    )
