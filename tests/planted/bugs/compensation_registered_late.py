"""The way back is known once the debit has answered: one that landed unheard is given up on."""

from temporalio.exceptions import FailureError

from payflow.domain.ledger import Leg, Outcome, StepAnswer
from tests.planted.planting import Reach, replace_in
from workflows.steps import Steps

REACH = Reach.WORKFLOW
CAUGHT_BY = (
    "tests/workflows/test_transfer_story.py::"
    "test_trouble_around_a_commit_changes_nothing[after-debit]",
)
_answer = Steps.answer


async def _giving_up(steps: Steps, leg: Leg) -> StepAnswer:
    if leg is not Leg.DEBIT:
        return await _answer(steps, leg)
    try:
        return await steps._run(leg, steps._lanes[0])
    except FailureError:
        return StepAnswer(leg, Outcome.REFUSED)


def plant() -> None:
    replace_in("answer", _giving_up, Steps)
