"""Values at the ends of what can be written, in every query, path and time: never a 5xx."""

import asyncio
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from api.app import routed_app
from payflow.settings import Settings
from tests.e2e.bank import Bank, Json, Person, new_key

pytestmark = pytest.mark.parametrize("stack", ["pair"], indirect=True)

TIMES = [
    "9999-12-31T23:59:59.999Z",
    "9999-12-31T23:59:59.999999999Z",
    "9999-12-31T23:59:59-23:59",
    "9999-12-31T00:00:00+23:59",
    "1970-01-01T00:00:00Z",
    "1970-01-01T00:00:00+23:59",
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+23:59",
    "0000-01-01T00:00:00Z",
    "10000-01-01T00:00:00Z",
    "99999999999999999999-01-01T00:00:00Z",
    "2026-02-30T00:00:00Z",
    "2026-01-01T24:00:00Z",
    "2026-01-01T00:00:60Z",
    "2026-01-01T00:00:00+99:99",
]
NUMBERS = [
    "-1",
    "0",
    str(2**31),
    str(2**53 + 1),
    str(2**63 - 1),
    str(2**63),
    "99999999999999999999",
    "9" * 5_000,
    "1e999",
    "NaN",
    "-Infinity",
    "٣",
]
TEXTS = ["", " ", "\x00", "\ufffd", "é" * 500, "../..", "$where", "{}", "trf_" + "7" + "Z" * 25]
EXTREMES = [*TIMES, *NUMBERS, *TEXTS, "9999-12-31", "9999-12-31T235959Z", "0000-00-00"]
# What never ends is asked for with what is refused alone; a fault rule would break what follows.
STREAMS = ("/v1/events/stream", "/v1/transfers/{transfer_id}/events")

DOCUMENT: Json = routed_app(Settings()).openapi()
READS = {path: calls["get"] for path, calls in DOCUMENT["paths"].items() if "get" in calls}


def queries() -> Iterator[tuple[str, str]]:
    """Every parameter of a query of every call that reads."""
    for path, call in READS.items():
        for one in call.get("parameters", ()):
            if one["in"] == "query" and path not in STREAMS:
                yield path, one["name"]


async def right_ids(bank: Bank) -> tuple[Person, dict[str, str]]:
    """An account that has one of each thing, and their ids by the names of the parameters."""
    alice, bob = await bank.funded(100), await bank.person("bob")
    sent = await bank.send(alice, bob, 10, wait_s=20)
    made = await bank.ask(
        "POST",
        "/v1/webhook-endpoints",
        alice,
        body={"url": "https://hooks.example.com/", "event_types": ["*"]},
    )
    return alice, {
        "transfer_id": sent["id"],
        "wallet_id": alice.wallet_id,
        "endpoint_id": made.json()["id"],
        "user_id": alice.user_id,
    }


def filled(path: str, ids: dict[str, str], odd: str = "none") -> str:
    return re.sub(r"\{(\w+)\}", lambda found: ids.get(found[1], odd), path)


async def failing(bank: Bank, targets: list[str], who: Person) -> list[tuple[str, int, str]]:
    """Those that are answered with a server error; a few at a time, or some would be refused."""
    left, failed = iter(targets), []

    async def ask() -> None:
        for target in left:
            answer = await bank.ask("GET", target, who)
            if answer.status_code >= 500:
                failed.append((target[:150], answer.status_code, answer.text[:200]))

    await asyncio.gather(*(ask() for _ in range(6)))
    return failed


@pytest.mark.parametrize("role", ["alice", "operator"])
async def test_no_query_is_a_server_error(bank: Bank, operator: Person, role: str) -> None:
    alice, ids = await right_ids(bank)
    targets = [
        f"{filled(path, ids)}?{name}={quote(value, safe='')}"
        for path, name in queries()
        for value in EXTREMES
    ]
    assert len(targets) > 500
    assert not await failing(bank, targets, alice if role == "alice" else operator)


async def test_no_path_is_a_server_error(bank: Bank, operator: Person) -> None:
    segments = [quote(value, safe="") for value in EXTREMES if value and "/" not in value]
    targets = [filled(path, {}, one) for path in READS if "{" in path for one in segments]
    assert not await failing(bank, targets, operator)


@pytest.mark.parametrize(
    "value", [one for one in [*NUMBERS, *TIMES] if one != "0" and one.isascii()]
)
async def test_a_last_event_id_that_the_feed_has_not_reached_is_refused(
    bank: Bank, value: str
) -> None:
    alice = await bank.person()
    headers = {"Last-Event-ID": value}
    answer = await bank.ask("GET", "/v1/events/stream", alice, headers=headers)
    assert answer.status_code in (422, 431), answer.text
    answer = await bank.ask("GET", f"/v1/events/stream?after={quote(value)}", alice)
    assert answer.status_code in (422, 414), answer.text


async def test_no_time_in_a_body_is_a_server_error(bank: Bank, operator: Person) -> None:
    alice, ids = await right_ids(bank)
    replay = f"/v1/webhook-endpoints/{ids['endpoint_id']}/replay"
    taken: dict[str, list[Any]] = {}
    for time in [*TIMES, *NUMBERS, 2**63, -(2**63), 10**400, 1e308]:
        for path, body in (
            (replay, {"since": time}),
            ("/v1/api-keys", {"name": "k", "scopes": ["transfers:read"], "expires_at": time}),
        ):
            answer = await bank.ask(
                "POST", path, alice, body=body, headers={"Idempotency-Key": new_key()}
            )
            assert answer.status_code < 500, (path, time, answer.text)
            if answer.is_success:
                taken.setdefault(path, []).append(time)
    assert "1970-01-01T00:00:00Z" in taken[replay]


async def test_a_time_at_the_end_of_the_calendar_is_a_time(bank: Bank) -> None:
    alice, ids = await right_ids(bank)
    last = "9999-12-31T23:59:59.999Z"
    for query, expected in (
        (f"created_after={last}", []),
        (f"created_before={last}", [ids["transfer_id"]]),
        ("created_after=1970-01-01T00:00:00Z", [ids["transfer_id"]]),
        ("created_before=1970-01-01T00:00:00Z", []),
    ):
        answer = await bank.ask("GET", f"/v1/transfers?{query}", alice)
        assert answer.status_code == 200, answer.text
        assert [one["id"] for one in answer.json()["data"]] == expected
