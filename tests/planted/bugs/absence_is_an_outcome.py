"""A transfer that was not found once is taken for lost, and its workflow ends."""

from collections.abc import Awaitable

import activities.ledger
from tests.planted.planting import Reach, replace_in

REACH = Reach.WORKFLOW
CAUGHT_BY = ("tests/workflows/test_absence.py::test_a_transfer_that_is_seen_late_goes_on",)


async def _absent(_what: str, asking: Awaitable[bool]) -> bool:
    await asking
    return False


def plant() -> None:
    replace_in("said_if_absent", _absent, activities.ledger)
