"""The attempts at a transfer's steps: what is noted of each, and how what is known is put together.

A worker notes each attempt that is not the ordinary one (the first, in the fast lane, answered);
the ordinary one is in the journal already. What a killed worker could not note, the workflow's
history still counts.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

FILLED_IN_AT_MOST = 20  # attempts of one activity that only the history counts
FAILURE_CHARACTERS = 500  # of an error's text that are kept

Key = tuple[str, str, int]


class Lane(StrEnum):
    """How patiently a step is tried; see ``temporal.policies``."""

    FAST = "fast"
    DURABLE = "durable"
    PARKED = "parked"


class AttemptEnd(StrEnum):
    """What became of an attempt that brought no answer of the books."""

    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    RUNNING = "running"


@dataclass(frozen=True, slots=True)
class StepAttempt:
    """One attempt at a step. ``ended_at`` None: under way, or nobody knows.

    ``outcome`` is the books' answer (applied, refused, voided) or an ``AttemptEnd``; ``failure``
    is the error's type and text. ``reckoned``: the history counts it and does not say when it
    was; the time is by the retry policy.
    """

    run_id: str
    activity_id: str
    number: int
    leg: str
    lane: Lane
    started_at: datetime
    ended_at: datetime | None
    outcome: str
    failure: str | None = None
    settles: bool = False
    reckoned: bool = False

    @property
    def key(self) -> Key:
        """Which attempt it is, whoever tells of it."""
        return (self.run_id, self.activity_id, self.number)


@dataclass(frozen=True, slots=True)
class RetryPace:
    """When the next attempt comes: after ``initial``, then ``factor`` times as long each time."""

    initial: timedelta
    factor: float
    longest: timedelta

    def before(self, number: int) -> timedelta:
        """The pause before attempt ``number`` (2 or more)."""
        seconds, longest = self.initial.total_seconds(), self.longest.total_seconds()
        for _ in range(number - 2):
            seconds = min(seconds * self.factor, longest)
            if seconds >= longest or self.factor <= 1:
                break
        return timedelta(seconds=min(seconds, longest))


@dataclass(frozen=True, slots=True)
class CountedActivity:
    """An activity as a history has it: how often it was tried, and its last attempt whole.

    ``failure`` is that of the attempt before the last; ``last`` may be an attempt yet to come,
    whose ``started_at`` is then when it is due.
    """

    last: StepAttempt
    scheduled_at: datetime
    pace: RetryPace
    failure: str | None = None
    due: bool = False

    def attempts(self) -> list[StepAttempt]:
        """Every attempt, those between the first and the last reckoned; at most a few of many."""
        earlier = range(1, self.last.number)
        if len(earlier) > FILLED_IN_AT_MOST:
            earlier = range(self.last.number - FILLED_IN_AT_MOST, self.last.number)
        told = [self._reckoned(number) for number in earlier]
        return told if self.due else [*told, self.last]

    def _reckoned(self, number: int) -> StepAttempt:
        count = self.last.number - 1
        pauses = [self.pace.before(one) for one in range(2, self.last.number + 1)]
        whole = self.last.started_at - self.scheduled_at
        took = max(whole - sum(pauses, timedelta()), timedelta()) / count
        began = self.scheduled_at + sum(pauses[: number - 1], timedelta()) + (number - 1) * took
        began = min(began, self.last.started_at)
        last = self.last
        return StepAttempt(
            run_id=last.run_id,
            activity_id=last.activity_id,
            number=number,
            leg=last.leg,
            lane=last.lane,
            started_at=_to_the_millisecond(began),
            ended_at=_to_the_millisecond(min(began + took, self.last.started_at)),
            outcome=AttemptEnd.FAILED,
            failure=self.failure if number == count else None,
            settles=last.settles,
            reckoned=True,
        )


def put_together(
    noted: Iterable[StepAttempt], counted: Iterable[CountedActivity]
) -> tuple[StepAttempt, ...]:
    """What workers noted, and what only a history knows; each attempt once, in order of time.

    What was noted by the one who made the attempt holds over what a history says of it.
    """
    known: dict[Key, StepAttempt] = {}
    for activity in counted:
        known |= {attempt.key: attempt for attempt in activity.attempts()}
    known |= {attempt.key: attempt for attempt in noted}
    return in_order(known)


def in_order(attempts: Mapping[Key, StepAttempt]) -> tuple[StepAttempt, ...]:
    """By start, then by which it is, so that the order is the same each time."""
    return tuple(sorted(attempts.values(), key=_place))


def is_ordinary(lane: Lane, number: int, answered: bool) -> bool:
    """Whether the journal alone tells of it: the first attempt, in the fast lane, answered."""
    return lane is Lane.FAST and number == 1 and answered


def failure_text(kind: str, text: str) -> str:
    """An error's type and text, as much of it as is kept."""
    whole = f"{kind}: {text}" if text else kind
    return whole[:FAILURE_CHARACTERS]


def runs_of(attempts: Sequence[StepAttempt]) -> frozenset[str]:
    """The workflow runs that made them."""
    return frozenset(attempt.run_id for attempt in attempts)


def _place(attempt: StepAttempt) -> tuple[datetime, str, int, int]:
    digits = attempt.activity_id if attempt.activity_id.isdigit() else "0"
    return (attempt.started_at, attempt.run_id, int(digits), attempt.number)


def _to_the_millisecond(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
