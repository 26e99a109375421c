"""The saga with two commands swapped: what the replay gate must catch."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from payflow.domain.ledger import Leg
    from temporal.messages import Ending, TransferStory
    from temporal.names import TRANSFER_WORKFLOW
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
