"""A leg that is asked again is decided again, whatever stands in the journal under its key."""

from payflow.domain import ledger
from payflow.domain.ledger import Book
from tests.planted.planting import Reach, replace_in

REACH = Reach.UNIT
CAUGHT_BY = (
    "tests/unit/test_ledger.py::test_a_recorded_answer_is_given_again_and_writes_nothing",
    "tests/unit/test_ledger_properties.py::test_a_leg_asked_again_gets_its_first_answer",
)


def plant() -> None:
    replace_in("take", lambda book, leg: ledger._take(leg, book), Book)
