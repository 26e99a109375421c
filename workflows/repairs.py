"""Operators' verbs as Updates: each is checked, written down, done, and completed on record."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import NoReturn, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.repairs import Finished, Look, RepairActivities
    from payflow.domain.errors import Conflict, NothingToRetry, TransferTerminal
    from payflow.domain.ledger import Leg, SettledOutside
    from payflow.domain.repair_errors import LegNotPending, TransferPaused
    from payflow.domain.repairs import (
        Act,
        Begun,
        RepairAnswer,
        Resolution,
        Resolve,
        Verb,
        tombstone_of,
    )
    from temporal import names
    from temporal.messages import (
        VERB_LAPSED,
        Ending,
        OperatorOrder,
        ResolveOrder,
        TransferStory,
    )
    from temporal.policies import RECORD_LANE, VERB_ANSWERS_IN
    from workflows.steps import Steps

A = TypeVar("A")
R = TypeVar("R")
Do = Callable[[Begun], Awaitable[str]]
LONGEST = 500  # characters of what an operator says, as in the API
PENDING = "pending"


class Repairs:
    """What operators can do about a saga, the same from Temporal's UI, its CLI and our API."""

    def __init__(self, story: TransferStory) -> None:
        self.steps = Steps(story, self._cancelled)
        self._transfer_id = story.transfer_id
        self._ending: Ending | None = None
        self._owed: list[str] = []
        self._cancelling: asyncio.Task[None] | None = None

    async def unless_unknown(self, telling: Awaitable[Ending]) -> Ending:
        """How it ends; where the ledger does not have the transfer, the verbs answer first."""
        try:
            return await telling
        except ApplicationError:
            await self.steps.until(workflow.all_handlers_finished)
            raise

    async def ended(self, ending: Ending) -> Ending:
        """Let the verbs under way answer, and complete their lines."""
        self._ending = ending
        await self.steps.until(self._all_is_said)
        if self._owed:
            last = asyncio.create_task(self._complete(ending))
            await self.steps.until(last.done)
        return ending

    @workflow.update(name=names.RETRY_UPDATE, description="Run the pending step now.")
    async def retry(self, order: OperatorOrder) -> RepairAnswer:
        """Run the pending step now instead of when its back-off ends."""

        async def do(_: Begun) -> str:
            pending = self.steps.pending
            if pending is not None:
                self.steps.try_now()
                await self._wait(lambda: self.steps.pending is not pending)
            return self._ending or PENDING

        return await self._done(Verb.RETRY, order, do)

    @retry.validator
    def check_retry(self, order: OperatorOrder) -> None:
        """Refuse when no step waits, or an operator holds it."""
        _check(order)
        if self.steps.pending is None:
            _refuse(NothingToRetry(self._transfer_id))
        if self.steps.is_held:
            _refuse(TransferPaused(self._transfer_id))

    @workflow.update(name=names.REFUND_UPDATE, description="Settle and give the money back.")
    async def refund(self, order: OperatorOrder) -> RepairAnswer:
        """Settle the step in doubt and give the money back; say what the books said."""

        async def do(begun: Begun) -> str:
            return await self._give_back(begun.operator, order.reason)

        return await self._done(Verb.REFUND, order, do)

    @refund.validator
    def check_refund(self, order: OperatorOrder) -> None:
        """Refuse when the story has ended."""
        self._check_open(order)

    @workflow.update(name=names.RESOLVE_UPDATE, description="Resolve it; two operators agree.")
    async def resolve(self, order: ResolveOrder) -> RepairAnswer:
        """End the pending leg as two operators vouch; the first call only proposes it."""
        resolve = _resolve(order)

        async def do(begun: Begun) -> str:
            await self._wait(lambda: self.steps.pending is resolve.leg or self._ending is not None)
            if self.steps.pending is not resolve.leg:
                return self._ending or LegNotPending.code
            if resolve.outcome is Resolution.NOT_DONE:
                return await self._give_back(begun.operator, order.reason)
            proposer = begun.proposed_by or begun.operator
            outside = SettledOutside(resolve.evidence, order.reason, proposer, begun.operator)
            self.steps.settle_outside(resolve.leg, outside)
            return await self._how_it_ends()

        return await self._done(Verb.RESOLVE, order, do, resolve)

    @resolve.validator
    def check_resolve(self, order: ResolveOrder) -> None:
        """Refuse when the leg is not the one that waits, or what is said makes no sense."""
        self._check_open(order)
        leg, pending = _resolve(order).leg, self.steps.pending
        if pending is not None and pending is not leg:
            _refuse(LegNotPending(self._transfer_id, leg, pending))

    @workflow.update(name=names.PAUSE_UPDATE, description="Try nothing until resume.")
    async def pause(self, order: OperatorOrder) -> RepairAnswer:
        """Try nothing more until ``resume``; the money stays where it is."""

        async def do(begun: Begun) -> str:
            if not self.steps.is_held:
                self.steps.hold(begun.operator, order.reason)
            return "paused"

        return await self._done(Verb.PAUSE, order, do)

    @pause.validator
    def check_pause(self, order: OperatorOrder) -> None:
        """Refuse when the story has ended."""
        self._check_open(order)

    @workflow.update(name=names.RESUME_UPDATE, description="Go on after a pause.")
    async def resume(self, order: OperatorOrder) -> RepairAnswer:
        """Go on after a pause; without one it changes nothing."""

        async def do(_: Begun) -> str:
            self.steps.release()
            return "running"

        return await self._done(Verb.RESUME, order, do)

    @resume.validator
    def check_resume(self, order: OperatorOrder) -> None:
        """Refuse when the story has ended.

        It never lapses: a reset to within a pause applies it again, long after, and nobody else
        would end the pause of a transfer that has ended.
        """
        self._check_open(replace(order, until=0.0))

    async def _done(
        self,
        verb: Verb,
        order: OperatorOrder | ResolveOrder,
        do: Do,
        resolve: Resolve | None = None,
    ) -> RepairAnswer:
        if order.dry_run:
            look = Look(verb, self._transfer_id, resolve)
            entries = await _ask(RepairActivities.preview, look, f"See what {verb} would post")
            return RepairAnswer("preview", tuple(entries))
        begun = await self._begin(self._act(verb, order, resolve))
        if begun.awaits_approval:
            return RepairAnswer("approval_pending")
        outcome = await do(begun)
        if outcome == PENDING:
            self._owed.append(begun.act_id)
        else:
            await self._finish(begun.act_id, outcome)
        return RepairAnswer(outcome)

    def _act(self, verb: Verb, order: OperatorOrder | ResolveOrder, resolve: Resolve | None) -> Act:
        """The act under the Update's own id: applied again by a reset, it is the same act."""
        update = workflow.current_update_info()
        return Act(
            update.id if update else "",
            self._transfer_id,
            verb,
            order.operator,
            order.reason,
            resolve,
            order.until,
            order.proof,
        )

    async def _begin(self, act: Act) -> Begun:
        return await _ask(RepairActivities.begin_act, act, f"Write down the {act.verb} before it")

    async def _give_back(self, operator: str, reason: str) -> str:
        self.steps.send_home(tombstone_of(operator, reason))
        return await self._how_it_ends()

    async def _how_it_ends(self) -> str:
        await self._wait(lambda: self._ending is not None)
        return self._ending or PENDING

    async def _wait(self, happened: Callable[[], bool]) -> None:
        """Wait for what a verb leads to, not longer than its caller does."""
        with suppress(TimeoutError):
            await workflow.wait_condition(happened, timeout=VERB_ANSWERS_IN)

    def _cancelled(self) -> None:
        """Take the UI's *Cancel* as the verb ``refund``."""
        if self._ending is None and self._cancelling is None:
            self._cancelling = asyncio.create_task(self._refund_for_temporal())

    async def _refund_for_temporal(self) -> None:
        reason = "cancellation requested in Temporal"
        act_id = f"{workflow.info().run_id}:cancelled"
        act = Act(act_id, self._transfer_id, Verb.REFUND, "", reason)
        while True:  # nobody would ask again
            with suppress(ApplicationError, ActivityError):
                begun = await self._begin(act)
                break
        self._owed.append(begun.act_id)
        self.steps.send_home(tombstone_of(begun.operator, reason))

    def _all_is_said(self) -> bool:
        cancelling = self._cancelling is not None and not self._cancelling.done()
        return workflow.all_handlers_finished() and not cancelling

    async def _complete(self, ending: Ending) -> None:
        for act_id in self._owed:
            await self._finish(act_id, ending)

    async def _finish(self, act_id: str, outcome: str) -> None:
        with suppress(ApplicationError, ActivityError):  # it is done, and on record as begun
            finished = Finished(act_id, outcome)
            await _ask(RepairActivities.finish_act, finished, "Write down what came of it")

    def _check_open(self, order: OperatorOrder | ResolveOrder) -> None:
        _check(order)
        if self._ending is not None:
            _refuse(TransferTerminal(self._transfer_id, self._ending))


async def _ask(step: Callable[[RepairActivities, A], Awaitable[R]], argument: A, words: str) -> R:
    """The step's answer; a refusal passes on in its own words."""
    try:
        answer: R = await workflow.execute_activity_method(
            step,
            argument,
            start_to_close_timeout=RECORD_LANE.start_to_close,
            schedule_to_close_timeout=RECORD_LANE.altogether,
            retry_policy=RECORD_LANE.retry,
            summary=words,
        )
    except ActivityError as failed:
        if isinstance(failed.cause, ApplicationError):
            raise failed.cause from failed
        raise
    return answer


def _check(order: OperatorOrder | ResolveOrder) -> None:
    operator, reason = order.operator, order.reason
    now_s = workflow.now().timestamp()
    if order.until and now_s > order.until:
        _say_no(VERB_LAPSED, "whoever asked was told that nobody listens: ask again", now_s)
    if not operator.strip() or not reason.strip():
        _say_no("reason_required", "say who you are (operator) and why (reason)")
    if max(len(operator), len(reason)) > LONGEST:
        _say_no("reason_required", f"operator and reason have at most {LONGEST} characters")


def _resolve(order: ResolveOrder) -> Resolve:
    try:
        said = Resolve(Leg(order.leg), Resolution(order.outcome), order.evidence[:LONGEST].strip())
    except ValueError as error:
        _say_no("resolve_invalid", str(error))
    return said


def _refuse(refusal: Conflict) -> NoReturn:
    _say_no(refusal.code, str(refusal))


def _say_no(code: str, words: str, *details: float) -> NoReturn:
    raise ApplicationError(words, *details, type=code, non_retryable=True)
