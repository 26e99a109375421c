"""The client's rules: what is made again, when, and that its types are the API's answers."""

import subprocess
import sys
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, get_args, get_type_hints

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from api.v1 import answers as told
from api.v1 import webhook_schemas
from payflow.client import (
    ProblemError,
    Retries,
    SignatureInvalid,
    answers,
    calls,
    errors,
    verified_event,
)
from payflow.client.call import Call
from payflow.webhooks.signing import new_secret, secret_bytes, signed_headers

RETRIES = Retries(attempts=4)
KEYED: Call[Any] = calls.deposit("wal_1", 5, "USD")
READ: Call[Any] = calls.me()
KEYLESS: Call[Any] = calls.register(email="a@example.com", password="x" * 8, name="Alice")
LOST = httpx.ReadError("the line went dead")
NEVER_SENT = httpx.ConnectError("nobody is there")


def answer(status: int, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, headers=named)


@pytest.mark.parametrize(
    ("call", "outcome", "again"),
    [
        (KEYED, LOST, True),
        (READ, LOST, True),
        (KEYLESS, LOST, False),
        (KEYLESS, NEVER_SENT, True),
        (KEYED, answer(503), True),
        (KEYLESS, answer(503), False),
        (KEYLESS, answer(429), True),
        (calls.refresh("pfr_1"), answer(503), False),
        (calls.login("a@example.com", "x"), LOST, True),
        (KEYED, answer(500), False),
        (KEYED, answer(422), False),
        (KEYED, answer(201), False),
    ],
)
def test_only_what_cannot_be_done_twice_is_made_again(
    call: Call[Any], outcome: httpx.Response | httpx.TransportError, again: bool
) -> None:
    assert (RETRIES.pause_s(call, outcome, 1) is not None) is again


def test_an_end_comes_to_every_patience() -> None:
    pauses = [RETRIES.pause_s(KEYED, LOST, attempt) for attempt in range(1, 6)]

    assert [pause is None for pause in pauses] == [False, False, False, True, True]


@given(attempt=st.integers(1, 5_000))
def test_pauses_grow_and_end(attempt: int) -> None:
    patient = Retries(attempts=10_000, first_pause_s=0.5, longest_pause_s=4)
    pause_s = patient.pause_s(KEYED, LOST, attempt)

    assert pause_s is not None
    assert 0 <= pause_s <= min(4, 0.5 * 2 ** min(attempt - 1, 10))


def test_retry_after_is_waited_out_but_not_for_ever() -> None:
    pause_s = RETRIES.pause_s(KEYED, answer(503, retry_after="7"), 1)

    assert pause_s is not None
    assert 7 <= pause_s <= 7.2
    assert RETRIES.pause_s(KEYED, answer(503, retry_after="61"), 1) is None


def test_retry_after_may_be_a_date() -> None:
    soon = datetime.fromtimestamp(datetime.now(UTC).timestamp() + 30, UTC)  # noqa: TID251

    pause_s = RETRIES.pause_s(KEYED, answer(429, retry_after=format_datetime(soon)), 1)

    assert pause_s is not None
    assert 25 < pause_s <= 30.2


@given(st.text())
def test_any_retry_after_is_waited_out_or_ends_the_attempts(text: str) -> None:
    printable = text.encode("ascii", "replace").decode().replace("\n", "").replace("\r", "")
    pause_s = RETRIES.pause_s(KEYED, answer(503, retry_after=printable), 1)

    assert pause_s is None or 0 <= pause_s <= 60.2


@pytest.mark.parametrize(
    "text", ["Mon, 01 Jan 2024 99999999999999999999:00:00 GMT", "Mon, 01 Jan 1 00:00:00 +99999999"]
)
def test_a_retry_after_that_cannot_be_understood_is_as_if_absent(text: str) -> None:
    pause_s = RETRIES.pause_s(KEYED, answer(503, retry_after=text), 1)

    assert pause_s is not None
    assert 0 <= pause_s <= 0.2


def test_a_key_is_made_once_for_all_attempts_and_anew_for_each_call() -> None:
    first, second = calls.deposit("wal_1", 5, "USD"), calls.deposit("wal_1", 5, "USD")

    assert first.headers == first.headers
    assert first.key != second.key
    assert calls.deposit("wal_1", 5, "USD", key="order-1").key == "order-1"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, errors.Unauthenticated),
        (403, errors.Forbidden),
        (404, errors.Missing),
        (409, errors.Conflict),
        (422, errors.Invalid),
        (429, errors.RateLimited),
        (503, errors.ServerTrouble),
        (418, ProblemError),
    ],
)
def test_an_error_is_what_its_status_says(status: int, kind: type[ProblemError]) -> None:
    problem = {"code": "some_code", "detail": "Because.", "request_id": "req_1"}
    error = errors.problem_of(httpx.Response(status, json=problem))

    assert type(error) is kind
    assert (error.status, error.code, error.detail) == (status, "some_code", "Because.")
    assert errors.problem_of(httpx.Response(status, text="<h1>Bad gateway</h1>")).code == "unknown"


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (told.UserAnswer, answers.User),
        (told.WalletAnswer, answers.Wallet),
        (told.TokensAnswer, answers.Tokens),
        (told.RegistrationAnswer, answers.Registration),
        (told.MovementAnswer, answers.Movement),
        (told.EntryAnswer, answers.Entry),
        (told.FailureAnswer, answers.Failure),
        (told.TransferAnswer, answers.Transfer),
        (told.CountsAnswer, answers.Counts),
        (told.BatchAnswer, answers.Batch),
        (told.ItemAnswer, answers.BatchItem),
        (told.EventAnswer, answers.Event),
        (webhook_schemas.EndpointAnswer, answers.Endpoint),
        (webhook_schemas.EndpointSecretAnswer, answers.EndpointWithSecret),
        (webhook_schemas.AttemptAnswer, answers.Attempt),
        (webhook_schemas.DeliveryAnswer, answers.Delivery),
    ],
    ids=lambda thing: thing.__name__,
)
def test_the_types_are_those_of_the_api(model: type[BaseModel], shape: type) -> None:
    hints = get_type_hints(shape)

    assert set(hints) == set(model.model_fields)
    for name, field in model.model_fields.items():
        theirs, ours = get_args(field.annotation), get_args(hints[name])
        assert (type(None) in theirs) == (type(None) in ours), name


def test_a_webhook_is_verified_before_it_is_believed() -> None:
    body, secret = b'{"id": "evt_1", "type": "transfer.completed"}', new_secret()
    now = datetime(2026, 1, 31, 12, tzinfo=UTC)
    headers = signed_headers("evt_1", now, body, [secret_bytes(secret)])

    assert verified_event(headers, body, secret, now=now)["type"] == "transfer.completed"
    with pytest.raises(SignatureInvalid):
        verified_event(headers, body + b" ", secret, now=now)
    with pytest.raises(SignatureInvalid):
        verified_event(headers, body, secret)  # of long ago


def test_the_client_comes_with_no_server_of_ours() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import payflow.client, sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    imported = {name.partition(".")[0] for name in done.stdout.split()}
    assert "httpx" in imported
    assert not imported & {
        "beanie", "cryptography", "fastapi", "loguru", "pydantic", "pymongo", "redis",
        "starlette", "temporalio",
    }  # fmt: skip
