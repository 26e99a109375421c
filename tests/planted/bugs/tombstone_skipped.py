"""To settle a step in doubt takes the step instead: no tombstone goes with the leg."""

from typing import Any

import activities.ledger
from payflow.domain.ledger import Leg, LegRequest, Tombstone
from tests.planted.planting import Reach, replace_in

REACH = Reach.WORKFLOW
CAUGHT_BY = (
    "tests/workflows/test_transfer_story.py::test_refund_voids_what_did_not_happen[credit]",
)


def _without(
    transfer_id: str, leg: Leg, tombstone: Tombstone | None = None, **others: Any
) -> LegRequest:
    return LegRequest(transfer_id, leg, **others)


def plant() -> None:
    replace_in("LegRequest", _without, activities.ledger)
