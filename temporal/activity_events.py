"""A run's history, read for the attempts at its steps.

A history counts an activity's attempts and has the last of them whole, with the failure of the
one before; what was between is reckoned by the retry policy that stands there as well. A local
activity has a marker with the count and the last failure.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType, PendingActivityState
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError

from payflow.domain.attempts import (
    AttemptEnd,
    CountedActivity,
    Lane,
    RetryPace,
    StepAttempt,
    failure_text,
)
from payflow.domain.errors import PayflowError
from payflow.domain.ledger import Leg, StepAnswer
from temporal.policies import FAST_LANE

LEGS = frozenset(leg.value for leg in Leg)
LOCAL_MARKER = "core_local_activity"
FAST_PACE = RetryPace(
    FAST_LANE.retry.initial_interval, FAST_LANE.retry.backoff_coefficient, timedelta(seconds=1)
)
UNREADABLE = "encrypted under a key that is not known here"


@dataclass(slots=True)
class _Activity:
    """The events of one ordinary activity."""

    run_id: str
    scheduled: HistoryEvent
    started: HistoryEvent | None = None
    closed: HistoryEvent | None = None


class RunReader:
    """Takes a run's events, oldest first."""

    def __init__(self, converter: DataConverter, run_id: str) -> None:
        self._converter = converter
        self._run_id = run_id
        self._activities: dict[int, _Activity] = {}
        self._markers: list[tuple[str, HistoryEvent]] = []

    def take(self, event: HistoryEvent) -> None:
        """One event; what concerns no activity is passed over."""
        kind = event.event_type
        if kind == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            self._activities[event.event_id] = _Activity(self._run_id, event)
        elif kind == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
            started = event.activity_task_started_event_attributes
            self._activities[started.scheduled_event_id].started = event
        elif kind in _CLOSING:
            closing = getattr(event, _CLOSING[kind])
            self._activities[closing.scheduled_event_id].closed = event
        elif kind == EventType.EVENT_TYPE_MARKER_RECORDED:
            if event.marker_recorded_event_attributes.marker_name == LOCAL_MARKER:
                self._markers.append((self._run_id, event))
        elif kind == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
            self._reset_from(event.workflow_task_failed_event_attributes.base_run_id)

    async def activities(self, pending: Mapping[str, PendingActivityInfo]) -> list[CountedActivity]:
        """The steps' activities; ``pending`` are those that wait now, by id."""
        told = [await self._local(*one) for one in self._markers]
        for activity in self._activities.values():
            leg, settles = await self._step(activity)
            if leg is not None:
                told.append(await self._ordinary(activity, leg, settles, pending))
        return [one for one in told if one is not None]

    def _reset_from(self, base_run_id: str) -> None:
        """What came before a reset was done by the run that was reset, and is copied here."""
        if base_run_id:
            self._markers = [(base_run_id, event) for _, event in self._markers]
            for activity in self._activities.values():
                activity.run_id = base_run_id

    async def _step(self, activity: _Activity) -> tuple[str | None, bool]:
        scheduled = activity.scheduled.activity_task_scheduled_event_attributes
        name = scheduled.activity_type.name
        if name in LEGS:
            return name, False
        order = await self._decoded(scheduled.input.payloads, dict)
        leg = order.get("leg") if isinstance(order, dict) else None
        return (leg if leg in LEGS else None), True

    async def _ordinary(
        self,
        activity: _Activity,
        leg: str,
        settles: bool,
        pending: Mapping[str, PendingActivityInfo],
    ) -> CountedActivity | None:
        scheduled = activity.scheduled.activity_task_scheduled_event_attributes
        waits = pending.get(scheduled.activity_id) if activity.closed is None else None
        last = await self._last(activity, waits)
        if last is None:
            return None
        number, started_at, ended_at, outcome, failure, before = last
        durable = scheduled.schedule_to_close_timeout.ToTimedelta() > timedelta()
        attempt = StepAttempt(
            run_id=activity.run_id,
            activity_id=scheduled.activity_id,
            number=number,
            leg=leg,
            lane=Lane.DURABLE if durable else Lane.PARKED,
            started_at=started_at,
            ended_at=ended_at,
            outcome=outcome,
            failure=await self._text(failure),
            settles=settles,
        )
        policy = scheduled.retry_policy
        longest = policy.maximum_interval.ToTimedelta() or timedelta(days=1)
        pace = RetryPace(
            policy.initial_interval.ToTimedelta(), policy.backoff_coefficient or 1.0, longest
        )
        return CountedActivity(
            attempt,
            _moment(activity.scheduled.event_time),
            pace,
            await self._text(before),
            due=waits is not None and not _is_started(waits),
        )

    async def _last(self, activity: _Activity, waits: PendingActivityInfo | None) -> Any:  # noqa: ANN401
        """Number, start, end, outcome and failure of the last attempt, and the failure before."""
        if waits is not None:
            due = waits.last_started_time if _is_started(waits) else _due(waits)
            return waits.attempt, _moment(due), None, AttemptEnd.RUNNING, None, waits.last_failure
        if activity.started is None:
            return None  # ended while it waited: only those who tried know how often
        started = activity.started.activity_task_started_event_attributes
        begun, before = _moment(activity.started.event_time), started.last_failure
        if activity.closed is None:
            return started.attempt, begun, None, AttemptEnd.CANCELLED, None, before
        ended = _moment(activity.closed.event_time)
        outcome, failure = await self._end(activity.closed)
        return started.attempt, begun, ended, outcome, failure, before

    async def _end(self, closed: HistoryEvent) -> tuple[str, Failure | None]:
        kind = closed.event_type
        if kind == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
            result = closed.activity_task_completed_event_attributes.result.payloads
            return await self._answer(result), None
        if kind == EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED:
            return AttemptEnd.FAILED, closed.activity_task_failed_event_attributes.failure
        if kind == EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
            return AttemptEnd.TIMED_OUT, closed.activity_task_timed_out_event_attributes.failure
        return AttemptEnd.CANCELLED, None

    async def _local(self, run_id: str, event: HistoryEvent) -> CountedActivity | None:
        marker = event.marker_recorded_event_attributes
        (data,) = marker.details["data"].payloads
        facts = json.loads(data.data)
        if facts["activity_type"] not in LEGS:
            return None
        failed = marker.HasField("failure")
        if facts["attempt"] == 1 and not failed:
            return None  # the ordinary attempt, which the journal tells of
        begun = _local_moment(facts["original_schedule_time"])
        number = facts["attempt"]
        pauses = sum((FAST_PACE.before(one) for one in range(2, number + 1)), timedelta())
        answer = AttemptEnd.FAILED.value
        if not failed:
            answer = await self._answer(marker.details["result"].payloads)
        attempt = StepAttempt(
            run_id=run_id,
            activity_id=facts["activity_id"],
            number=number,
            leg=facts["activity_type"],
            lane=Lane.FAST,
            started_at=begun + pauses,
            ended_at=None,
            outcome=answer,
            failure=await self._text(marker.failure) if failed else None,
            reckoned=True,
        )
        return CountedActivity(attempt, begun, FAST_PACE)

    async def _answer(self, payloads: Sequence[Payload]) -> str:
        answer = await self._decoded(payloads, StepAnswer)
        return answer.outcome.value if isinstance(answer, StepAnswer) else "answered"

    async def _decoded(self, payloads: Sequence[Payload], kind: type) -> object:
        try:
            (value,) = await self._converter.decode(payloads, [kind])
        except (PayflowError, RuntimeError, ValueError):  # another key, or another version's
            return None
        else:
            return value

    async def _text(self, failure: Failure | None) -> str | None:
        if failure is None or not failure.ByteSize():
            return None
        try:
            error = await self._converter.decode_failure(Failure.FromString(_bytes(failure)))
        except PayflowError:
            return UNREADABLE
        kind = error.type if isinstance(error, ApplicationError) else type(error).__name__
        return failure_text(kind or "ApplicationError", getattr(error, "message", str(error)))


_CLOSING: Mapping[int, str] = {
    EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: "activity_task_completed_event_attributes",
    EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED: "activity_task_failed_event_attributes",
    EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: "activity_task_timed_out_event_attributes",
    EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED: "activity_task_canceled_event_attributes",
}


def _is_started(pending: PendingActivityInfo) -> bool:
    return pending.state != PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED


def _due(pending: PendingActivityInfo) -> Timestamp:
    due = pending.next_attempt_schedule_time
    return due if due.ByteSize() else pending.scheduled_time


def _bytes(failure: Failure) -> bytes:
    """A copy: decoding changes what it decodes."""
    return failure.SerializeToString()


def _moment(stamp: Timestamp) -> datetime:
    return _to_the_millisecond(stamp.ToDatetime(tzinfo=UTC))


def _local_moment(stamp: Mapping[str, int]) -> datetime:
    moment = datetime.fromtimestamp(stamp["seconds"], UTC)
    return _to_the_millisecond(moment.replace(microsecond=stamp["nanos"] // 1000))


def _to_the_millisecond(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
