"""A transfer's story: debit, credit, post; a refused credit sends the money home."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from payflow.domain.ledger import Leg
    from temporal.messages import Ending, TransferStory
    from temporal.names import TRANSFER_WORKFLOW
    from workflows.repairs import Repairs


@workflow.defn(name=TRANSFER_WORKFLOW)
class TransferWorkflow(Repairs):
    """Follows the journal and nothing else: any run, from any event, ends the same way."""

    @workflow.init
    def __init__(self, story: TransferStory) -> None:
        super().__init__(story)

    @workflow.run
    async def run(self, story: TransferStory) -> Ending:
        """Walk the steps until the books say how it ended."""
        return await self.ended(await self.unless_unknown(self._tell()))

    async def _tell(self) -> Ending:
        debit = await self.steps.answer(Leg.DEBIT)
        if not debit.applied:
            return Ending.NEVER_DEBITED
        credit = await self.steps.answer(Leg.CREDIT)
        if credit.applied:
            await self.steps.answer(Leg.POST)
            return Ending.COMPLETED
        await self.steps.answer(Leg.REFUND)
        return Ending.REFUNDED
