"""``Retry-After`` of any server: a number of seconds, a date, or nothing."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payflow.domain.http_answers import retry_after_s

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DATES = st.from_regex(
    r"\A(Mon, )?[0-9]{1,22}[ -](Jan|Feb|Foo)[ -][0-9]{1,22} [0-9]{1,22}:[0-9]{1,22}:[0-9.]{1,22}"
    r" (GMT|EST|[+-][0-9]{1,22}|)\Z"
)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 120\t", 120.0),
        ("0", 0.0),
        ("00000000000120", 120.0),
        ("99999999999999999999", 10.0**10),
        ("9" * 5_000, 10.0**10),
        (format_datetime(datetime(2026, 1, 1, 0, 1, tzinfo=UTC), usegmt=True), 60.0),
        (format_datetime(datetime(2025, 1, 1, tzinfo=UTC), usegmt=True), 0.0),
        ("Thu, 01 Jan 2026 00:01:00 +0100", 0.0),
        ("Thu, 01 Jan 2026 00:01:00 -0000", 60.0),
        ("Thursday, 01-Jan-26 00:01:00 GMT", 60.0),
        ("Thu Jan  1 00:01:00 2026", 60.0),
        ("Mon, 01 Jan 2024 99999999999999999999:00:00 GMT", None),
        ("Mon, 01 Jan 2024 00:00:00 +99999999999999999999", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("\ud800", None),
        ("", None),
        (None, None),
    ],
    ids=lambda one: ascii(one)[:40],
)
def test_retry_after_in_seconds_or_as_a_date_is_understood(
    value: str | None, seconds: float | None
) -> None:
    assert retry_after_s(value, NOW) == seconds


@given(st.text(max_size=80) | DATES | st.binary(max_size=80).map(lambda raw: raw.decode("latin-1")))
def test_any_retry_after_is_seconds_or_nothing(text: str) -> None:
    seconds = retry_after_s(text, NOW)

    assert seconds is None or timedelta() <= timedelta(seconds=seconds)
