"""``Prefer``: what asks for a wait, and what is ignored."""

import pytest

from api.preferences import MAX_WAIT_S, parse_wait


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        ("wait=10", 10),
        ("WAIT=1", 1),
        ('wait="5"', 5),
        ("wait = 5", 5),
        ("respond-async, wait=7", 7),
        ("wait=7; strict, return=minimal", 7),
        ("wait=3, wait=9", 3),
        ("wait=30", MAX_WAIT_S),
        ("wait=31", MAX_WAIT_S),
        ("wait=999999999", MAX_WAIT_S),
    ],
)
def test_a_wait_is_honoured_up_to_its_limit(header: str, wait_s: int) -> None:
    assert parse_wait([header]) == wait_s


@pytest.mark.parametrize(
    "header", ["", "wait", "wait=", "wait=0", "wait=-1", "wait=1.5", "wait=ten", "waits=5", "wait5"]
)
def test_what_cannot_be_understood_is_ignored(header: str) -> None:
    assert parse_wait([header]) is None


def test_several_headers_are_one_list() -> None:
    assert parse_wait(["return=minimal", "wait=4"]) == 4
    assert parse_wait([]) is None
