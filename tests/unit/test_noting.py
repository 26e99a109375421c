"""Books that note: every attempt but the ordinary one, whatever it ends with."""

import asyncio

import pytest

from payflow.domain.attempts import Lane, StepAttempt
from payflow.domain.ledger import Leg, LegRequest, Tombstone
from payflow.domain.ports import Origin
from payflow.domain.transfers import FailureCode
from payflow.storage.noting import NotingBooks
from tests.fakes import TRANSFER, StandingClock, TroubledBooks, books_of_two

DEBIT = LegRequest(TRANSFER, Leg.DEBIT)


class Notes:
    """What would be written."""

    def __init__(self) -> None:
        self.noted: list[StepAttempt] = []

    def note(self, transfer_id: str, attempt: StepAttempt) -> None:
        assert transfer_id == TRANSFER
        self.noted.append(attempt)


def origin(lane: Lane | None = Lane.FAST, attempt: int = 1) -> Origin:
    return Origin(f"transfer/{TRANSFER}", "run-1", "1", attempt, lane)


def noting() -> tuple[NotingBooks, Notes, TroubledBooks]:
    trouble = TroubledBooks(books_of_two())
    notes = Notes()
    return NotingBooks(trouble, notes, StandingClock()), notes, trouble


async def test_the_ordinary_attempt_is_not_noted() -> None:
    books, notes, _ = noting()
    assert (await books.take(DEBIT, origin())).applied
    assert notes.noted == []


async def test_a_failure_and_the_answer_after_it_are_noted() -> None:
    books, notes, trouble = noting()
    trouble.before[Leg.DEBIT] = [ConnectionError("away")]
    with pytest.raises(ConnectionError):
        await books.take(DEBIT, origin())
    assert (await books.take(DEBIT, origin(attempt=2))).applied
    told = [(one.number, one.outcome, one.failure) for one in notes.noted]
    assert told == [(1, "failed", "ConnectionError: away"), (2, "applied", None)]


@pytest.mark.parametrize("lane", [Lane.DURABLE, Lane.PARKED])
async def test_the_patient_lanes_are_noted(lane: Lane) -> None:
    books, notes, _ = noting()
    await books.take(DEBIT, origin(lane))
    assert [(one.lane, one.outcome) for one in notes.noted] == [(lane, "applied")]


async def test_an_attempt_that_is_ended_from_outside_is_noted() -> None:
    books, notes, trouble = noting()
    reached = asyncio.Event()

    async def hang(leg: LegRequest, origin: Origin) -> None:
        reached.set()
        await asyncio.Event().wait()

    trouble.take = hang  # type: ignore[method-assign,assignment]  # a step that never answers
    trying = asyncio.create_task(books.take(DEBIT, origin()))
    await reached.wait()
    trying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await trying
    assert [one.outcome for one in notes.noted] == ["cancelled"]


async def test_settling_is_said_to_be_that() -> None:
    books, notes, _ = noting()
    stone = Tombstone(FailureCode.CANCELLED_BY_OPERATOR, "usr_OPERATOR", "why")
    await books.take(LegRequest(TRANSFER, Leg.DEBIT, stone), origin(Lane.PARKED))
    assert [(one.settles, one.outcome) for one in notes.noted] == [(True, "voided")]


async def test_who_is_no_workflow_is_not_noted() -> None:
    books, notes, trouble = noting()
    trouble.before[Leg.DEBIT] = [ConnectionError("away")]
    with pytest.raises(ConnectionError):
        await books.take(DEBIT, Origin())
    assert notes.noted == []
