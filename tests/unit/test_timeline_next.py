"""Time on paper: where a moment stands, how a length is spoken, and what happens next and when."""

from dataclasses import replace
from datetime import timedelta
from math import log1p

import pytest

from payflow.domain.attempts import Lane
from payflow.domain.timeline import Next, is_sealed, tell, what_next
from payflow.domain.timeline_ports import ActOnTransfer, PendingStep, Told
from payflow.domain.timeline_rows import SETTLES_WITHIN
from payflow.domain.timeline_scale import Scale, spoken
from payflow.domain.users import Principal
from tests.fakes import START
from tests.unit.test_attempts import attempt
from tests.unit.timelines import COMPLETED, OPERATOR, PAYER, REFUNDED, at, record

LONG_AFTER = at(60_000)


def test_a_pause_is_as_wide_as_the_logarithm_of_its_length() -> None:
    # 20 ms are 0.2 + ln 2 wide, 40 ms 0.2 + ln 3
    scale = Scale.of([at(60), START, at(20), START], 100, 900)
    assert scale.moments == (START, at(20), at(60))
    whole = 0.4 + log1p(1) + log1p(2)
    assert scale.places == pytest.approx([100, 100 + 800 * (0.2 + log1p(1)) / whole, 900])


def test_a_moment_between_two_stands_at_the_earlier() -> None:
    scale = Scale.of([START, at(20), at(60)], 100, 900)
    _, middle, _ = scale.places
    assert scale.x(at(-1)) == 100
    assert scale.x(at(19)) == 100
    assert scale.x(at(20)) == scale.x(at(59)) == middle
    assert scale.x(at(60)) == scale.x(at(61)) == pytest.approx(900)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 ms"),
        (0.0004, "0 ms"),
        (0.0006, "1 ms"),
        (0.999, "999 ms"),
        (1, "1.0 s"),
        (1.26, "1.3 s"),
        (59.9, "59.9 s"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (3_599, "59 min 59 s"),
        (3_600, "1 h"),
        (3_659, "1 h"),
        (3_660, "1 h 1 min"),
        (86_399, "23 h 59 min"),
        (86_400, "1 d"),
        (89_999, "1 d"),
        (90_000, "1 d 1 h"),
        (20 * 86_400 + 23 * 3_600, "20 d 23 h"),
    ],
)
def test_a_length_is_spoken_in_its_two_largest_units(seconds: float, said: str) -> None:
    assert spoken(timedelta(seconds=seconds)) == said


DUE = PendingStep("credit", Lane.DURABLE, 4, LONG_AFTER + timedelta(seconds=2.2))
AGAIN = "the credit is tried again in 3 s, as attempt 4"


@pytest.mark.parametrize(
    ("viewer", "pending", "flagged", "what"),
    [
        (OPERATOR, DUE, False, AGAIN),
        (OPERATOR, replace(DUE, next_at=LONG_AFTER), False, AGAIN.replace("3 s", "0 s")),
        (OPERATOR, replace(DUE, next_at=at(0)), False, AGAIN.replace("3 s", "0 s")),
        (
            OPERATOR,
            DUE,
            True,
            f"parked: waits for an operator's verb (retry, refund or resolve); by itself {AGAIN}",
        ),
        (PAYER, DUE, True, f"parked: waits for an operator; by itself {AGAIN}"),
        (
            PAYER,
            replace(DUE, lane=Lane.PARKED, next_at=None),
            False,
            "parked: waits for an operator; by itself the credit is being tried, attempt 4",
        ),
    ],
)
def test_what_is_next_says_how_long_and_whom_it_waits_for(
    viewer: Principal, pending: PendingStep, flagged: bool, what: str
) -> None:
    told = record(COMPLETED[:1])
    told = replace(told, transfer=replace(told.transfer, needs_attention=flagged))
    following = what_next(told, viewer, LONG_AFTER, Told(True, (), pending))
    assert following == Next(what, pending.next_at)


@pytest.mark.parametrize(
    ("verb", "outcome", "waits"),
    [
        ("pause", "paused", True),
        ("resume", "running", False),
        ("refund", "pending", False),
        ("resolve", "approval_pending", False),
        ("retry", "pending", True),
    ],
)
def test_a_pause_holds_until_a_verb_that_ends_it(verb: str, outcome: str, waits: bool) -> None:
    paused = ActOnTransfer(at(15), "pause", "usr_OPERATOR", "look first", "paused")
    then = ActOnTransfer(at(16), verb, "usr_OPERATOR", "why", outcome)
    told = record(COMPLETED[:1], acts=[paused, then])
    following = what_next(told, PAYER, LONG_AFTER, Told(True, (), DUE))
    said = "paused: the credit waits for an operator to resume it"
    assert following == (Next(said) if waits else Next(AGAIN, DUE.next_at))


def test_nothing_is_next_of_what_has_ended_whatever_temporal_says() -> None:
    for legs in (COMPLETED, REFUNDED):
        assert what_next(record(legs), PAYER, LONG_AFTER, Told(True, (), DUE)) is None


def test_a_timeline_is_closed_a_while_after_the_end_and_then_sealed() -> None:
    noted = record(attempts=[attempt()], sealed=True)
    close = at(30) + SETTLES_WITHIN
    for now, sealed in ((close - timedelta(microseconds=1), False), (close, True)):
        assert is_sealed(noted, now) is sealed
        assert tell(noted, PAYER, now, None).sealed is sealed
