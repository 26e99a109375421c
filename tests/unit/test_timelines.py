"""When Temporal is asked, when a timeline is sealed, and that a seal holds what was known."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta

from payflow.domain.attempts import AttemptEnd, StepAttempt
from payflow.domain.timeline_ports import Noted, TimelineRecord, Told, Unsealed
from payflow.domain.timeline_rows import SETTLES_WITHIN, RowKind
from payflow.domain.transfers import Transfer
from temporal.timelines import Timelines
from tests.fakes import TRANSFER, StandingClock
from tests.unit.test_attempts import attempt, counted
from tests.unit.timelines import COMPLETED, OPERATOR, record


class Kept:
    """``TimelineStore`` with one transfer."""

    def __init__(self, kept: TimelineRecord) -> None:
        self.kept = kept

    async def record(self, transfer: Transfer) -> TimelineRecord:
        return self.kept

    async def unsealed(self, limit: int, after: str = "") -> Unsealed:
        noted = self.kept.noted
        due = noted.attempts and not noted.sealed and self.kept.transfer.status.is_terminal
        return Unsealed([self.kept.transfer] if due else [])

    async def seal(self, transfer_id: str, attempts: Sequence[StepAttempt]) -> None:
        assert transfer_id == TRANSFER
        if not self.kept.noted.sealed:
            self.kept = replace(self.kept, noted=Noted(tuple(attempts), sealed=True))


class Remembered:
    """``Histories`` that say what they are told to, and who asked."""

    def __init__(self, told: Told | None) -> None:
        self.told_of = told
        self.asked: list[Collection[str]] = []

    async def told(self, workflow_id: str, run_ids: Collection[str]) -> Told | None:
        assert workflow_id == f"transfer/{TRANSFER}"
        self.asked.append(run_ids)
        return self.told_of


NOTED = attempt(1, 0.012, activity_id="2")


def timelines(
    kept: TimelineRecord, told: Told | None, *, after: timedelta = timedelta(seconds=30)
) -> tuple[Timelines, Kept, Remembered]:
    clock = StandingClock()
    clock.move(after)
    store, histories = Kept(kept), Remembered(told)
    return Timelines(store, histories, clock), store, histories


async def test_temporal_is_not_asked_of_what_ended_undisturbed() -> None:
    for after in (timedelta(milliseconds=31), timedelta(days=1)):
        told, store, histories = timelines(record(), None, after=after)
        timeline = await told.of(store.kept.transfer, OPERATOR)
        assert timeline.sealed is (after > SETTLES_WITHIN)
        assert await told.seal_due() == 0
        assert histories.asked == []


async def test_temporal_is_asked_of_what_runs_and_of_every_run_on_record() -> None:
    earlier = replace(NOTED, run_id="run-0")
    running = record(COMPLETED[:1], attempts=[earlier])
    told, store, histories = timelines(running, Told(True, [counted(2, 5)]))
    timeline = await told.of(store.kept.transfer, OPERATOR)
    assert set(histories.asked[0]) >= {"run-0", "run-1"}
    attempts = [row for row in timeline.rows if row.kind is RowKind.ATTEMPT]
    assert len(attempts) == 4  # the earlier run's, two of the history, the ordinary debit
    assert not timeline.sealed


async def test_a_seal_holds_what_was_noted_and_what_the_history_knew() -> None:
    told, store, histories = timelines(
        record(attempts=[NOTED]), Told(False, [counted(3, 0.9)]), after=timedelta(seconds=5)
    )
    assert not (await told.of(store.kept.transfer, OPERATOR)).sealed
    assert await told.seal_due() == 1
    assert NOTED in store.kept.noted.attempts
    assert len(store.kept.noted.attempts) == 4
    before = await told.of(store.kept.transfer, OPERATOR)
    assert before.sealed
    asked = len(histories.asked)
    histories.told_of = Told(False)  # everything is forgotten
    assert await told.of(store.kept.transfer, OPERATOR) == before
    assert await told.seal_due() == 0
    assert len(histories.asked) == asked


async def test_nothing_is_sealed_before_its_time_or_while_temporal_is_silent() -> None:
    just_ended = timedelta(milliseconds=30) + SETTLES_WITHIN - timedelta(milliseconds=1)
    told, store, _ = timelines(record(attempts=[NOTED]), Told(False), after=just_ended)
    assert await told.seal_due() == 0
    told, store, histories = timelines(record(attempts=[NOTED]), None)
    assert await told.seal_due() == 0
    assert not (await told.of(store.kept.transfer, OPERATOR)).sealed
    histories.told_of = Told(False)
    assert await told.seal_due() == 1


async def test_an_attempt_that_is_still_under_way_is_not_sealed() -> None:
    hanging = replace(counted(2, 0.9).last, outcome=AttemptEnd.RUNNING, number=1)
    late = attempt(1, 60, activity_id="8")
    activity = replace(counted(1, 0.9), last=hanging)
    told, store, _ = timelines(record(attempts=[NOTED, late]), Told(True, [activity]))
    assert await told.seal_due() == 1
    assert store.kept.noted.attempts == (NOTED,)
