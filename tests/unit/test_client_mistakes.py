"""A caller's mistake is refused before anything is sent, with the field; and never repeated."""

import math
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import httpx
import pytest

from api.v1.examples import TRANSFER_ANSWER as TRANSFER
from payflow.client import (
    AsyncClient,
    CallInvalid,
    Client,
    Conflict,
    Forbidden,
    Invalid,
    Missing,
    ProblemError,
    Retries,
    Unauthenticated,
)
from payflow.client.call import Call
from tests.webhooks.receivers import receiver

Ask = Callable[[Client], Any]
URL = "http://api.example.com"
ORDER: dict[str, Any] = {
    "source_wallet_id": "wal_1",
    "destination_wallet_id": "wal_2",
    "amount": 1250,
    "currency": "USD",
}


class Server(httpx.MockTransport):
    """Keeps what it was sent, and answers all of it alike."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__(self.take)
        self.requests: list[httpx.Request] = []
        self._answer = answer

    def take(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return httpx.Response(
            self._answer.status_code, headers=self._answer.headers, content=self._answer.content
        )


def client_of(server: httpx.BaseTransport, *, url: str = URL, **more: Any) -> Client:
    http = httpx.Client(transport=server, **more)
    return Client(url, http=http, retries=Retries(attempts=3, first_pause_s=0))


WITH_A_KEY: dict[str, Callable[[Client, Any], Any]] = {
    "make_transfer": lambda client, key: client.make_transfer(**ORDER, key=key),
    "make_batch": lambda client, key: client.make_batch([ORDER], key=key),
    "deposit": lambda client, key: client.deposit("wal_1", 5, "USD", key=key),
    "withdraw": lambda client, key: client.withdraw("wal_1", 5, "USD", key=key),
}


@pytest.mark.parametrize("ask", WITH_A_KEY.values(), ids=WITH_A_KEY)
@pytest.mark.parametrize(
    "key", ["", " ", "a ", " a", "k" * 256, "line\nbreak", "tab\t", "nul\x00", "é", "\ud800", 7]
)
def test_a_key_that_is_none_is_refused(ask: Callable[[Client, Any], Any], key: Any) -> None:
    server = Server(httpx.Response(201, json=TRANSFER))
    with pytest.raises(CallInvalid) as refused:
        ask(client_of(server), key)
    assert refused.value.field == "key"
    assert str(refused.value).startswith("key: must be 1 to 255")
    assert not server.requests


@pytest.mark.parametrize("key", ["k", "k" * 255, "order 4711", "a/b?c#d%2e"])
def test_a_good_key_is_sent_as_it_is(key: str) -> None:
    server = Server(httpx.Response(201, json=TRANSFER))
    client_of(server).make_transfer(**ORDER, key=key)
    assert [one.headers["idempotency-key"] for one in server.requests] == [key]


def test_without_a_key_each_call_has_its_own() -> None:
    server = Server(httpx.Response(201, json=TRANSFER))
    client = client_of(server)
    client.make_transfer(**ORDER)
    client.make_transfer(**ORDER, key=None)
    assert len({one.headers["idempotency-key"] for one in server.requests}) == 2


WITH_AN_ID: dict[str, tuple[str, Callable[[Client, Any], Any]]] = {
    "wallet": ("wallet_id", lambda client, one: client.wallet(one)),
    "entries": ("wallet_id", lambda client, one: list(client.entries(one))),
    "deposit": ("wallet_id", lambda client, one: client.deposit(one, 5, "USD")),
    "withdraw": ("wallet_id", lambda client, one: client.withdraw(one, 5, "USD")),
    "transfer": ("transfer_id", lambda client, one: client.transfer(one)),
    "receipt": ("transfer_id", lambda client, one: client.receipt(one)),
    "batch": ("batch_id", lambda client, one: client.batch(one)),
    "batch_items": ("batch_id", lambda client, one: list(client.batch_items(one))),
    "delete_endpoint": ("endpoint_id", lambda client, one: client.delete_endpoint(one)),
    "deliveries": ("endpoint_id", lambda client, one: list(client.deliveries(one))),
}


@pytest.mark.parametrize(("field", "ask"), WITH_AN_ID.values(), ids=WITH_AN_ID)
@pytest.mark.parametrize(
    "wrong",
    [
        "",
        ".",
        "..",
        "../api-keys/key_1",
        "a/b",
        "a%2Fb",
        "a?b=c",
        "a#b",
        "a b",
        "a\n",
        "é",
        "x" * 65,
        None,
        7,
    ],
)
def test_an_id_is_one_segment_of_the_path(
    field: str, ask: Callable[[Client, Any], Any], wrong: Any
) -> None:
    server = Server(httpx.Response(204))
    with pytest.raises(CallInvalid) as refused:
        ask(client_of(server), wrong)
    assert refused.value.field == field
    assert not server.requests


@pytest.mark.parametrize(("field", "ask"), WITH_AN_ID.values(), ids=WITH_AN_ID)
def test_a_good_id_is_in_the_path(field: str, ask: Callable[[Client, Any], Any]) -> None:
    server = Server(httpx.Response(404, json={"code": "not_found"}))
    with pytest.raises(Missing):
        ask(client_of(server), "abc_01KDVE0A4Q5J7TP7S8R9VWXYZ1")
    (request,) = server.requests
    assert "/abc_01KDVE0A4Q5J7TP7S8R9VWXYZ1" in request.url.path


def circular() -> list[object]:
    found: list[object] = []
    found.append(found)
    return found


@pytest.mark.parametrize(
    ("ask", "field"),
    [
        (lambda c: c.make_transfer(**{**ORDER, "amount": {1, 2}}), "amount"),
        (lambda c: c.make_transfer(**{**ORDER, "amount": math.nan}), "amount"),
        (lambda c: c.make_transfer(**{**ORDER, "currency": b"USD"}), "currency"),
        (lambda c: c.make_transfer(**ORDER, description="\ud800"), "description"),
        (lambda c: c.make_transfer(**ORDER, metadata={"order": object()}), "metadata"),
        (lambda c: c.make_transfer(**ORDER, metadata={(1, 2): "order"}), "metadata"),
        (lambda c: c.make_transfer(**ORDER, metadata={"order": circular()}), "metadata"),
        (lambda c: c.make_batch([ORDER, {**ORDER, "amount": object()}]), "transfers[1].amount"),
        (lambda c: c.make_batch([object()]), "transfers"),
        (lambda c: c.make_transfer(**ORDER, wait_s=-1), "wait_s"),
        (lambda c: c.make_transfer(**ORDER, wait_s=31), "wait_s"),
        (lambda c: c.make_transfer(**ORDER, wait_s="10"), "wait_s"),
        (lambda c: c.do(Call("GET", "/v1/auth/me\x00")), "request"),
        (lambda c: list(c.transfers(status="\ud800")), "request"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_its_field(ask: Ask, field: str) -> None:
    server = Server(httpx.Response(201, json=TRANSFER))
    with pytest.raises(CallInvalid) as refused:
        ask(client_of(server))
    assert refused.value.field == field
    assert str(refused.value).encode()
    assert not server.requests


def test_any_mapping_is_sent_as_an_object() -> None:
    server = Server(httpx.Response(201, json=TRANSFER))
    client_of(server).make_transfer(**ORDER, metadata=MappingProxyType({"order": "é"}), wait_s=30)
    (request,) = server.requests
    assert '"metadata":{"order":"é"}' in request.content.decode()
    assert request.headers["content-type"] == "application/json"
    assert request.headers["prefer"] == "wait=30"


@pytest.mark.parametrize("token", ["line\nbreak", "é", "\ud800", None, b"bytes"])
def test_a_token_that_no_header_can_hold_is_refused(token: Any) -> None:
    server = Server(httpx.Response(200))
    client = client_of(server)
    client.token = token
    with pytest.raises(CallInvalid, match="token: must be printable ASCII"):
        client.me()
    assert not server.requests


@pytest.mark.parametrize(
    "url", ["api.example.com", "ftp://api.example.com", "http://[", "http://", "http://a/?b#c", 7]
)
def test_an_address_that_is_none_is_refused(url: Any) -> None:
    with pytest.raises(CallInvalid) as refused:
        Client(url)
    assert refused.value.field == "base_url"
    with pytest.raises(CallInvalid):
        AsyncClient(url)


def test_an_address_of_ones_own_client_is_followed() -> None:
    server = Server(httpx.Response(404))
    with pytest.raises(Missing):
        client_of(server, url="", base_url="http://pay.example.com/under/").me()
    with pytest.raises(Missing):
        client_of(server, url="http://pay.example.com/under/").me()
    assert {str(one.url) for one in server.requests} == {"http://pay.example.com/under/v1/auth/me"}


async def test_a_header_of_ones_own_that_is_none_is_not_called_unknown() -> None:
    http = httpx.AsyncClient(headers={b"X-Mine": b"line\nbreak"}, trust_env=False)
    async with receiver() as server, AsyncClient(server.url, http=http) as client:
        with pytest.raises(CallInvalid, match="request: cannot be sent"):
            await client.me()
    assert not server.requests


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Invalid),
        (401, Unauthenticated),
        (403, Forbidden),
        (404, Missing),
        (405, ProblemError),
        (408, ProblemError),
        (409, Conflict),
        (410, ProblemError),
        (413, Invalid),
        (414, ProblemError),
        (415, Invalid),
        (422, Invalid),
        (431, ProblemError),
    ],
)
def test_a_refusal_is_raised_at_once(status: int, kind: type[ProblemError]) -> None:
    problem = {
        "code": "validation_error",
        "detail": "The request is not valid: see errors.",
        "errors": [
            {"field": "amount", "message": "must be positive"},
            {"field": "currency", "message": "must be a code"},
        ],
    }
    server = Server(httpx.Response(status, json=problem, headers={"Retry-After": "0"}))
    with pytest.raises(kind) as refused:
        client_of(server).make_transfer(**ORDER)
    assert type(refused.value) is kind
    assert str(refused.value) == (
        f"{status} validation_error: The request is not valid: see errors. "
        "(amount: must be positive; currency: must be a code)"
    )
    assert len(server.requests) == 1


@pytest.mark.parametrize(("status", "attempts"), [(429, 3), (502, 3), (503, 3), (504, 3), (500, 1)])
def test_what_may_pass_is_tried_again_with_the_same_request(status: int, attempts: int) -> None:
    server = Server(httpx.Response(status, headers={"Retry-After": "0"}))
    with pytest.raises(ProblemError):
        client_of(server).make_transfer(**ORDER)
    assert len(server.requests) == attempts
    assert len({(one.headers["idempotency-key"], one.content) for one in server.requests}) == 1
