"""A full pass asks for sums and steps, and never whether a transfer is what was ordered."""

from collections.abc import AsyncIterator

import payflow.proof.books
from payflow.domain.invariants import Finding
from tests.planted.planting import Reach, replace_in

REACH = Reach.STACK
CAUGHT_BY = (
    "tests/contracts/test_proof.py::"
    "test_one_changed_unit_is_found[an ended transfer changes its amount]",
)


async def _none(*_: object) -> AsyncIterator[Finding]:
    nothing: tuple[Finding, ...] = ()
    for one in nothing:
        yield one


def plant() -> None:
    replace_in("differing_records", _none, payflow.proof.books)
