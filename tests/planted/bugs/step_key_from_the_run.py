"""A step's key is made from the workflow's run, so that a second run takes every step again."""

from dataclasses import dataclass
from typing import Any

from temporalio import activity

import activities.ledger
from payflow.domain.ledger import LegRequest
from tests.planted.planting import Reach, replace_in

REACH = Reach.WORKFLOW
CAUGHT_BY = (
    "tests/workflows/test_transfer_story.py::test_any_run_from_any_point_ends_the_same_way",
)


@dataclass(frozen=True)
class _OfThisRun(LegRequest):
    run_id: str = ""

    @property
    def key(self) -> str:
        return f"{self.transfer_id}:{self.run_id}:{self.leg}"


def _of_this_run(*arguments: Any, **named: Any) -> LegRequest:
    named["run_id"] = activity.info().workflow_run_id
    return _OfThisRun(*arguments, **named)


def plant() -> None:
    replace_in("LegRequest", _of_this_run, activities.ledger)
