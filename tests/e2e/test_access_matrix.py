"""Who may call what: every call of the OpenAPI document by everybody, and one table that says how.

A call that is not in the table fails the test, as does a line of the table that is no call.
"""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute

import api
from api import docs_page, proof_page
from api.v1 import examples
from cli.stack import EmbeddedStack
from payflow.domain.api_keys import Scope
from tests.e2e.bank import PASSWORD, Bank, Json, Person, new_email, new_key
from tests.e2e.conservation import an_open_finding
from tests.e2e.test_openapi_examples import World, example_of, new_world
from tests.e2e.test_token_attacks import Forge, keys_of

WHO = ("anonymous", "expired", "revoked", "no scope", "other", "owner", "operator", "key")

# The columns, from left to right.
# `expired` is a token of the owner's, `revoked` a key of theirs, `no scope` one made for another
# resource, `key` one made for everything. 404 is for what is somebody else's, 403 for what is an
# operator's, 409 means that the caller may, and the thing is not in that state. The lines are
# called in this order, each from left to right: what changes something for good comes late.
TABLE = """
POST   /v1/auth/login                                     200 200 200 200 200 200 200 200
POST   /v1/auth/register                                  201 201 201 201 201 201 201 201
POST   /v1/auth/refresh                                   401 401 401 401 401 401 401 401
GET    /v1/auth/oidc/login                                404 404 404 404 404 404 404 404
GET    /v1/auth/oidc/callback                             404 404 404 404 404 404 404 404
GET    /v1/auth/me                                        401 401 401 403 200 200 200 403
PATCH  /v1/auth/me                                        401 401 401 403 200 200 200 403
POST   /v1/auth/password                                  401 401 401 403 204 204 204 403
GET    /v1/api-keys                                       401 401 401 403 200 200 200 403
POST   /v1/api-keys                                       401 401 401 403 201 201 201 403
GET    /v1/api-keys/{key_id}                              401 401 401 403 404 200 200 403
GET    /v1/wallets                                        401 401 401 403 200 200 200 200
POST   /v1/wallets                                        401 401 401 403 201 201 201 201
GET    /v1/wallets/{wallet_id}                            401 401 401 403 404 200 200 200
GET    /v1/wallets/{wallet_id}/entries                    401 401 401 403 404 200 200 200
POST   /v1/wallets/{wallet_id}/deposits                   401 401 401 403 404 201 201 201
POST   /v1/wallets/{wallet_id}/withdrawals                401 401 401 403 404 201 201 201
GET    /v1/transfers                                      401 401 401 403 200 200 200 200
POST   /v1/transfers                                      401 401 401 403 404 202 404 202
GET    /v1/transfers/{transfer_id}                        401 401 401 403 404 200 200 200
GET    /v1/transfers/{transfer_id}/events                 401 401 401 403 404 200 200 200
GET    /v1/transfers/{transfer_id}/receipt                401 401 401 403 404 200 200 200
GET    /v1/transfers/{transfer_id}/timeline               401 401 401 403 404 200 200 200
POST   /v1/transfers/{transfer_id}/retry                  401 401 401 403 403 403 409 403
POST   /v1/transfers/{transfer_id}/refund                 401 401 401 403 403 403 409 403
POST   /v1/transfers/{transfer_id}/resolve                401 401 401 403 403 403 409 403
POST   /v1/transfers/{transfer_id}/pause                  401 401 401 403 403 403 409 403
POST   /v1/transfers/{transfer_id}/resume                 401 401 401 403 403 403 409 403
POST   /v1/batches                                        401 401 401 403 404 202 404 202
GET    /v1/batches/{batch_id}                             401 401 401 403 404 200 200 200
GET    /v1/batches/{batch_id}/items                       401 401 401 403 404 200 200 200
POST   /v1/batches/{batch_id}/cancel                      401 401 401 403 404 200 404 200
GET    /v1/events                                         401 401 401 403 200 200 200 200
GET    /v1/events/stream                                  401 401 401 403 200 200 200 200
GET    /v1/webhook-endpoints                              401 401 401 403 200 200 200 200
POST   /v1/webhook-endpoints                              401 401 401 403 201 201 201 201
GET    /v1/webhook-endpoints/{endpoint_id}                401 401 401 403 404 200 200 200
PATCH  /v1/webhook-endpoints/{endpoint_id}                401 401 401 403 404 200 404 200
POST   /v1/webhook-endpoints/{endpoint_id}/rotate-secret  401 401 401 403 404 200 404 200
POST   /v1/webhook-endpoints/{endpoint_id}/test           401 401 401 403 404 409 404 409
GET    /v1/webhook-endpoints/{endpoint_id}/deliveries     401 401 401 403 404 200 200 200
POST   /v1/webhook-endpoints/{endpoint_id}/replay         401 401 401 403 404 409 404 409
POST   /v1/webhook-deliveries/{delivery_id}/resend        401 401 401 403 404 409 404 409
GET    /v1/users                                          401 401 401 403 403 403 200 403
GET    /v1/simulation                                     401 401 401 403 403 403 200 403
PUT    /v1/simulation                                     401 401 401 403 403 403 200 403
DELETE /v1/simulation                                     401 401 401 403 403 403 204 403
GET    /v1/proof                                          200 200 200 200 200 200 200 200
GET    /v1/proof/findings                                 401 401 401 403 403 403 200 403
POST   /v1/proof/findings/{finding_id}/close              401 401 401 403 403 403 200 403
GET    /v1/proofs                                         200 200 200 200 200 200 200 200
GET    /v1/roots                                          200 200 200 200 200 200 200 200
GET    /v1/roots/{date}                                   200 200 200 200 200 200 200 200
GET    /v1/proof/keys                                     200 200 200 200 200 200 200 200
GET    /health                                            200 200 200 200 200 200 200 200
GET    /health/live                                       200 200 200 200 200 200 200 200
GET    /health/ready                                      200 200 200 200 200 200 200 200
GET    /metrics                                           200 200 200 200 200 200 200 200
GET    /.well-known/jwks.json                             200 200 200 200 200 200 200 200
POST   /v1/wallets/{wallet_id}/freeze                     401 401 401 403 403 403 200 403
POST   /v1/wallets/{wallet_id}/unfreeze                   401 401 401 403 403 403 200 403
POST   /v1/wallets/{wallet_id}/close                      401 401 401 403 403 403 409 403
DELETE /v1/webhook-endpoints/{endpoint_id}                401 401 401 403 404 204 404 404
DELETE /v1/api-keys/{key_id}                              401 401 401 403 404 204 204 403
POST   /v1/auth/logout                                    401 401 401 403 204 204 204 403
POST   /v1/users/{user_id}/deactivate                     401 401 401 403 403 403 200 403
POST   /v1/users/{user_id}/reactivate                     401 401 401 403 403 403 200 403
"""
ENDLESS = "/v1/events/stream"
PAGES = (docs_page.router, proof_page.router)


@dataclass
class Callers:
    """Everybody, by the token they show."""

    tokens: dict[str, str]
    narrow: str  # the key without scope for ``events``

    def headers(self, who: str, path: str) -> dict[str, str]:
        token = self.tokens[who]
        if who == "no scope" and "events" in path:
            token = self.narrow
        sent = {"Idempotency-Key": new_key()}
        return sent | {"Authorization": f"Bearer {token}"} if token else sent


@pytest.fixture
def stack(pair: EmbeddedStack) -> EmbeddedStack:
    return pair


async def api_key(bank: Bank, who: Person, *scopes: str) -> Json:
    body = {"name": "Matrix", "scopes": list(scopes)}
    made = await bank.ask("POST", "/v1/api-keys", who, body=body)
    assert made.status_code == 201, made.text
    key: Json = made.json()
    return key


async def everybody(bank: Bank, stack: EmbeddedStack, world: World) -> Callers:
    alice, mallory = world.alice, await bank.person("mallory")
    revoked = await api_key(bank, alice, *Scope)
    gone = await bank.ask("DELETE", f"/v1/api-keys/{revoked['id']}", alice)
    assert gone.status_code == 204
    forge = Forge(keys_of(stack.data_dir)[0], alice.user_id, alice.token, "")
    return Callers(
        {
            "anonymous": "",
            "expired": forge.token(claims={"iat": 1_700_000_000, "exp": 1_700_000_900}),
            "revoked": revoked["key"],
            "no scope": (await api_key(bank, alice, Scope.EVENTS_READ))["key"],
            "other": mallory.token,
            "owner": alice.token,
            "operator": world.operator.token,
            "key": (await api_key(bank, alice, *Scope))["key"],
        },
        (await api_key(bank, alice, Scope.WALLETS_READ))["key"],
    )


def expected() -> dict[str, list[int]]:
    lines = [line.split() for line in TABLE.strip().splitlines()]
    return {f"{method} {path}": [int(code) for code in codes] for method, path, *codes in lines}


def served() -> Iterator[str]:
    """Every call of every router in the code, in the documentation or not; pages hold no data."""
    for module in pkgutil.walk_packages(api.__path__, "api."):
        for thing in vars(importlib.import_module(module.name)).values():
            if isinstance(thing, APIRouter) and thing not in PAGES:
                for route in thing.routes:
                    assert isinstance(route, APIRoute)
                    assert route.include_in_schema, route.path
                    yield from (f"{method} {route.path}" for method in route.methods or ())


def body_for(call: str, spec: Json, operation: Json, world: World) -> Any:
    body = world.real(example_of(spec, operation))
    if call == "POST /v1/auth/register":
        return {**body, "email": new_email("alice")}
    if call == "POST /v1/auth/login":
        return {"email": world.names["alice@example.com"], "password": PASSWORD}
    if call == "POST /v1/auth/refresh":
        return {"refresh_token": "pfr_" + "A" * 43}
    if call == "POST /v1/auth/password":
        return {"current_password": PASSWORD, "new_password": PASSWORD}
    return body


def path_for(path: str, world: World) -> str:
    ids = {
        "wallet_id": examples.ALICE_WALLET_ID,
        "transfer_id": examples.TRANSFER_ID,
        "endpoint_id": examples.ENDPOINT_ID,
        "delivery_id": examples.DELIVERY_ID,
        "batch_id": examples.BATCH_ID,
        "key_id": examples.API_KEY_ID,
        "user_id": examples.ALICE_ID,
        "date": examples.ROOT_DATE,
        "finding_id": examples.FINDING_ID,
    }
    query = {
        "/v1/users": f"?email={world.names['alice@example.com']}",
        "/v1/auth/oidc/callback": "?state=state&code=code",
    }.get(path, "")
    return re.sub(r"{(\w+)}", lambda found: world.names[ids[found[1]]], path) + query


async def status_of(
    bank: Bank, method: str, path: str, headers: dict[str, str], body: Any
) -> tuple[int, str]:
    if path == ENDLESS:
        url = f"{bank.urls[0]}{path}"
        async with bank.client.stream(method, url, headers=headers) as answer:
            return answer.status_code, ""
    answer = await bank.ask(method, path, headers=headers, body=body)
    return answer.status_code, answer.text


async def test_everybody_gets_what_the_table_says(
    bank: Bank, operator: Person, stack: EmbeddedStack
) -> None:
    spec = (await bank.ask("GET", "/openapi.json")).json()
    documented = {
        f"{method.upper()} {path}": operation
        for path, operations in spec["paths"].items()
        for method, operation in operations.items()
    }
    await bank.first_proof()
    table = expected()
    assert set(table) == set(documented) == set(served())
    world = await new_world(bank, operator, "")
    callers = await everybody(bank, stack, world)
    secrets = [world.names[name] for name in world.names if name.startswith(("wal_", "trf_"))][:2]
    found: dict[str, list[int]] = {}
    async with an_open_finding(stack, examples.FINDING_ID):
        for call in table:
            method, _, path = call.partition(" ")
            found[call] = []
            for who in WHO:
                body = body_for(call, spec, documented[call], world)
                status, text = await status_of(
                    bank, method, path_for(path, world), callers.headers(who, path), body
                )
                found[call].append(status)
                if who == "other" and method == "GET" and "{" not in path:
                    assert not [secret for secret in secrets if secret in text], call
    differing = {call: found[call] for call in table if found[call] != table[call]}
    assert not differing
