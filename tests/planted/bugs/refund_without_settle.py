"""An operator's refund gives the money back without asking whether the credit had landed."""

from dataclasses import replace

from payflow.domain import ledger
from payflow.domain.ledger import Book, Leg, LegRequest, Outcome, StepAnswer
from payflow.domain.transfers import FailureCode, Transfer, TransferStatus
from tests.planted.planting import Reach, replace_in
from workflows.steps import Steps

REACH = Reach.WORKFLOW
CAUGHT_BY = (
    "tests/workflows/test_transfer_story.py::test_refund_drives_forward_when_the_credit_had_landed",
)
_answer = Steps.answer
_in_the_right_state = ledger._transfer_in_the_right_state


async def _unasked(steps: Steps, leg: Leg) -> StepAnswer:
    if leg is not Leg.CREDIT:
        return await _answer(steps, leg)
    answer = await _answer(steps, leg)
    if steps._tombstone is not None:
        return StepAnswer(leg, Outcome.VOIDED, FailureCode.CANCELLED_BY_OPERATOR)
    return answer


def _whatever_stands(leg: LegRequest, book: Book) -> Transfer:
    transfer = book.transfers[leg.transfer_id]
    if leg.leg is Leg.REFUND and not transfer.status.is_terminal:
        return replace(transfer, status=TransferStatus.REFUNDING)
    return _in_the_right_state(leg, book)


def plant() -> None:
    replace_in("answer", _unasked, Steps)
    replace_in("_transfer_in_the_right_state", _whatever_stands, ledger)
