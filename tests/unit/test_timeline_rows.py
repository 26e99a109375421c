"""The rows of a timeline, word for word: what operators, payers and payees read of a story."""

from dataclasses import replace
from datetime import timedelta

import pytest

from payflow.domain.attempts import AttemptEnd, Lane
from payflow.domain.ports import Origin
from payflow.domain.timeline import tell, timeline_object
from payflow.domain.timeline_ports import ActOnTransfer, PendingStep, TimelineRecord, Told
from payflow.domain.timeline_rows import (
    SETTLES_WITHIN,
    Row,
    RowKind,
    closed_at,
    ordinary_attempts,
    row_object,
)
from payflow.domain.users import Principal
from payflow.domain.webhooks import Attempt, DeliveryStatus
from tests.fakes import START
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
A_MILLISECOND = timedelta(milliseconds=1)
DUE = PendingStep("credit", Lane.DURABLE, 4, LONG_AFTER + timedelta(seconds=2))


def in_words(row: Row) -> str:
    """A row as one line: when, what, then whatever it says."""
    ms = (row.at - START) // A_MILLISECOND
    number = f"#{row.attempt}" if row.attempt is not None else None
    took = f"({row.duration_ms} ms)" if row.duration_ms is not None else None
    by = f"by {row.actor}" if row.actor else None
    said = f"| {row.detail}" if row.detail is not None else None
    parts = [f"{ms:>3}", row.kind.value, row.leg, number, row.outcome, took, by, said]
    return " ".join(part for part in parts if part is not None)


def read_by(viewer: Principal, story: TimelineRecord) -> list[str]:
    return [in_words(row) for row in tell(story, viewer, LONG_AFTER, None).rows]


def story() -> TimelineRecord:
    """A credit that does not answer, is parked, voided by an operator, and sent home."""
    tried = [
        attempt(1, 0.012, activity_id="2", lane=Lane.FAST, failure="OSError: mongo-7 is away"),
        attempt(
            1,
            0.013,
            activity_id="3",
            outcome=AttemptEnd.TIMED_OUT,
            ended_at=None,
            reckoned=True,
        ),
        attempt(
            1,
            0.017,
            activity_id="4",
            lane=Lane.PARKED,
            outcome="voided",
            settles=True,
            ended_at=at(20),
        ),
    ]
    acts = [
        ActOnTransfer(at(15), "pause", "usr_OPERATOR", "look first", "paused"),
        ActOnTransfer(
            at(16), "resolve", "usr_OPERATOR", "a letter", "refunded", "usr_SECOND", "credit"
        ),
    ]
    gone, fine = Attempt(at(40), 7, error="connection refused"), Attempt(at(50), 5, 204)
    sent = [delivery(PAYER, gone, fine), delivery(PAYEE)]
    sent = [replace(one, event_type="transfer.failed") for one in sent]
    told = record(REFUNDED, attempts=tried, acts=acts, deliveries=sent)
    ordered, debit, credit, refund = told.journal
    mark = replace(ordered, leg="park", at=at(14), sequence=3, status="debited")
    mark = replace(mark, event_id="evt_9", event_type="transfer.needs_attention")
    credit = replace(credit, sequence=4, outcome="voided", code="cancelled_by_operator")
    credit = replace(credit, origin=replace(credit.origin, activity_id="4"))
    refund = replace(refund, sequence=5, origin=replace(refund.origin, activity_id="5"))
    return replace(told, journal=[ordered, debit, mark, credit, refund])


THE_STORY = """\
  0 state initiated
  0 event transfer.initiated | evt_1, sequence 1
  0 attempt debit #1 applied (10 ms) | fast lane
 10 state debit debited (10 ms)
 10 entry debit applied | ent_1: wal_ALICE -100, transit:trf_ONE +100 USD; balance after 900
 10 event debit transfer.debited | evt_2, sequence 2
 12 attempt credit #1 failed (10 ms) | fast lane; OSError: mongo-7 is away
 13 attempt credit #1 timed_out | durable lane; the time is by the retry policy
 14 state needs_attention (4 ms) | the credit does not answer
 14 event transfer.needs_attention | evt_9, sequence 3
 15 operator paused by usr_OPERATOR | pause: look first
 16 operator refunded by usr_OPERATOR | resolve credit: a letter, approved by usr_SECOND
 17 attempt credit #1 voided (3 ms) | settles it, parked lane
 20 state credit refunding (6 ms) | cancelled_by_operator
 20 event credit transfer.refunding | evt_3, sequence 4
 20 attempt refund #1 applied (10 ms) | fast lane
 30 state refund failed (10 ms)
 30 entry refund applied | ent_3: wal_ALICE +100, transit:trf_ONE -100 USD; balance after 900
 30 event refund transfer.failed | evt_4, sequence 5
 35 delivery pending | transfer.failed to whe_usr_BOB; held back while paused
 40 delivery #1 failed (7 ms) | transfer.failed to whe_usr_ALICE: connection refused
 50 delivery #2 succeeded (5 ms) | transfer.failed to whe_usr_ALICE: 204
"""
NOT_FOR_PARTIES = {
    "; OSError: mongo-7 is away": "; no answer",
    "by usr_OPERATOR | pause: look first": "by operator | pause",
    "by usr_OPERATOR | resolve credit: a letter, approved by usr_SECOND": "by operator | resolve",
}


def for_parties(rows: str) -> str:
    for words, instead in NOT_FOR_PARTIES.items():
        rows = rows.replace(words, instead)
    return rows


def without(rows: str, *parts: str) -> list[str]:
    return [row for row in rows.splitlines() if not any(part in row for part in parts)]


def test_an_operator_reads_the_whole_story() -> None:
    assert read_by(OPERATOR, story()) == THE_STORY.splitlines()


def test_a_payer_reads_it_without_the_operators_words_and_without_the_payees_mail() -> None:
    assert read_by(PAYER, story()) == without(for_parties(THE_STORY), "whe_usr_BOB")


def test_a_payee_reads_no_balance_of_the_payer_and_nothing_that_was_sent_to_them() -> None:
    told = for_parties(THE_STORY).replace("; balance after 900", "")
    # an order and a wait are between the payer and us
    hidden = "whe_usr_ALICE", "transfer.initiated", "transfer.needs_attention"
    assert read_by(PAYEE, story()) == without(told, *hidden)


def test_one_row_is_spelt_as_the_contract_says() -> None:
    row = Row(at(1), RowKind.ATTEMPT, "debit", 2, "failed", "fast lane", "usr_OPERATOR", 7, 3)
    assert row_object(row) == {
        "at": "2026-01-01T00:00:00.001Z",
        "kind": "attempt",
        "leg": "debit",
        "attempt": 2,
        "outcome": "failed",
        "detail": "fast lane",
        "actor": "usr_OPERATOR",
        "duration_ms": 7,
    }


def test_a_timeline_is_spelt_as_the_contract_says() -> None:
    told = tell(record(COMPLETED[:1]), PAYER, LONG_AFTER, Told(True, (), DUE))
    spelt = timeline_object(told)
    assert spelt.pop("data") == [row_object(row) for row in told.rows]
    assert spelt == {
        "object": "timeline",
        "transfer_id": "trf_ONE",
        "sealed": False,
        "next": {
            "what": "the credit is tried again in 2 s, as attempt 4",
            "at": "2026-01-01T00:01:02.000Z",
        },
    }
    under_way = tell(record(COMPLETED[:1]), PAYER, LONG_AFTER, Told(True))
    assert timeline_object(under_way)["next"] == {"what": "the credit is under way", "at": None}
    assert timeline_object(tell(record(), PAYER, LONG_AFTER, None))["next"] is None


def test_an_attempt_that_began_after_the_close_is_not_told() -> None:
    close = closed_at(record().transfer)
    assert close == at(30) + SETTLES_WITHIN
    in_time, late = (
        attempt(1, activity_id=name, started_at=moment, ended_at=None)
        for name, moment in (("8", close), ("9", close + A_MILLISECOND))
    )
    told = read_by(OPERATOR, record(attempts=[late, in_time]))
    assert [row for row in told if "durable" in row] == [
        "3030 attempt credit #1 failed | durable lane"
    ]
    running = record(COMPLETED[:1], attempts=[replace(late, started_at=LONG_AFTER)])
    assert any("durable" in row for row in read_by(OPERATOR, running))


def test_an_act_at_the_close_is_told_and_one_after_it_is_not() -> None:
    close = at(30) + SETTLES_WITHIN
    act = ActOnTransfer(close, "pause", "usr_OPERATOR", "look first", "paused")
    late = replace(act, at=close + A_MILLISECOND, reason="too late")
    told = read_by(OPERATOR, record(acts=[act, late]))
    assert told[-1] == "3030 operator paused by usr_OPERATOR | pause: look first"
    assert not any("too late" in row for row in told)


@pytest.mark.parametrize(
    ("noted", "row"),
    [
        ({"actor": "temporal", "reason": "cancelled"}, "refunded by temporal | refund: cancelled"),
        ({"actor": "temporal"}, "done by temporal | refund: "),
        ({"actor": "usr_SECOND", "reason": "a letter"}, None),
        ({"actor": "usr_OPERATOR", "reason": "a letter"}, None),
        ({"reason": "a rehearsal"}, None),
    ],
)
def test_who_went_past_us_is_told_once(noted: dict[str, str], row: str | None) -> None:
    agreed = ActOnTransfer(at(15), "resolve", "usr_OPERATOR", "why", "refunded", "usr_SECOND")
    told = record(REFUNDED, acts=[agreed])
    journal = list(told.journal)
    outcome = "refunded" if "reason" in noted else None
    journal[2] = replace(journal[2], note=noted, outcome=outcome)
    rows = read_by(OPERATOR, replace(told, journal=journal))
    acts = [one for one in rows if "operator" in one.split()]
    first = " 15 operator refunded by usr_OPERATOR | resolve: why, approved by usr_SECOND"
    assert acts == [first, *([f" 20 operator {row}"] if row else [])]


def test_a_step_whose_attempt_failed_goes_on_from_that_failure() -> None:
    failed = attempt(1, activity_id="8", started_at=at(11), ended_at=at(14), lane=Lane.FAST)
    hanging = replace(failed, activity_id="9", started_at=at(12), ended_at=None)
    of_another = replace(failed, activity_id="7", leg="post", ended_at=at(17))
    after_it = replace(failed, activity_id="6", ended_at=at(25))
    attempts = [failed, hanging, of_another, after_it]
    told = read_by(OPERATOR, record(attempts=attempts))
    assert " 14 attempt credit #1 applied (6 ms) | fast lane" in told


def test_an_ordinary_attempt_is_the_one_the_journal_names_and_else_the_first() -> None:
    told = record()
    journal = list(told.journal)
    journal[1] = replace(journal[1], origin=Origin("transfer/x", "run-0", "1", 2))
    journal[3] = replace(journal[3], origin=Origin())
    attempts = ordinary_attempts(replace(told, journal=journal))
    assert [one.key for one in attempts] == [("run-0", "1", 2), ("run-1", "2", 1), ("", "", 1)]


def test_a_step_takes_no_time_when_nothing_stands_before_it() -> None:
    told = record(NEVER_DEBITED)
    only = replace(told, journal=told.journal[1:])
    assert read_by(OPERATOR, only)[0] == " 10 attempt debit #1 refused (0 ms) | fast lane"


def test_what_led_to_an_answer_stands_before_it_and_what_followed_after() -> None:
    """All of it in one moment: only the order tells what came first."""
    told = record(REFUNDED[:2], attempts=[attempt(1, 0, activity_id="9", leg="refund")])
    at_once = [replace(one, at=START) for one in reversed(told.journal)]
    act = ActOnTransfer(START, "retry", "usr_OPERATOR", "why", "running")
    sent = [delivery(PAYER, Attempt(START, 5, 204)), delivery(PAYEE, created_at=START)]
    whole = replace(told, journal=at_once, acts=[act], deliveries=sent)
    assert [line.split(" |")[0][4:] for line in read_by(OPERATOR, whole)] == [
        "state initiated",
        "event transfer.initiated",
        "attempt debit #1 applied (0 ms)",
        "state debit debited (0 ms)",
        "entry debit applied",
        "event debit transfer.debited",
        "attempt credit #1 refused (0 ms)",
        "state credit refunding (0 ms)",
        "event credit transfer.refunding",
        "attempt refund #1 failed (10 ms)",
        "operator running by usr_OPERATOR",
        "delivery #1 succeeded (5 ms)",
        "delivery pending",
    ]


@pytest.mark.parametrize(
    ("fields", "rows"),
    [
        ({}, [" 35 delivery pending", "; held back while paused"]),
        (
            {"next_attempt_at": at(60)},
            [" 35 delivery pending", "; attempt due 2026-01-01T00:00:00.060Z"],
        ),
        ({"status": DeliveryStatus.CANCELLED}, [" 35 delivery cancelled", ""]),
    ],
)
def test_a_delivery_nobody_tried_yet_says_why(fields: dict[str, object], rows: list[str]) -> None:
    told = read_by(OPERATOR, record(deliveries=[delivery(PAYER, **fields)]))
    start, end = rows
    assert told[-1] == f"{start} | transfer.completed to whe_usr_ALICE{end}"


def test_a_delivery_that_failed_once_and_waits_says_both() -> None:
    waits = delivery(
        PAYER, Attempt(at(40), 7), status=DeliveryStatus.PENDING, next_attempt_at=at(90)
    )
    assert read_by(OPERATOR, record(deliveries=[waits]))[-2:] == [
        " 35 delivery pending | transfer.completed to whe_usr_ALICE; "
        "attempt due 2026-01-01T00:00:00.090Z",
        " 40 delivery #1 failed (7 ms) | transfer.completed to whe_usr_ALICE: ?",
    ]


def test_deliveries_of_one_moment_stand_in_the_order_of_their_ids() -> None:
    sent = [delivery(PAYEE), delivery(PAYER)]
    told = read_by(OPERATOR, record(deliveries=sent))
    assert told == read_by(OPERATOR, record(deliveries=sent[::-1]))
    assert ["ALICE" in row for row in told[-2:]] == [True, False]


def test_who_pays_themselves_reads_both_balances() -> None:
    told = record()
    subject = replace(told.transfer, payee_id=PAYER.user_id)
    balances = [row for row in read_by(PAYER, replace(told, transfer=subject)) if "balance" in row]
    assert len(balances) == 2


def test_a_stranger_reads_no_balance_no_event_and_no_delivery() -> None:
    eve = replace(PAYER, user_id="usr_EVE")
    told = " ".join(read_by(eve, record(deliveries=[delivery(PAYER)])))
    assert not {"balance", "event", "delivery"} & set(told.split())
    assert "entry debit applied" in told


def test_an_entry_without_a_balance_says_none() -> None:
    told = record(COMPLETED[:1])
    journal = [told.journal[0], replace(told.journal[1], balance_after=None)]
    (entry,) = [row for row in read_by(OPERATOR, replace(told, journal=journal)) if "entry" in row]
    assert entry == " 10 entry debit applied | ent_1: wal_ALICE -100, transit:trf_ONE +100 USD"


def test_a_clock_that_went_back_makes_no_negative_time() -> None:
    told = record(COMPLETED[:1])
    journal = [told.journal[0], replace(told.journal[1], at=START - A_MILLISECOND)]
    state = next(r for r in read_by(OPERATOR, replace(told, journal=journal)) if "debited" in r)
    assert state == " -1 state debit debited (0 ms)"
