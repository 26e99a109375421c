"""Every call of the OpenAPI document is made, with the example it shows, on the running stack."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from api.v1 import examples
from cli.stack import EmbeddedStack
from tests.e2e.bank import PASSWORD, Bank, Json, Person, new_email, new_key, order
from tests.e2e.conservation import an_open_finding
from tests.e2e.listening import listening

VERBS = ("/retry", "/refund", "/resolve", "/pause", "/resume")
OPERATORS_ONLY = ("/freeze", "/unfreeze", "/close", *VERBS, "/users", "/simulation", "/findings")
# without a provider there is no sign-on: test_sign_on.py makes these calls with one
OFF = ("/v1/auth/oidc/login", "/v1/auth/oidc/callback")
ENDLESS = ("/v1/events/stream",)
# After these the world is no longer what the next example speaks of: they get one of their own.
SPENDING = ("/register", "/refresh", "/logout", "/password", "/deactivate", "/close", "/freeze")
SPOILING = (*VERBS, *SPENDING, "/cancel")
HOLD = {"step": "credit", "failure_type": "error", "failure_rate": 1}


@dataclass
class World:
    """Who and what the examples speak of, for real."""

    names: dict[str, str]
    alice: Person
    operator: Person

    def real(self, part: Any) -> Any:
        """The example with its made-up names replaced."""
        if isinstance(part, dict):
            return {key: self.real(value) for key, value in part.items()}
        if isinstance(part, list):
            return [self.real(one) for one in part]
        return self.names.get(part, part) if isinstance(part, str) else part


@pytest.fixture
def stack(pair: EmbeddedStack) -> EmbeddedStack:
    """One layout is enough: what is said of a call is the same in both."""
    return pair


async def new_world(bank: Bank, operator: Person, path: str) -> World:
    email = new_email("alice")
    body: Json = {"email": email, "password": PASSWORD, "name": "Alice"}
    made = (await bank.ask("POST", "/v1/auth/register", body=body)).json()
    alice = Person(made["user"]["id"], made["tokens"]["access_token"], made["wallet"]["id"])
    bob = await bank.person("bob")
    bob_email = (await bank.ask("GET", "/v1/auth/me", bob)).json()["email"]
    held = path.endswith(VERBS)
    if path != "/v1/wallets/{wallet_id}/close":
        await bank.deposit(alice, 1_000_000)
        if held:
            await bank.rehearse(operator, HOLD)
    hook = {"url": "https://127.0.0.1:9/", "event_types": ["*"]}
    endpoint = (await bank.ask("POST", "/v1/webhook-endpoints", alice, body=hook)).json()
    tested = f"/v1/webhook-endpoints/{endpoint['id']}/test"
    delivery = (await bank.ask("POST", tested, alice)).json()
    transfer = await bank.send(alice, bob, 1, wait_s=0 if held else 20)
    if held:
        await bank.until(alice, transfer["id"], "debited")
    order_of_key = {"name": "The shop", "scopes": ["wallets:read"]}
    key = (await bank.ask("POST", "/v1/api-keys", alice, body=order_of_key)).json()
    batch: Json = {"mode": "independent", "transfers": [order(alice, bob, 1)]}
    headers = {"Idempotency-Key": new_key()}
    batch_id = (await bank.ask("POST", "/v1/batches", alice, body=batch, headers=headers)).json()[
        "id"
    ]
    return World(
        {
            examples.ALICE_ID: alice.user_id,
            examples.ALICE_WALLET_ID: alice.wallet_id,
            examples.BOB_WALLET_ID: bob.wallet_id,
            examples.TRANSFER_ID: transfer["id"],
            examples.BATCH_ID: batch_id,
            examples.API_KEY_ID: key["id"],
            examples.ENDPOINT_ID: endpoint["id"],
            examples.DELIVERY_ID: delivery["id"],
            examples.ROOT_DATE: await newest_root(bank),
            examples.FINDING_ID: examples.FINDING_ID,
            examples.REFRESH_TOKEN: made["tokens"]["refresh_token"],
            "bob@example.com": bob_email,
            "alice@example.com": new_email("alice") if path.endswith("register") else email,
        },
        alice,
        operator,
    )


async def newest_root(bank: Bank) -> str:
    """The name of a sealed root; periods of these stacks last seconds."""
    async with asyncio.timeout(60):
        while not (found := (await bank.ask("GET", "/v1/roots")).json()["data"]):
            await asyncio.sleep(0.2)
    return str(found[0]["date"])


def example_of(spec: Json, operation: Json) -> Json | None:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        return None
    if "example" in content:
        shown: Json = content["example"]
        return shown
    if "examples" in content:
        first: Json = next(iter(content["examples"].values()))["value"]
        return first
    schema = content["schema"]
    name = schema.get("$ref", "").rpartition("/")[2]
    found: list[Json] = (spec["components"]["schemas"].get(name) or schema).get("examples", [])
    return found[0] if found else None


@pytest.fixture
async def finding(stack: EmbeddedStack) -> AsyncIterator[None]:
    """The finding of the examples, on record."""
    async with an_open_finding(stack, examples.FINDING_ID):
        yield


@pytest.mark.usefixtures("finding")
async def test_every_documented_call_answers_as_documented(bank: Bank, operator: Person) -> None:
    spec = (await bank.ask("GET", "/openapi.json")).json()
    assert spec["openapi"].startswith("3.1")
    await bank.first_proof()
    called = 0
    shared = await new_world(bank, operator, "")
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            is_spoilt = method in ("delete", "patch") or path.endswith(SPOILING)
            world = await new_world(bank, operator, path) if is_spoilt else shared
            if path in ENDLESS:
                await open_stream(bank, world, path)
                called += 1
                continue
            answer = await call(bank, world, path, method, example_of(spec, operation))
            await bank.end_rehearsal(operator)
            if path.endswith("/pause"):
                await bank.verb(operator, world.names[examples.TRANSFER_ID], "resume")
            where = f"{method} {path}: {answer.status_code} {answer.text[:300]}"
            off = path in OFF and answer.json()["code"] == "sso_off"
            assert answer.is_success or off, where
            assert str(answer.status_code) in operation["responses"], where
            called += 1
    assert called == sum(len(operations) for operations in spec["paths"].values())


async def open_stream(bank: Bank, world: World, path: str) -> None:
    """A call that is never over is made when its first event has come."""
    async with listening(bank.urls[0], path, world.alice, last_event_id=0) as stream:
        assert stream.answer.status_code == 200
        assert stream.answer.headers["content-type"].startswith("text/event-stream")
        await stream.next(1)


async def call(bank: Bank, world: World, path: str, method: str, example: Json | None) -> Any:
    names = world.names
    url = (
        path.replace("{wallet_id}", names[examples.ALICE_WALLET_ID])
        .replace("{transfer_id}", names[examples.TRANSFER_ID])
        .replace("{endpoint_id}", names[examples.ENDPOINT_ID])
        .replace("{delivery_id}", names[examples.DELIVERY_ID])
        .replace("{user_id}", names[examples.ALICE_ID])
        .replace("{key_id}", names[examples.API_KEY_ID])
        .replace("{batch_id}", names[examples.BATCH_ID])
        .replace("{date}", names[examples.ROOT_DATE])
        .replace("{finding_id}", names[examples.FINDING_ID])
    )
    if path == "/v1/users":
        url += f"?email={names['alice@example.com']}"
    if path == "/v1/auth/oidc/callback":
        url += "?state=state&code=code"
    who = world.operator if any(part in path for part in OPERATORS_ONLY) else world.alice
    return await bank.ask(
        method.upper(),
        url,
        who,
        body=world.real(example) if example is not None else None,
        headers={"Idempotency-Key": new_key()},
    )
