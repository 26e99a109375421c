"""A tombstone is written under a key of its own, so that a late leg does not find it."""

from dataclasses import replace

from payflow.domain.ledger import Book, LegRequest, StepAnswer
from tests.planted.planting import Reach, replace_in

REACH = Reach.UNIT
CAUGHT_BY = ("tests/unit/test_ledger.py::test_settling_what_did_not_happen_writes_a_tombstone",)
_take = Book.take


def _beside(book: Book, leg: LegRequest) -> StepAnswer:
    answer = _take(book, leg)
    if leg.tombstone is not None and book.entries and book.entries[-1].key == leg.key:
        book.entries[-1] = replace(book.entries[-1], key=f"{leg.key}:void")
        del book.journal[leg.key]
    return answer


def plant() -> None:
    replace_in("take", _beside, Book)
