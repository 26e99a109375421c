"""What answers tell browsers, who may call from a page, and who reads the metrics."""

import json
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from joserfc.jwk import OctKey, OKPKey
from pydantic import ValidationError
from starlette.responses import PlainTextResponse

from api.middleware import RequestContext
from api.scrapers import Scraper
from api.security_headers import SecurityHeaders, open_to_origins
from payflow.settings import Environment, Settings

ORIGIN = "https://app.example.com"
SETS = {
    name: json.dumps({"keys": [key.as_dict(private=True)]})
    for name, key in (
        ("jwt_keys", OKPKey.generate_key("Ed25519")),
        ("webhook_keys", OctKey.generate_key(256)),
        ("proof_keys", OKPKey.generate_key("Ed25519")),
    )
}


def production(**changes: Any) -> Settings:
    return Settings.model_validate({"env": Environment.PRODUCTION, **SETS, **changes})


def client_of(settings: Settings, token: str = "", peer: str = "203.0.113.7") -> httpx.AsyncClient:
    app = FastAPI(redoc_url=None)
    app.state.parts = SimpleNamespace(metrics_token=token)

    @app.get("/v1/one")
    async def one() -> dict[str, str]:
        return {"object": "one"}

    @app.get("/metrics")
    async def metrics(scraper: Scraper) -> PlainTextResponse:
        return PlainTextResponse("figures")

    open_to_origins(app, settings)
    app.add_middleware(RequestContext, headers=SecurityHeaders(settings))
    transport = httpx.ASGITransport(app, client=(peer, 4711))
    return httpx.AsyncClient(transport=transport, base_url="http://api.example.com")


@pytest.mark.parametrize("path", ["/v1/one", "/nowhere"])
async def test_every_answer_carries_the_headers(path: str) -> None:
    async with client_of(production()) as client:
        headers = (await client.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["strict-transport-security"] == "max-age=63072000; includeSubDomains"
    assert "server" not in headers


async def test_a_developers_browser_is_not_sent_to_https() -> None:
    async with client_of(Settings()) as client:
        assert "strict-transport-security" not in (await client.get("/v1/one")).headers


async def test_a_page_may_call_only_from_a_listed_origin() -> None:
    asks = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    async with client_of(Settings()) as client:
        closed = await client.get("/v1/one", headers=asks)
        assert not [name for name in closed.headers if name.startswith("access-control")]
        assert (await client.options("/v1/one", headers=asks)).status_code == 405
    async with client_of(production(cors_origins=f"{ORIGIN}, https://b.example.com")) as client:
        opened = await client.get("/v1/one", headers=asks)
        assert opened.headers["access-control-allow-origin"] == ORIGIN
        assert "access-control-allow-credentials" not in opened.headers
        assert (await client.options("/v1/one", headers=asks)).status_code == 200
        other = await client.get("/v1/one", headers={"Origin": "https://evil.example.com"})
        assert "access-control-allow-origin" not in other.headers


@pytest.mark.parametrize("origins", ["*", "null", "app.example.com", f"{ORIGIN}/", f"{ORIGIN},*"])
def test_an_origin_is_named_whole(origins: str) -> None:
    assert Settings(cors_origins=ORIGIN).cors_list == [ORIGIN]
    with pytest.raises(ValidationError, match="is no origin"):
        Settings(cors_origins=origins)


@pytest.mark.parametrize(
    ("token", "peer", "headers", "status"),
    [
        ("", "127.0.0.1", {}, 200),
        ("", "172.18.0.5", {}, 200),
        ("", "203.0.113.7", {}, 200),  # a documentation address counts as private
        ("", "1.1.1.1", {}, 404),
        ("", "127.0.0.1", {"X-Forwarded-For": "1.1.1.1"}, 404),
        ("", "127.0.0.1", {"Forwarded": "for=1.1.1.1"}, 404),
        ("sesame sesame sesame", "1.1.1.1", {"Authorization": "Bearer sesame sesame sesame"}, 200),
        ("sesame sesame sesame", "127.0.0.1", {"Authorization": "Bearer sesame"}, 404),
        ("sesame sesame sesame", "127.0.0.1", {}, 404),
    ],
)
async def test_metrics_are_for_neighbours_or_holders_of_the_token(
    token: str, peer: str, headers: dict[str, str], status: int
) -> None:
    async with client_of(Settings(), token, peer) as client:
        assert (await client.get("/metrics", headers=headers)).status_code == status


def test_production_names_everything_that_is_for_development_at_once() -> None:
    assert production().quota("anonymous")
    wrong: dict[str, Any] = {
        "jwt_keys": None,
        "webhook_keys": None,
        "proof_keys": None,
        "webhook_allow_private": True,
        "webhook_retry_pace": 0.5,
        "rate_limit_enabled": False,
        "cors_origins": "http://app.example.com",
    }
    for name, value in wrong.items():
        with pytest.raises(ValidationError, match=f"PAYFLOW_{name.upper()}"):
            production(**{name: value})
    with pytest.raises(ValidationError) as refused:
        production(**wrong)
    (problem,) = refused.value.errors()
    lines = problem["msg"].removeprefix("Value error, ").splitlines()
    assert [line.split()[0].partition("=")[0] for line in lines] == [
        f"PAYFLOW_{name.upper()}" for name in wrong
    ]
    assert production().rehearsal_allowed is False  # no simulation, no deposits of one's own
    assert Settings(**wrong).rehearsal_allowed is True
