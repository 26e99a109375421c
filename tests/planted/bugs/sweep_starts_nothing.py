"""Nobody starts what was accepted while Temporal was away."""

from payflow.domain.errors import BooksUnavailable
from tests.planted.planting import Reach, replace_in
from workers.sweep import Sweep

REACH = Reach.STACK
CAUGHT_BY = (
    "tests/e2e/test_outages.py::"
    "test_without_temporal_transfers_are_accepted_and_complete_later[single]",
)


async def _look(sweep: Sweep) -> int:
    raise BooksUnavailable


def plant() -> None:
    replace_in("look", _look, Sweep)
