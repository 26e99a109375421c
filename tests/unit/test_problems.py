"""Problem details: one table that knows every code, and an app where every error is one."""

import json
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from pydantic import ValidationError

from api import errors as door_errors
from api.app import routed_app
from api.bounds import BodyLimit
from api.handlers import install_handlers
from api.json_body import JsonRoute
from api.middleware import RequestContext
from api.problems import KINDS, documented
from api.security_headers import SecurityHeaders
from api.v1.schemas import NewTransfer
from api.v1.webhook_schemas import ReplayOrder
from payflow.domain import errors as domain_errors
from payflow.domain import limits
from payflow.domain.errors import BooksUnavailable, NotFound, PayflowError, TokenExpired
from payflow.settings import Settings

MEMBERS = {"type", "title", "status", "detail", "instance", "code", "request_id", "errors"}
SECRET = "mongodb://user:password@db.example.com"


def application() -> FastAPI:
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    app.router.route_class = JsonRoute

    @app.get("/missing")
    async def missing() -> None:
        raise NotFound("wallet", "wal_1")

    @app.get("/expired")
    async def expired() -> None:
        raise TokenExpired

    @app.get("/away")
    async def away() -> None:
        raise BooksUnavailable

    @app.get("/bug")
    async def bug() -> None:
        raise RuntimeError(SECRET)

    @app.get("/unlisted")
    async def unlisted() -> None:
        raise PayflowError(SECRET)

    @app.post("/transfers")
    async def transfers(body: NewTransfer) -> dict[str, int]:
        return {"amount": body.amount}

    install_handlers(app)
    app.add_middleware(BodyLimit, max_bytes=1_000)
    app.add_middleware(RequestContext, headers=SecurityHeaders(Settings()))
    return app


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(application())
    async with httpx.AsyncClient(transport=transport, base_url="http://api.example.com") as http:
        yield http


def body(**changes: object) -> dict[str, object]:
    good: dict[str, object] = {
        "source_wallet_id": "wal_1",
        "destination_wallet_id": "wal_2",
        "amount": 1250,
        "currency": "USD",
    }
    return {**good, **changes}


def assert_problem(answer: httpx.Response, status: int, code: str) -> dict[str, object]:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, object] = answer.json()
    assert set(problem) == MEMBERS
    assert (problem["code"], problem["status"]) == (code, status)
    assert problem["instance"] == answer.request.url.path
    assert problem["request_id"] == answer.headers["x-request-id"]
    return problem


async def test_errors_of_every_kind_are_problems(client: httpx.AsyncClient) -> None:
    assert_problem(await client.get("/missing"), 404, "wallet_not_found")
    assert_problem(await client.get("/nowhere"), 404, "route_not_found")
    assert_problem(await client.get("/missing/"), 404, "route_not_found")
    refused = await client.get("/transfers")
    assert_problem(refused, 405, "method_not_allowed")
    assert refused.headers["allow"] == "POST"


async def test_a_401_says_how_to_authenticate(client: httpx.AsyncClient) -> None:
    answer = await client.get("/expired")
    assert_problem(answer, 401, "token_expired")
    assert answer.headers["www-authenticate"] == 'Bearer realm="payflow", error="invalid_token"'


async def test_a_503_says_when_to_come_back(client: httpx.AsyncClient) -> None:
    answer = await client.get("/away")
    assert_problem(answer, 503, "temporarily_unavailable")
    assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.parametrize("path", ["/bug", "/unlisted"])
async def test_a_500_leaks_nothing(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert_problem(answer, 500, "internal_error")
    assert "password" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_good_body_is_let_through(client: httpx.AsyncClient) -> None:
    answer = await client.post("/transfers", json=body())
    assert (answer.status_code, answer.json()) == (200, {"amount": 1250})
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"amount": 1.0}, "amount"),
        ({"metadata": {"key": 1}}, "metadata.key"),
        ({"metadata": {"k" * 41: "v"}}, f"metadata.{'k' * 41}"),
        ({"metadata": {"bad\nkey": "v"}}, "metadata.bad\ufffdkey"),
        ({"description": "nul\x00"}, "description"),
        ({"unknown": 1}, "unknown"),
        ({"destination_email": "bob@example.com"}, "destination_wallet_id"),
        ({"destination_wallet_id": None}, "destination_wallet_id"),
        ({"currency": "usd"}, "currency"),
    ],
)
async def test_a_validation_error_names_the_field(
    client: httpx.AsyncClient, changes: dict[str, object], field: str
) -> None:
    answer = await client.post("/transfers", json=body(**changes))
    problem = assert_problem(answer, 422, "validation_error")
    assert [one["field"] for one in problem["errors"]] == [field]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "content",
    [b"{", b"\xff\xfe\xfd", b"nonsense", b'{"amount": 1,}', b"[" * 900, b"1" * 900 + b"e"],
)
async def test_what_is_no_json_is_malformed(client: httpx.AsyncClient, content: bytes) -> None:
    json_type = {"content-type": "application/json"}
    answer = await client.post("/transfers", content=content, headers=json_type)
    assert_problem(answer, 400, "malformed_json")


async def test_a_body_of_two_meanings_is_malformed_and_says_why(client: httpx.AsyncClient) -> None:
    json_type = {"content-type": "application/json"}
    right = json.dumps(body())
    for changed, reason in (
        (f'{right[:-1]}, "amount": 125000}}', "The body names 'amount' twice in one object."),
        (right.replace("1250", "NaN"), "The body holds NaN, which is no JSON number."),
        (f'{right[:-1]}, "metadata": {{"a": "1", "a": "2"}}}}', "The body names 'a' twice in"),
    ):
        answer = await client.post("/transfers", content=changed, headers=json_type)
        problem = assert_problem(answer, 400, "malformed_json")
        assert str(problem["detail"]).startswith(reason)
    answer = await client.post("/transfers", content=right, headers=json_type)
    assert (answer.status_code, answer.json()) == (200, {"amount": 1250})


async def test_a_body_that_is_not_called_json_is_refused(client: httpx.AsyncClient) -> None:
    for headers in ({}, {"content-type": "text/plain"}, {"content-type": "text/json"}):
        answer = await client.post("/transfers", content=json.dumps(body()), headers=headers)
        assert_problem(answer, 415, "unsupported_media_type")
    assert_problem(
        await client.post("/transfers", data={"amount": "1"}), 415, "unsupported_media_type"
    )


async def test_a_large_body_is_refused_announced_or_not(client: httpx.AsyncClient) -> None:
    async def chunks(count: int) -> AsyncIterator[bytes]:
        yield json.dumps(body()).encode()
        for _ in range(count):
            yield b" " * 100

    json_type = {"content-type": "application/json"}
    large = json.dumps(body()) + " " * 1_000
    announced = await client.post("/transfers", content=large, headers=json_type)
    assert_problem(announced, 413, "body_too_large")
    unannounced = await client.post("/transfers", content=chunks(10), headers=json_type)
    assert_problem(unannounced, 413, "body_too_large")
    fitting = await client.post("/transfers", content=chunks(5), headers=json_type)
    assert fitting.status_code == 200


async def test_a_sound_request_id_is_kept_and_another_is_replaced(
    client: httpx.AsyncClient,
) -> None:
    for sound in ("a", "0c9f3d52-9f6e", "x" * 128):
        answer = await client.get("/missing", headers={"x-request-id": sound})
        assert answer.headers["x-request-id"] == sound
    for unsound in ("", "two words", "x" * 129, 'a"b', "{0}"):
        answer = await client.get("/missing", headers={"x-request-id": unsound})
        assert answer.headers["x-request-id"].startswith("req_")


def test_every_error_a_caller_can_be_told_is_in_the_table() -> None:
    not_for_callers = {"payflow_error", "illegal_move", "too_slow", "stream_closed"}
    codes = {
        thing.code
        for module in (domain_errors, door_errors, limits)
        for thing in vars(module).values()
        if isinstance(thing, type) and issubclass(thing, PayflowError)
    }
    assert codes - not_for_callers <= KINDS.keys()


def test_every_code_is_documented_with_an_example_under_its_status() -> None:
    responses = documented(*KINDS)
    for code, kind in KINDS.items():
        example = responses[kind.status]["content"]["application/problem+json"]["examples"][code]
        assert set(example["value"]) == MEMBERS
        assert (example["value"]["code"], example["value"]["status"]) == (code, kind.status)


async def test_a_wrong_method_is_told_every_right_one() -> None:
    http = httpx.AsyncClient(
        transport=httpx.ASGITransport(
            RequestContext(routed_app(Settings()), headers=SecurityHeaders(Settings()))
        ),
        base_url="http://api.example.com",
    )
    async with http:
        answer = await http.options("/v1/auth/me")
        several = await http.put("/v1/webhook-endpoints/whe_1")

    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, PATCH"
    assert several.headers["allow"] == "DELETE, GET, PATCH"


@pytest.mark.parametrize("since", [0, 1.5, "0", "2026-01-31"])
def test_a_number_is_no_time(since: object) -> None:
    assert ReplayOrder.model_validate({"since": "2026-01-31T12:00:00Z"})
    with pytest.raises(ValidationError, match="RFC 3339"):
        ReplayOrder.model_validate({"since": since})
