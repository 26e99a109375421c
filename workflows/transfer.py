"""A transfer's story: debit, credit, post; a refused credit sends the money home."""

from collections.abc import Callable
from contextlib import suppress

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from payflow.domain.errors import NothingToRetry, TransferTerminal
    from payflow.domain.ledger import Leg
    from temporal.messages import Ending, OperatorOrder, TransferStory
    from temporal.names import REFUND_UPDATE, RETRY_UPDATE, TRANSFER_WORKFLOW
    from temporal.policies import VERB_ANSWERS_IN
    from workflows.steps import Steps


@workflow.defn(name=TRANSFER_WORKFLOW)
class TransferWorkflow:
    """Follows the journal and nothing else: any run, from any event, ends the same way."""

    @workflow.init
    def __init__(self, story: TransferStory) -> None:
        self._steps = Steps(story)
        self._ending: Ending | None = None

    @workflow.run
    async def run(self, story: TransferStory) -> Ending:
        """Walk the steps until the books say how it ended."""
        self._ending = await self._tell()
        await self._steps.until(workflow.all_handlers_finished)
        return self._ending

    async def _tell(self) -> Ending:
        debit = await self._steps.answer(Leg.DEBIT)
        if not debit.applied:
            return Ending.NEVER_DEBITED
        credit = await self._steps.answer(Leg.CREDIT)
        if credit.applied:
            await self._steps.answer(Leg.POST)
            return Ending.COMPLETED
        await self._steps.answer(Leg.REFUND)
        return Ending.REFUNDED

    async def _wait(self, happened: Callable[[], bool]) -> None:
        """Wait for what a verb leads to, not longer than its caller does."""
        with suppress(TimeoutError):
            await workflow.wait_condition(happened, timeout=VERB_ANSWERS_IN)

    @workflow.update(name=RETRY_UPDATE)
    async def retry(self, order: OperatorOrder) -> str | None:
        """Run the pending step now instead of when its back-off ends."""
        pending = self._steps.pending
        self._steps.try_now()
        await self._wait(lambda: self._steps.pending is not pending)
        return self._ending

    @retry.validator
    def check_retry(self, order: OperatorOrder) -> None:
        """Refuse when no step waits, or who or why is not said."""
        _check(order)
        if self._steps.pending is None:
            raise ApplicationError("no step waits", type=NothingToRetry.__name__)

    @workflow.update(name=REFUND_UPDATE)
    async def refund(self, order: OperatorOrder) -> str | None:
        """Settle the step in doubt and give the money back; say what the books said."""
        self._steps.send_home(order)
        await self._wait(lambda: self._ending is not None)
        return self._ending

    @refund.validator
    def check_refund(self, order: OperatorOrder) -> None:
        """Refuse when the story has ended, or who or why is not said."""
        _check(order)
        if self._ending is not None:
            raise ApplicationError("the transfer has ended", type=TransferTerminal.__name__)


def _check(order: OperatorOrder) -> None:
    if not order.actor.strip() or not order.reason.strip():
        raise ApplicationError("say who you are (actor) and why (reason)", type="ReasonRequired")
