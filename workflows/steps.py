"""One step until the books answer: the fast lane, the durable lane, then parked.

Only an answer ends a step. An attempt that fails says nothing about the money, so the same step
is tried again under the same key, in the next lane, for as long as it takes.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from activities.ledger import LedgerActivities, Settlement, Step
    from payflow.domain.ledger import Leg, SettledOutside, StepAnswer, Tombstone
    from temporal.messages import TransferStory
    from temporal.policies import FAST_LANE, PARKED_LANE, Lane, durable_lane
    from temporal.wording import being_tried, is_absence
    from workflows.absence import end_as_unknown, is_in_ledger
    from workflows.board import Board

_VERBS: dict[Leg, Callable[[LedgerActivities, Step], Any]] = {
    Leg.DEBIT: LedgerActivities.debit,
    Leg.CREDIT: LedgerActivities.credit,
    Leg.POST: LedgerActivities.post,
    Leg.REFUND: LedgerActivities.refund,
}


class Steps:
    """Asks the books step by step, and listens to operators meanwhile.

    ``on_cancellation`` hears of a cancellation request (the UI's *Cancel*), which ends nothing.
    """

    def __init__(self, story: TransferStory, on_cancellation: Callable[[], None]) -> None:
        self._transfer_id = story.transfer_id
        self._lanes = (FAST_LANE, durable_lane(story.park_after_s), PARKED_LANE)
        self._board = Board(story.transfer_id, timedelta(seconds=story.park_after_s))
        self._on_cancellation = on_cancellation
        self._tombstone: Tombstone | None = None
        self._outside: tuple[Leg, SettledOutside] | None = None
        self._held_by: tuple[str, str] | None = None
        self._interrupted = False
        self.pending: Leg | None = None

    async def answer(self, leg: Leg) -> StepAnswer:
        """What the books say of the leg, however long it takes them."""
        self.pending = leg
        lanes = iter(self._lanes)
        lane = next(lanes)
        answer: StepAnswer | None = None
        while answer is None:
            await self._while_held(leg)
            try:
                answer = await self._attempt(leg, lane)
            except FailureError as failure:  # a local step's own, an ordinary one's wrapped
                if is_absence(failure):
                    await self._end_if_unknown()
                elif lane is PARKED_LANE:
                    raise  # it tries for ever; the sweep starts a story that ends like this
                lane = next(lanes, PARKED_LANE)
                show = self._board.parked if lane is PARKED_LANE else self._board.retrying
                show(leg, failure)
        self.pending = None
        self._board.clear()
        return answer

    def try_now(self) -> None:
        """Do not wait for the back-off: start a new attempt of the pending step."""
        self._interrupted = True

    def send_home(self, tombstone: Tombstone) -> None:
        """From now on settle what is in doubt instead of taking it."""
        self._tombstone = self._tombstone or tombstone
        self._held_by = None
        self._interrupted = True

    def settle_outside(self, leg: Leg, outside: SettledOutside) -> None:
        """Post the leg as settled outside, unless it has its answer."""
        self._outside = (leg, outside)
        self._held_by = None
        self._interrupted = True

    @property
    def is_held(self) -> bool:
        """Whether an operator has paused it."""
        return self._held_by is not None

    def hold(self, operator: str, reason: str) -> None:
        """Try nothing more until released; the step under way may still answer."""
        self._held_by = (operator, reason)
        self._interrupted = True

    def release(self) -> None:
        """Go on."""
        self._held_by = None

    async def until(self, happened: Callable[[], bool]) -> None:
        """Wait; a cancellation request is passed on, and the waiting goes on."""
        while not happened():
            try:
                await workflow.wait_condition(happened)
            except asyncio.CancelledError:
                self._on_cancellation()

    async def _while_held(self, leg: Leg) -> None:
        if self._held_by is not None:
            self._board.paused(leg, *self._held_by)
            await self.until(lambda: self._held_by is None)
            self._board.resumed()

    async def _end_if_unknown(self) -> None:
        """Ask for the transfer itself; a workflow without one ends, and says why."""
        step = Step(self._transfer_id)
        asking = asyncio.create_task(is_in_ledger(LedgerActivities.find_transfer, step))
        await self.until(asking.done)
        if not asking.result():
            self._board.unknown()
            end_as_unknown(f"transfer {self._transfer_id}")

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
        step, order = self._asked(leg)
        local = lane is FAST_LANE
        start = (
            workflow.execute_local_activity_method if local else workflow.execute_activity_method
        )
        answer: StepAnswer = await start(
            step,
            order,
            start_to_close_timeout=lane.start_to_close,
            schedule_to_close_timeout=lane.altogether,
            retry_policy=lane.retry,
            summary=None if local else being_tried(leg),
        )
        return answer

    def _asked(self, leg: Leg) -> tuple[Callable[..., Any], Step | Settlement]:
        if self._outside is not None and self._outside[0] is leg:
            settlement = Settlement(self._transfer_id, leg, outside=self._outside[1])
            return LedgerActivities.settle, settlement
        if self._tombstone is not None and leg.can_be_refused:
            return LedgerActivities.settle, Settlement(self._transfer_id, leg, self._tombstone)
        return _VERBS[leg], Step(self._transfer_id)
