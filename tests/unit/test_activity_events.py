"""Histories are read for attempts: recorded ones, and one whose failures are encrypted."""

from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import ActivityType, Payloads, RetryPolicy
from temporalio.api.enums.v1 import EventType, PendingActivityState
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import (
    ActivityTaskCompletedEventAttributes,
    ActivityTaskScheduledEventAttributes,
    ActivityTaskStartedEventAttributes,
    HistoryEvent,
    WorkflowTaskFailedEventAttributes,
)
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import WorkflowHistory
from temporalio.converter import DataConverter

from payflow.domain.attempts import CountedActivity, Lane
from payflow.domain.ledger import Leg, Outcome, StepAnswer
from payflow.settings import Settings
from temporal.activity_events import UNREADABLE, RunReader
from temporal.client import data_converter
from temporal.converter import DATA_CONVERTER
from tests.observed.conftest import KEYS
from tests.workflows.record_histories import FOLDER

START = datetime(2026, 1, 1, tzinfo=UTC)
SEALED = data_converter(Settings(codec_keys=KEYS))
OTHER_KEY = data_converter(Settings(codec_keys="other:" + KEYS.split(":")[1].split(",")[0]))


async def read(name: str) -> list[CountedActivity]:
    path = next(FOLDER.rglob(f"{name}.json"))
    history = WorkflowHistory.from_json(name, path.read_text())
    reader = RunReader(DATA_CONVERTER, "run-1")
    for event in history.events:
        reader.take(event)
    return await reader.activities({})


async def test_an_undisturbed_history_has_nothing_to_add() -> None:
    assert await read("completed") == []


async def test_a_recorded_history_counts_every_attempt() -> None:
    fast, durable = await read("slow_credit")
    assert (fast.last.leg, fast.last.lane, fast.last.outcome) == ("credit", Lane.FAST, "failed")
    assert fast.last.number == 3
    assert (durable.last.lane, durable.last.outcome) == (Lane.DURABLE, "applied")
    assert durable.last.number > 1
    assert "RehearsedError" in str(durable.failure)
    told = durable.attempts()
    assert [one.number for one in told] == list(range(1, durable.last.number + 1))
    assert told[-2].failure == durable.failure


async def test_a_parked_history_tells_who_settled_it() -> None:
    told = await read("parked_then_refunded")
    settled = [one.last for one in told if one.last.settles]
    assert [(one.leg, one.outcome, one.lane) for one in settled] == [
        ("credit", "voided", Lane.PARKED)
    ]
    assert {one.last.leg for one in told} == {"credit"}  # the mark is no step


def stamp(seconds: float) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(START + timedelta(seconds=seconds))
    return made


async def failure(converter: DataConverter) -> Failure:
    made = Failure()
    await converter.encode_failure(ConnectionError("mongo-7 is away"), made)
    return made


def scheduled() -> HistoryEvent:
    pace = RetryPolicy(
        initial_interval=Duration(seconds=1),
        backoff_coefficient=2.0,
        maximum_interval=Duration(seconds=5),
    )
    return HistoryEvent(
        event_id=5,
        event_time=stamp(0),
        event_type=EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
        activity_task_scheduled_event_attributes=ActivityTaskScheduledEventAttributes(
            activity_id="3",
            activity_type=ActivityType(name="credit"),
            schedule_to_close_timeout=Duration(seconds=300),
            retry_policy=pace,
        ),
    )


async def events(converter: DataConverter) -> list[HistoryEvent]:
    """A credit that answered at its third attempt."""
    answer = await converter.encode([StepAnswer(Leg.CREDIT, Outcome.APPLIED)])
    started = ActivityTaskStartedEventAttributes(
        scheduled_event_id=5, attempt=3, last_failure=await failure(converter)
    )
    completed = ActivityTaskCompletedEventAttributes(
        scheduled_event_id=5, result=Payloads(payloads=answer)
    )
    return [
        scheduled(),
        HistoryEvent(
            event_id=6,
            event_time=stamp(3.2),
            event_type=EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED,
            activity_task_started_event_attributes=started,
        ),
        HistoryEvent(
            event_id=7,
            event_time=stamp(3.3),
            event_type=EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED,
            activity_task_completed_event_attributes=completed,
        ),
    ]


async def test_encrypted_failures_and_answers_are_read_with_the_key() -> None:
    written = await events(SEALED)
    assert b"mongo-7" not in b"".join(event.SerializeToString() for event in written)
    reader = RunReader(SEALED, "run-1")
    for event in written:
        reader.take(event)
    (told,) = await reader.activities({})
    assert told.failure == "ConnectionError: mongo-7 is away"
    assert (told.last.outcome, told.last.number) == ("applied", 3)
    assert told.last.ended_at == START + timedelta(seconds=3.3)
    (again,) = await reader.activities({})
    assert again == told  # reading changes nothing of what is read


async def test_without_the_key_the_count_is_told_and_the_text_is_not() -> None:
    reader = RunReader(OTHER_KEY, "run-1")
    for event in await events(SEALED):
        reader.take(event)
    (told,) = await reader.activities({})
    assert (told.failure, told.last.outcome, told.last.number) == (UNREADABLE, "answered", 3)


@pytest.mark.parametrize("under_way", [True, False])
async def test_what_is_pending_is_under_way_or_due(under_way: bool) -> None:
    state = PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
    if under_way:
        state = PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
    waits = PendingActivityInfo(
        activity_id="3",
        state=state,
        attempt=4,
        last_failure=await failure(DATA_CONVERTER),
        last_started_time=stamp(7.5),
        next_attempt_schedule_time=stamp(9),
    )
    reader = RunReader(DATA_CONVERTER, "run-1")
    reader.take(scheduled())
    (told,) = await reader.activities({"3": waits})
    assert told.due is not under_way
    assert len(told.attempts()) == (4 if under_way else 3)
    assert told.last.started_at == START + timedelta(seconds=7.5 if under_way else 9)
    assert told.attempts()[2].failure == "ConnectionError: mongo-7 is away"


async def test_what_a_reset_copied_belongs_to_the_run_that_did_it() -> None:
    reader = RunReader(DATA_CONVERTER, "run-2")
    for event in await events(DATA_CONVERTER):
        reader.take(event)
    reset = WorkflowTaskFailedEventAttributes(base_run_id="run-1", new_run_id="run-2")
    reader.take(
        HistoryEvent(
            event_type=EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED,
            workflow_task_failed_event_attributes=reset,
        )
    )
    later = scheduled()
    later.event_id = 15
    reader.take(later)
    started = ActivityTaskStartedEventAttributes(scheduled_event_id=15, attempt=1)
    reader.take(
        HistoryEvent(
            event_time=stamp(9),
            event_type=EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED,
            activity_task_started_event_attributes=started,
        )
    )
    copied, own = await reader.activities({})
    assert (copied.last.run_id, own.last.run_id) == ("run-1", "run-2")
    assert own.last.outcome == "cancelled"  # the run was ended while it was under way
