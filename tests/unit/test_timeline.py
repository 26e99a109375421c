"""A timeline is a function of the record: its rows, their order, who sees what, what is next."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payflow.domain.attempts import AttemptEnd, Lane, StepAttempt
from payflow.domain.batches import BatchMode, BatchPlace
from payflow.domain.timeline import Timeline, is_sealed, tell, timeline_object
from payflow.domain.timeline_ports import ActOnTransfer, PendingStep, Told
from payflow.domain.timeline_rows import SETTLES_WITHIN, Row, RowKind
from payflow.domain.users import Principal
from payflow.domain.webhooks import Attempt
from tests.unit.test_attempts import attempt
from tests.unit.timelines import (
    COMPLETED,
    NEVER_DEBITED,
    OPERATOR,
    PAYEE,
    PAYER,
    REFUNDED,
    at,
    delivery,
    record,
)

LONG_AFTER = at(60_000)
REFUND = ActOnTransfer(at(15), "refund", "usr_OPERATOR", "the payer called", "refunded")


def rows(timeline: Timeline, kind: RowKind) -> list[Row]:
    return [row for row in timeline.rows if row.kind is kind]


def seen_by(viewer: Principal, **parts: object) -> Timeline:
    return tell(record(**parts), viewer, LONG_AFTER, None)  # type: ignore[arg-type]


@pytest.mark.parametrize("legs", [COMPLETED, REFUNDED, NEVER_DEBITED], ids=len)
def test_an_undisturbed_transfer_is_told_by_the_journal_alone(
    legs: tuple[tuple[str, str, str], ...],
) -> None:
    timeline = seen_by(OPERATOR, legs=legs)
    attempts = rows(timeline, RowKind.ATTEMPT)
    assert [(row.leg, row.outcome) for row in attempts] == [one[:2] for one in legs]
    assert {(row.attempt, row.duration_ms) for row in attempts} == {(1, 10)}
    states = rows(timeline, RowKind.STATE)
    assert [row.outcome for row in states] == ["initiated", *(one[2] for one in legs)]
    moved = [one[0] for one in legs if one[1] == "applied" and one[0] != "post"]
    assert [row.leg for row in rows(timeline, RowKind.ENTRY)] == moved
    assert len(rows(timeline, RowKind.EVENT)) == len(legs) + 1
    assert timeline.sealed
    assert timeline.next is None


def test_rows_stand_in_order_and_what_led_to_a_state_before_it() -> None:
    timeline = seen_by(OPERATOR)
    assert [row.at for row in timeline.rows] == sorted(row.at for row in timeline.rows)
    at_the_debit = [row.kind for row in timeline.rows if row.at == at(10)]
    # the attempt is the credit's, which the debit's answer set off
    assert at_the_debit == [RowKind.STATE, RowKind.ENTRY, RowKind.EVENT, RowKind.ATTEMPT]


def test_noted_attempts_stand_beside_the_ordinary_ones() -> None:
    failed = [
        attempt(n, 0.011 + n / 1_000, activity_id="2", lane=Lane.FAST, failure="OSError: x")
        for n in (1, 2)
    ]
    answered = attempt(3, 0.015, activity_id="2", lane=Lane.FAST, outcome="applied")
    timeline = seen_by(OPERATOR, attempts=[*failed, answered], sealed=True)
    told = [(row.leg, row.attempt, row.outcome) for row in rows(timeline, RowKind.ATTEMPT)]
    # the journal says that attempt 1 wrote the credit: its answer was lost, which is told once
    assert told == [
        ("debit", 1, "applied"),
        ("credit", 1, "failed"),
        ("credit", 2, "failed"),
        ("credit", 3, "applied"),
        ("post", 1, "applied"),
    ]


def test_an_error_and_who_acted_are_for_operators_only() -> None:
    failed = attempt(1, 0.011, activity_id="9", failure="OSError: mongo-7 is away")
    parts: dict[str, object] = {"attempts": [failed], "acts": [REFUND], "legs": REFUNDED}
    whole = str(timeline_object(seen_by(OPERATOR, **parts)))
    for party in (PAYER, PAYEE):
        shown = seen_by(party, **parts)
        for secret in ("mongo-7", "usr_OPERATOR", "the payer called"):
            assert secret in whole
            assert secret not in str(timeline_object(shown))
        (act,) = rows(shown, RowKind.OPERATOR)
        assert (act.actor, act.detail, act.outcome) == ("operator", "refund", "refunded")


def test_a_cancellation_past_us_is_told_by_the_legs_note() -> None:
    told = record(REFUNDED)
    journal = list(told.journal)
    journal[2] = replace(journal[2], note={"actor": "temporal", "reason": "cancelled"})
    (act,) = rows(
        tell(replace(told, journal=journal), OPERATOR, LONG_AFTER, None), RowKind.OPERATOR
    )
    assert (act.actor, act.detail) == ("temporal", "refund: cancelled")
    journal[2] = replace(journal[2], note={"actor": REFUND.operator, "reason": "why"})
    noted = replace(told, journal=journal, acts=[REFUND])
    assert len(rows(tell(noted, OPERATOR, LONG_AFTER, None), RowKind.OPERATOR)) == 1


def test_an_act_on_an_ended_transfer_did_nothing_to_it() -> None:
    late = replace(REFUND, at=at(30) + SETTLES_WITHIN + timedelta(seconds=1))
    assert rows(seen_by(OPERATOR, acts=[late]), RowKind.OPERATOR) == []
    assert len(rows(seen_by(OPERATOR, acts=[REFUND]), RowKind.OPERATOR)) == 1


def test_each_party_sees_its_own_deliveries_and_balances() -> None:
    gone = Attempt(at(40), 7, error="connection refused")
    fine = Attempt(at(90_000), 5, status_code=204)
    sent = [delivery(PAYER, gone, fine), delivery(PAYEE)]
    payers = seen_by(PAYER, deliveries=sent)
    assert [(row.attempt, row.outcome) for row in rows(payers, RowKind.DELIVERY)] == [
        (1, "failed"),
        (2, "succeeded"),
    ]
    (pending,) = rows(seen_by(PAYEE, deliveries=sent), RowKind.DELIVERY)
    assert (pending.attempt, pending.outcome) == (None, "pending")
    assert len(rows(seen_by(OPERATOR, deliveries=sent), RowKind.DELIVERY)) == 3
    with_balance = [
        [row.leg for row in rows(seen_by(viewer), RowKind.ENTRY) if "balance" in str(row.detail)]
        for viewer in (PAYER, PAYEE, OPERATOR)
    ]
    assert with_balance == [["debit"], ["credit"], ["debit", "credit"]]


def test_the_payee_is_not_told_of_the_order_itself() -> None:
    heard = [row.outcome for row in rows(seen_by(PAYEE), RowKind.EVENT)]
    assert heard == ["transfer.debited", "transfer.credited", "transfer.completed"]
    assert rows(seen_by(PAYER), RowKind.EVENT)[0].outcome == "transfer.initiated"


def test_it_is_sealed_once_nothing_can_be_added() -> None:
    calm, ended = record(), at(30)
    assert not is_sealed(calm, ended + SETTLES_WITHIN - timedelta(milliseconds=1))
    assert is_sealed(calm, ended + SETTLES_WITHIN)
    disturbed = record(attempts=[attempt()])
    assert not is_sealed(disturbed, LONG_AFTER)
    assert is_sealed(record(attempts=[attempt()], sealed=True), LONG_AFTER)
    assert not is_sealed(record(COMPLETED[:1]), LONG_AFTER)


PENDING = PendingStep("credit", Lane.DURABLE, 4, LONG_AFTER + timedelta(seconds=2.2))


@pytest.mark.parametrize(
    ("told", "what"),
    [
        (Told(True, (), PENDING), "the credit is tried again in 3 s, as attempt 4"),
        (
            Told(True, (), replace(PENDING, next_at=None)),
            "the credit is being tried, attempt 4",
        ),
        (
            Told(True, (), replace(PENDING, lane=Lane.PARKED)),
            "parked: waits for an operator's verb (retry, refund or resolve); "
            "by itself the credit is tried again in 3 s, as attempt 4",
        ),
        (Told(True), "the credit is under way"),
        (Told(False), "no workflow runs; the sweep starts one, which goes on with the credit"),
        (None, "the credit follows as soon as Temporal answers"),
    ],
    ids=str,
)
def test_what_happens_next_is_said_in_plain_words(told: Told | None, what: str) -> None:
    timeline = tell(record(COMPLETED[:1]), OPERATOR, LONG_AFTER, told)
    assert timeline.next is not None
    assert timeline.next.what == what
    due = told.pending.next_at if told and told.pending else None
    assert timeline.next.at == due


def test_a_paused_and_a_batched_transfer_wait_for_others() -> None:
    paused = replace(REFUND, verb="pause", outcome="paused")
    resumed = replace(paused, at=at(16), verb="resume", outcome="running")
    told = Told(True, (), PENDING)
    waits = tell(record(COMPLETED[:1], acts=[paused]), PAYER, LONG_AFTER, told).next
    assert waits is not None
    assert waits.what == "paused: the credit waits for an operator to resume it"
    goes_on = tell(record(COMPLETED[:1], acts=[paused, resumed]), PAYER, LONG_AFTER, told).next
    assert goes_on is not None
    assert goes_on.what == "the credit is tried again in 3 s, as attempt 4"
    item = record(COMPLETED[:1])
    place = BatchPlace("bat_ONE", 0, BatchMode.INDEPENDENT)
    batched = replace(item, transfer=replace(item.transfer, place=place))
    left = tell(batched, PAYER, LONG_AFTER, Told(False)).next
    assert left is not None
    assert left.what == "the credit is taken by its batch"


def test_the_object_has_the_shape_of_the_contract() -> None:
    told = timeline_object(tell(record(COMPLETED[:1]), PAYER, LONG_AFTER, Told(True, (), PENDING)))
    assert list(told) == ["object", "transfer_id", "sealed", "data", "next"]
    names = ["at", "kind", "leg", "attempt", "outcome", "detail", "actor", "duration_ms"]
    assert all(list(row) == names for row in told["data"])
    assert list(told["next"]) == ["what", "at"]


ATTEMPTS = st.lists(
    st.builds(
        attempt,
        st.integers(1, 5),
        st.floats(0, 100),
        activity_id=st.sampled_from(["1", "2", "9"]),
        outcome=st.sampled_from([*AttemptEnd, "applied"]),
    ),
    max_size=12,
)


@given(ATTEMPTS, st.sampled_from([COMPLETED, REFUNDED, NEVER_DEBITED, COMPLETED[:2]]))
def test_any_record_is_told_in_order_and_the_same_twice(
    attempts: list[StepAttempt], legs: tuple[tuple[str, str, str], ...]
) -> None:
    one = seen_by(OPERATOR, legs=legs, attempts=attempts)
    assert [row.at for row in one.rows] == sorted(row.at for row in one.rows)
    assert all(row.duration_ms is None or row.duration_ms >= 0 for row in one.rows)
    assert one == seen_by(OPERATOR, legs=legs, attempts=attempts)
