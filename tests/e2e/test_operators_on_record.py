"""Whatever an operator changes is a line in the audit log, written with it or before it.

The list of calls is the API's own: each that is no read is either done here by an operator, with
its line, or named as one that changes nothing but the caller's own things.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner, Result

from cli.main import app
from cli.stack import EmbeddedStack
from tests.e2e.auditing import Database
from tests.e2e.bank import PASSWORD, Bank, Json, Person, new_email, new_key
from tests.e2e.gaps import held_before

WHY = "ticket 4711"

# What changes the caller's own things only, by whomever: an operator has no more power there.
OWN = {
    "POST /v1/auth/register",
    "POST /v1/auth/login",
    "POST /v1/auth/refresh",
    "POST /v1/auth/logout",
    "POST /v1/auth/password",
    "PATCH /v1/auth/me",
    "POST /v1/api-keys",
    "POST /v1/wallets",
    "POST /v1/transfers",
    "POST /v1/batches",
    "POST /v1/batches/{batch_id}/cancel",
    "POST /v1/webhook-endpoints",
    "PATCH /v1/webhook-endpoints/{endpoint_id}",
    "DELETE /v1/webhook-endpoints/{endpoint_id}",
    "POST /v1/webhook-endpoints/{endpoint_id}/rotate-secret",
    "POST /v1/webhook-endpoints/{endpoint_id}/test",
    "POST /v1/webhook-endpoints/{endpoint_id}/replay",
    "POST /v1/webhook-deliveries/{delivery_id}/resend",
}
# A finding is there only when the ledger is wrong, so this call has its line, in the transaction
# of the act, held by tests/contracts/test_findings.py.
FINDINGS = {"POST /v1/proof/findings/{finding_id}/close"}
# What writes nothing.
READS = {"POST /codec/decode", "POST /codec/encode"}


@pytest.fixture
def stack(single: EmbeddedStack) -> EmbeddedStack:
    return single


@dataclass(frozen=True)
class Call:
    """What an operator asks, and the line that must be there then."""

    route: str
    verb: str
    subject: str
    body: Json | None = None
    query: str = ""
    reason: str = WHY


async def calls(bank: Bank, operator: Person) -> list[Call]:
    """Each call that an operator changes something of others' with, in an order that works."""
    alice, _, sent = await held_before(bank, operator, "credit", "debited")
    key = await bank.ask(
        "POST", "/v1/api-keys", alice, body={"name": "shop", "scopes": ["wallets:read"]}
    )
    money, why = {"amount": 5, "currency": "USD", "reason": WHY}, {"reason": WHY}
    wallet, transfer, user = alice.wallet_id, str(sent["id"]), alice.user_id
    evidence = {"leg": "credit", "outcome": "not_done", "evidence": "a letter"}
    return [
        Call("POST /v1/wallets/{wallet_id}/deposits", "deposit", wallet, money),
        Call("POST /v1/wallets/{wallet_id}/withdrawals", "withdrawal", wallet, money),
        Call("POST /v1/wallets/{wallet_id}/freeze", "freeze", wallet, why),
        Call("POST /v1/wallets/{wallet_id}/unfreeze", "unfreeze", wallet, why),
        Call("POST /v1/transfers/{transfer_id}/pause", "pause", transfer, why),
        Call("POST /v1/transfers/{transfer_id}/resume", "resume", transfer, why),
        Call("POST /v1/transfers/{transfer_id}/retry", "retry", transfer, why),
        Call("POST /v1/transfers/{transfer_id}/resolve", "resolve", transfer, why | evidence),
        Call("POST /v1/transfers/{transfer_id}/refund", "refund", transfer, why),
        Call("DELETE /v1/api-keys/{key_id}", "revoke_api_key", key.json()["id"], query=WHY),
        Call("POST /v1/users/{user_id}/deactivate", "deactivate", user, why),
        Call("POST /v1/users/{user_id}/reactivate", "reactivate", user, why),
        Call("PUT /v1/simulation", "set_fault_rules", "fault_rules", why | RULES),
        Call("DELETE /v1/simulation", "clear_fault_rules", "fault_rules", query=WHY),
        Call("POST /v1/wallets/{wallet_id}/close", "close", await empty(bank), why),
    ]


RULES: Json = {"enabled": False, "rules": []}


async def empty(bank: Bank) -> str:
    return (await bank.person("carol")).wallet_id


def writing(document: Json) -> Iterator[str]:
    """Every call of the API that is no read."""
    for path, operations in document["paths"].items():
        for method in operations.keys() & {"post", "put", "patch", "delete"}:
            yield f"{method.upper()} {path}"


async def ask(bank: Bank, who: Person, call: Call, **headers: str) -> Any:
    method, path = call.route.split()
    parts = [call.subject if part.startswith("{") else part for part in path.split("/")]
    query = f"?reason={call.query}" if call.query else ""
    sent = {"Idempotency-Key": new_key(), "X-Request-Id": "req-on-record", **headers}
    return await bank.ask(method, "/".join(parts) + query, who, body=call.body, headers=sent)


async def test_every_write_of_an_operator_is_on_record(
    bank: Bank, operator: Person, database: Database
) -> None:
    document = (await bank.ask("GET", "/openapi.json")).json()
    every = await calls(bank, operator)
    listed = {call.route for call in every} | OWN | FINDINGS | READS
    assert set(writing(document)) <= listed, "a call that no row is for: is it on record?"
    for call in every:
        before = {one["_id"] async for one in database.audit.find({}, {"_id": 1})}
        answer = await ask(bank, operator, call)
        assert answer.status_code < 300, (call.route, answer.text)
        query = {"_id": {"$nin": list(before)}, "subject_id": call.subject}
        (line,) = await database.audit.find(query).to_list()
        about = (line["actor_id"], line["verb"], line["reason"], line["request_id"])
        assert about == (operator.user_id, call.verb, call.reason, "req-on-record"), call.route
        assert line["outcome"] != "begun", call.route
    await bank.end_rehearsal(operator)


async def test_a_line_is_written_with_the_act_or_not_at_all(
    bank: Bank, operator: Person, database: Database
) -> None:
    alice = await bank.person("alice")
    path, money = f"/v1/wallets/{alice.wallet_id}/deposits", {"amount": 5, "currency": "USD"}

    async def deposit(who: Person, key: str, **more: object) -> int:
        headers = {"Idempotency-Key": key}
        answer = await bank.ask("POST", path, who, body={**money, **more}, headers=headers)
        return answer.status_code

    async def lines() -> list[tuple[str, str]]:
        found = database.audit.find({"subject_id": alice.wallet_id}).sort("_id")
        return [(line["outcome"], line["reason"]) for line in await found.to_list()]

    key = new_key()
    assert await deposit(operator, key) == 201
    assert await deposit(operator, key) == 201  # replayed: nothing was done a second time
    assert await deposit(alice, new_key()) == 201  # an owner's own, where owners may
    assert await lines() == [("done", "")]
    assert await deposit(operator, new_key(), currency="EUR", reason=WHY) in (409, 422)
    assert (await lines())[1:] == [("currency_mismatch", WHY)]
    assert await deposit(operator, new_key(), amount=0) == 422  # no deposit, and none refused
    assert len(await lines()) == 2

    made = await asyncio.gather(*(deposit(operator, new_key(), reason=WHY) for _ in range(40)))
    assert set(made) == {201}
    assert (await lines())[2:] == [("done", WHY)] * 40
    assert await bank.balance(alice) == 42 * 5


async def test_owners_revoke_their_own_keys_off_the_record(
    bank: Bank, operator: Person, database: Database
) -> None:
    alice = await bank.person("alice")
    body = {"name": "shop", "scopes": ["wallets:read"]}
    made = (await bank.ask("POST", "/v1/api-keys", alice, body=body)).json()
    path = f"/v1/api-keys/{made['id']}"
    assert (await bank.ask("DELETE", path, alice)).status_code == 204
    assert (await bank.ask("DELETE", path, operator)).status_code == 204  # it is revoked already
    assert await database.audit.count_documents({"subject_id": made["id"]}) == 0


async def test_the_making_of_operators_is_on_record(
    bank: Bank, stack: EmbeddedStack, database: Database
) -> None:
    """And an address or a password is what sign-in makes of it, however it was typed."""
    email, mixed = new_email("olivia"), new_email("bob")
    address = email.replace("example.com", "B\u00fccher.example.com")
    as_typed = address.upper().replace("B\u00dcCHER", "xn--bcher-kva")
    created = await cli(stack, "create", as_typed, PASSWORD, "--reason", WHY)
    assert created.exit_code == 0, created.output
    signed_in = await login(bank, address, PASSWORD)
    me = (await bank.ask("GET", "/v1/auth/me", signed_in)).json()
    assert (me["email"], me["role"]) == (address.lower(), "operator")

    person = await bank.ask(
        "POST", "/v1/auth/register", body={"email": mixed, "password": PASSWORD, "name": "Bob"}
    )
    user_id = person.json()["user"]["id"]
    promoted = await cli(stack, "create", mixed.upper(), PASSWORD, "--promote", "--reason", WHY)
    assert promoted.exit_code == 0, promoted.output
    again = await cli(stack, "create", mixed, PASSWORD, "--promote", "--reason", "twice")
    assert again.exit_code == 0, again.output
    for subject, verb in ((me["id"], "create_operator"), (user_id, "promote")):
        (line,) = await database.audit.find({"subject_id": subject}).to_list()
        about = (line["actor_id"], line["verb"], line["reason"], line["outcome"])
        assert about == ("command_line", verb, WHY, "done")


# The commands that write, and whether they write a line themselves or the API does for them.
WRITING_ITSELF = {"operator create", "webhooks rotate-keys"}
WRITING_THROUGH_THE_API = {
    *(f"transfers {verb}" for verb in ("retry", "refund", "resolve", "pause", "resume")),
    "proof close",
}
OTHERS = {
    *("up", "demo", "serve", "api", "worker", "relay"),  # processes
    *("doctor", "replay", "listen", "verify", "audit verify", "proof findings"),  # readers
    *("transfers list", "transfers show", "transfers timeline"),
}


def test_every_command_that_writes_is_known() -> None:
    """A new command is read or written here: is what it writes on record?"""

    def commands(group: Any, before: str = "") -> Iterator[str]:
        for name, one in group.commands.items():
            words = f"{before} {name}".strip()
            yield from commands(one, words) if hasattr(one, "commands") else [words]

    known = WRITING_ITSELF | WRITING_THROUGH_THE_API | OTHERS
    assert set(commands(get_command(app))) == known


async def test_the_rotation_of_keys_is_on_record(stack: EmbeddedStack, database: Database) -> None:
    env = {"PAYFLOW_DATA_DIR": str(stack.data_dir)}
    rotate = partial(CliRunner(env=env).invoke, app, ["webhooks", "rotate-keys"])
    before = await database.audit.count_documents({"verb": "rotate_webhook_keys"})
    done = await asyncio.to_thread(rotate)
    assert done.exit_code == 0, done.output
    lines = await database.audit.find({"verb": "rotate_webhook_keys"}).sort("_id").to_list()
    assert len(lines) == before + 1
    assert (lines[-1]["actor_id"], lines[-1]["outcome"]) == ("command_line", "done")


@pytest.mark.parametrize(
    ("email", "password", "option"),
    [
        pytest.param("nobody", PASSWORD, "--email", id="no address"),
        pytest.param("a@" + "x" * 250 + ".com", PASSWORD, "--email", id="long address"),
        pytest.param("zoe@example.com", "1234567", "--password", id="short password"),
        pytest.param("zoe@example.com", "tab\tin password", "--password", id="control character"),
    ],
)
async def test_what_sign_in_would_refuse_makes_no_operator(
    stack: EmbeddedStack, database: Database, email: str, password: str, option: str
) -> None:
    refused = await cli(stack, "create", email, password)
    assert (refused.exit_code, option in refused.output) == (1, True), refused.output
    assert await database.users.find_one({"email": email}) is None


async def login(bank: Bank, email: str, password: str) -> Person:
    answer = await bank.ask("POST", "/v1/auth/login", body={"email": email, "password": password})
    assert answer.status_code == 200, answer.text
    return Person("", answer.json()["access_token"])


async def cli(stack: EmbeddedStack, command: str, email: str, password: str, *more: str) -> Result:
    env = {"PAYFLOW_MONGO_URL": stack.addresses.mongo_url, "COLUMNS": "200"}
    words = ["operator", command, "--email", email, "--password", password, *more]
    return await asyncio.to_thread(CliRunner(env=env).invoke, app, words)
