"""What a pass finds is signed once and not kept: the next pass that finds nothing says ok."""

from payflow.storage.findings import MongoFindings
from tests.planted.planting import Reach, replace_in

REACH = Reach.STACK
CAUGHT_BY = (
    "tests/contracts/test_findings.py::test_a_violation_stays_open_until_an_operator_closes_it",
)


async def _write(*_: object) -> None:
    """Nothing is put on record."""


def plant() -> None:
    replace_in("write", _write, MongoFindings)
