"""A refusal is thrown as an error, so that the step is tried again and again."""

from activities.ledger import LedgerActivities
from payflow.domain.ledger import LegRequest, Outcome, StepAnswer
from tests.planted.planting import Reach, replace_in

REACH = Reach.WORKFLOW
CAUGHT_BY = ("tests/workflows/test_transfer_story.py::test_a_refused_debit_ends_it",)
_take = LedgerActivities._take


async def _or_raise(activities: LedgerActivities, leg: LegRequest) -> StepAnswer:
    answer = await _take(activities, leg)
    if answer.outcome is Outcome.REFUSED:
        raise RuntimeError(f"{leg.leg} was refused: {answer.code}")
    return answer


def plant() -> None:
    replace_in("_take", _or_raise, LedgerActivities)
