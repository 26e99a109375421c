"""What workers note and what histories count, put together without losing or doubling one."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payflow.domain.attempts import (
    FAILURE_CHARACTERS,
    FILLED_IN_AT_MOST,
    AttemptEnd,
    CountedActivity,
    Lane,
    RetryPace,
    StepAttempt,
    failure_text,
    is_ordinary,
    put_together,
)
from tests.fakes import START

PACE = RetryPace(timedelta(seconds=0.5), 2.0, timedelta(seconds=5))


def attempt(number: int = 1, after_s: float = 0, **fields: object) -> StepAttempt:
    values: dict[str, object] = {
        "run_id": "run-1",
        "activity_id": "3",
        "number": number,
        "leg": "credit",
        "lane": Lane.DURABLE,
        "started_at": START + timedelta(seconds=after_s),
        "ended_at": START + timedelta(seconds=after_s + 0.01),
        "outcome": AttemptEnd.FAILED.value,
        **fields,
    }
    return StepAttempt(**values)  # type: ignore[arg-type]


def counted(number: int, after_s: float, *, due: bool = False) -> CountedActivity:
    last = attempt(number, after_s, outcome="applied")
    return CountedActivity(last, START, PACE, "ConnectionError: away", due=due)


def test_the_pause_doubles_up_to_the_longest() -> None:
    pauses = [PACE.before(number).total_seconds() for number in range(2, 8)]
    assert pauses == [0.5, 1, 2, 4, 5, 5]
    even = RetryPace(timedelta(minutes=1), 1.0, timedelta(days=1))
    assert even.before(500) == timedelta(minutes=1)


def test_a_history_alone_tells_every_attempt() -> None:
    told = counted(4, 3.8).attempts()
    assert [one.number for one in told] == [1, 2, 3, 4]
    assert [one.outcome for one in told] == ["failed"] * 3 + ["applied"]
    assert [one.failure for one in told[:3]] == [None, None, "ConnectionError: away"]
    assert [one.reckoned for one in told] == [True] * 3 + [False]
    # 3.8 s are 3.5 s of pauses and three attempts of 0.1 s
    starts = [(one.started_at - START).total_seconds() for one in told]
    assert starts == pytest.approx([0, 0.6, 1.7, 3.8])


def test_a_reckoned_attempt_is_the_last_ones_in_all_but_time_and_end() -> None:
    last = attempt(2, 1.0004, outcome="voided", settles=True)
    (first, told) = CountedActivity(last, START, PACE, "ConnectionError: away").attempts()
    assert told is last
    # of the second that went by, half is the pause before the second attempt
    assert first == attempt(
        1,
        ended_at=START + timedelta(milliseconds=500),
        failure="ConnectionError: away",
        settles=True,
        reckoned=True,
    )


def test_an_attempt_that_is_only_due_is_not_told_as_made() -> None:
    told = counted(3, 2.0, due=True).attempts()
    assert [one.number for one in told] == [1, 2]
    assert counted(1, 0.0, due=True).attempts() == []
    assert [one.number for one in counted(1, 0.0).attempts()] == [1]


def test_of_very_many_the_last_are_told() -> None:
    told = counted(5_000, 1e6).attempts()
    assert len(told) == FILLED_IN_AT_MOST + 1
    assert [told[0].number, told[-1].number] == [5_000 - FILLED_IN_AT_MOST, 5_000]


def test_what_was_noted_holds_over_what_a_history_reckons() -> None:
    noted = attempt(2, 0.7, failure="ConnectionError: noted")
    told = put_together([noted], [counted(3, 2.0), counted(3, 2.0)])
    assert [one.number for one in told] == [1, 2, 3]
    assert told[1] == noted


def test_every_step_that_a_history_counts_is_told() -> None:
    another = counted(1, 1.0)
    another = replace(another, last=replace(another.last, activity_id="4"))
    told = put_together([], [counted(1, 0.5), another])
    assert [one.activity_id for one in told] == ["3", "4"]


def test_attempts_of_one_moment_stand_in_the_order_of_their_steps() -> None:
    """Numbers as numbers; what has none comes first."""
    at_once = [attempt(n, activity_id=name) for name in ("10", "9", "x") for n in (2, 1)]
    told = put_together(at_once, [])
    places = [(one.activity_id, one.number) for one in told]
    assert places == [("x", 1), ("x", 2), ("9", 1), ("9", 2), ("10", 1), ("10", 2)]


def test_runs_of_one_workflow_are_kept_apart() -> None:
    earlier = attempt(1, 0, run_id="run-0")
    assert len(put_together([earlier, attempt(1, 5)], [])) == 2
    assert len(put_together([earlier, earlier], [])) == 1


@given(st.integers(2, 30), st.floats(0, 1e5))
def test_reckoned_attempts_lie_in_order_before_the_last(number: int, after_s: float) -> None:
    told = counted(number, after_s).attempts()
    starts = [one.started_at for one in told]
    assert starts == sorted(starts)
    assert all(START <= one.started_at <= one.ended_at for one in told if one.ended_at)


def test_only_the_ordinary_attempt_needs_no_note() -> None:
    assert is_ordinary(Lane.FAST, 1, answered=True)
    assert not is_ordinary(Lane.FAST, 1, answered=False)
    assert not is_ordinary(Lane.FAST, 2, answered=True)
    assert not is_ordinary(Lane.DURABLE, 1, answered=True)


def test_a_failure_is_kept_short() -> None:
    assert failure_text("ConnectionError", "") == "ConnectionError"
    assert failure_text("ConnectionError", "away") == "ConnectionError: away"
    assert len(failure_text("ConnectionError", "x" * 10_000)) == FAILURE_CHARACTERS
