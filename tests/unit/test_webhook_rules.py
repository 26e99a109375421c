"""Who gets which event, under which id, and when it is tried again."""

from base64 import b32encode
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payflow.domain.event_ports import FeedEvent
from payflow.domain.identifiers import Prefix, is_id
from payflow.domain.representation import rfc3339
from payflow.domain.webhook_errors import EventTypeUnknown
from payflow.domain.webhooks import (
    MAX_RETRY_AFTER_S,
    RETRY_AFTER_S,
    Attempt,
    DisabledReason,
    Endpoint,
    EndpointStatus,
    delivery_id,
    is_to_be_disabled,
    wait_before_next,
    wants,
)
from payflow.storage.identity import lowest_id, new_id
from payflow.webhooks.subscriptions import checked_types
from tests.fakes import START

ALICE, BOB = "usr_ALICE", "usr_BOB"
ENDPOINT = Endpoint("whe_1", ALICE, "https://a.example/", ("*",), START, START)
BODY = {
    "id": "evt_1",
    "type": "transfer.completed",
    "created_at": rfc3339(START),
    "sequence": 1,
    "data": {},
}


def happened(**changes: object) -> FeedEvent:
    return FeedEvent(1, {**BODY, **changes}, (ALICE, BOB))


def test_a_deliverys_id_is_made_of_event_and_endpoint_and_sorts_by_the_event() -> None:
    first, later = (new_id(Prefix.EVENT, START + timedelta(seconds=n)) for n in (0, 1))
    one = delivery_id(first, "whe_1")
    assert one == delivery_id(first, "whe_1")
    assert is_id(one, Prefix.DELIVERY)
    assert len({one, delivery_id(first, "whe_2"), delivery_id(later, "whe_1")}) == 3
    assert lowest_id(Prefix.DELIVERY, START) <= one < delivery_id(later, "whe_1")
    assert one < lowest_id(Prefix.DELIVERY, START + timedelta(milliseconds=1))


def test_a_deliverys_id_is_the_same_in_every_version_of_this_program() -> None:
    """Else an event that is handed over again after an upgrade would be delivered twice."""
    event = "evt_01KDVE0A4Q5J7TP7S8R9VWXYZ3"
    bits = sha256(f"{event}>whe_1".encode()).digest()[:10]
    crockford = str.maketrans(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    )
    tail = b32encode(bits).decode().translate(crockford)
    assert delivery_id(event, "whe_1") == f"whd_01KDVE0A4Q{tail}"


@pytest.mark.parametrize(
    ("endpoint", "event", "wanted"),
    [
        (ENDPOINT, happened(), True),
        (replace(ENDPOINT, owner_id="usr_EVE"), happened(), False),
        (replace(ENDPOINT, event_types=("transfer.completed",)), happened(), True),
        (replace(ENDPOINT, event_types=("transfer.failed",)), happened(), False),
        (replace(ENDPOINT, status=EndpointStatus.PAUSED), happened(), True),
        (replace(ENDPOINT, status=EndpointStatus.DISABLED), happened(), False),
        (replace(ENDPOINT, created_at=START + timedelta(seconds=59)), happened(), True),
        (replace(ENDPOINT, created_at=START + timedelta(seconds=60)), happened(), True),
        (replace(ENDPOINT, created_at=START + timedelta(seconds=61)), happened(), False),
        (ENDPOINT, replace(happened(), endpoint_id="whe_2"), False),
        (
            replace(ENDPOINT, event_types=("transfer.failed",)),
            replace(happened(type="endpoint.test"), endpoint_id="whe_1"),
            True,
        ),
        (
            replace(ENDPOINT, owner_id="usr_EVE"),
            replace(happened(type="endpoint.test"), endpoint_id="whe_1"),
            False,
        ),
    ],
)
def test_who_gets_an_event(endpoint: Endpoint, event: FeedEvent, wanted: bool) -> None:
    assert wants(endpoint, event) is wanted


@given(
    tries=st.integers(1, 9),
    drawn=st.floats(0, 1),
    asked_s=st.none() | st.floats(0, 10**9, allow_nan=False),
)
def test_a_wait_is_the_schedules_or_what_was_asked_for_if_longer(
    tries: int, drawn: float, asked_s: float | None
) -> None:
    wait_s = wait_before_next(tries, drawn, asked_s)
    assert wait_s is not None
    usual_s = RETRY_AFTER_S[tries - 1]
    assert wait_s >= usual_s * 0.9 - 1e-6
    assert wait_s >= min(asked_s or 0, MAX_RETRY_AFTER_S)
    assert wait_s <= max(usual_s * 1.1, min(asked_s or 0, MAX_RETRY_AFTER_S)) + 1e-6


def test_a_rehearsal_goes_at_its_own_pace() -> None:
    assert wait_before_next(1, 0.5, None, pace=0.01) == pytest.approx(0.05)
    assert wait_before_next(1, 0.5, 3, pace=0.01) == 3


def test_after_ten_attempts_there_is_no_next() -> None:
    assert wait_before_next(10, 0.5, 60) is None


@pytest.mark.parametrize(
    ("code", "failing_for", "reason"),
    [
        (500, timedelta(days=5), DisabledReason.FAILING),
        (500, timedelta(days=4, hours=23), None),
        (200, timedelta(days=9), None),
        (410, timedelta(0), DisabledReason.GONE),
    ],
)
def test_when_an_endpoint_is_disabled(
    code: int, failing_for: timedelta, reason: DisabledReason | None
) -> None:
    failing = replace(ENDPOINT, failing_since=START)
    attempt = Attempt(START + failing_for, 1, code)
    assert is_to_be_disabled(failing, attempt, timedelta(days=5)) is reason


def test_event_types_are_known_and_each_is_there_once() -> None:
    assert checked_types(["transfer.failed", "transfer.failed"]) == ("transfer.failed",)
    assert checked_types(["transfer.failed", "*"]) == ("*",)
    with pytest.raises(EventTypeUnknown, match=r"transfer\.completed"):
        checked_types(["transfer.failed", "transfer.sent"])
