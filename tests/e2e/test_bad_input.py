"""What the door refuses on the real stack, and that nothing of it was written."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.e2e.auditing import Database
from tests.e2e.bank import PASSWORD, Bank, Json, Person, new_email, new_key, order

# rules of the door; two APIs that share them are the harder case
pytestmark = pytest.mark.parametrize("stack", ["pair"], indirect=True)

NOBODYS_WALLET = "wal_01KDVE0A4Q5J7TP7S8R9VWXYZ1"
WRONG_AMOUNTS = [0, -1, 1.0, 12.5, True, "1250", None, [], {}, 10**15 + 1, 2**63, 10**400]
WRONG_TEXTS = ["nul\x00", "bell\x07", "line\nbreak", "del\x7f", "next line\x85", "lone \ud800"]


def refused(answer: httpx.Response, status: int, code: str, field: str | None = None) -> None:
    assert answer.status_code == status, answer.text
    problem = answer.json()
    assert problem["code"] == code, answer.text
    assert problem["request_id"] == answer.headers["x-request-id"]
    if field is not None:
        assert field in [error["field"] for error in problem["errors"]], answer.text


async def written_for(database: Database, who: Person) -> tuple[int, int]:
    """How many transfers and journal documents concern the person's wallet."""
    wallet_id = who.wallet_id
    named = [{"wallet_id": wallet_id}, {"event.data.source_wallet_id": wallet_id}]
    return (
        await database.transfers.count_documents({"wallet_ids": wallet_id}),
        await database.journal.count_documents({"$or": named}),
    )


async def post(bank: Bank, path: str, who: Person, body: object, key: str = "") -> httpx.Response:
    """Post any JSON at all, also what the client's own encoder would not write."""
    headers = {"Idempotency-Key": key or new_key(), "Content-Type": "application/json"}
    sent = {**who.headers, **headers}
    url = f"{bank.urls[next(bank.turn) % len(bank.urls)]}{path}"
    return await bank.client.post(url, content=json.dumps(body), headers=sent)


@pytest.mark.parametrize("amount", WRONG_AMOUNTS, ids=lambda a: repr(a)[:20])
async def test_a_wrong_amount_is_refused_everywhere(
    bank: Bank, database: Database, amount: Any
) -> None:
    alice, bob = await bank.person(), await bank.person("bob")
    key = new_key()
    body = {**order(alice, bob, 1), "amount": amount}
    refused(await post(bank, "/v1/transfers", alice, body, key), 422, "validation_error", "amount")
    for kind in ("deposits", "withdrawals"):
        path = f"/v1/wallets/{alice.wallet_id}/{kind}"
        answer = await post(bank, path, alice, {"amount": amount, "currency": "USD"}, key)
        refused(answer, 422, "validation_error", "amount")
    assert await written_for(database, alice) == (0, 0)
    right = await post(bank, "/v1/transfers", alice, order(alice, bob, 1), key)
    assert right.status_code == 202  # and the key was still free
    assert await written_for(database, alice) != (0, 0)


def _with(**changes: object) -> Callable[[Json], Json]:
    return lambda body: {**body, **changes}


def _without(name: str) -> Callable[[Json], Json]:
    return lambda body: {key: value for key, value in body.items() if key != name}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        *((_with(description=text), "description") for text in WRONG_TEXTS),
        *((_with(metadata={"note": text}), "metadata.note") for text in WRONG_TEXTS),
        (_with(metadata={"nul\x00": "v"}), "metadata.nul\ufffd"),
        (_with(metadata={"": "v"}), "metadata."),
        (_with(metadata={"k" * 41: "v"}), "metadata." + "k" * 41),
        (_with(metadata={"k": "v" * 501}), "metadata.k"),
        (_with(metadata={"k": 1}), "metadata.k"),
        (_with(metadata={"k": {"deep": "v"}}), "metadata.k"),
        (_with(metadata={str(n): "v" for n in range(51)}), "metadata"),
        (_with(metadata=[]), "metadata"),
        (_with(description="d" * 501), "description"),
        (_with(unknown=1), "unknown"),
        (_with(**{"bad\x00name": 1}), "bad\ufffdname"),
        (_with(currency="usd"), "currency"),
        (_with(currency="XXX"), "currency"),
        (_with(currency="DOLLAR"), "currency"),
        (_with(source_wallet_id=7), "source_wallet_id"),
        (_with(source_wallet_id="w" * 65), "source_wallet_id"),
        (_with(destination_wallet_id=None), "destination_wallet_id"),
        (_with(destination_email="bob@example.com"), "destination_wallet_id"),
        (_without("destination_wallet_id"), "destination_wallet_id"),
        (_without("source_wallet_id"), "source_wallet_id"),
        (_without("amount"), "amount"),
        (_without("currency"), "currency"),
    ],
)
async def test_a_transfer_with_one_wrong_field_is_refused(
    bank: Bank, database: Database, change: Callable[[Json], Json], field: str
) -> None:
    alice, bob = await bank.person(), await bank.person("bob")
    answer = await post(bank, "/v1/transfers", alice, change(order(alice, bob, 1)))
    refused(answer, 422, "validation_error", field)
    assert await written_for(database, alice) == (0, 0)


async def test_what_is_just_within_the_limits_is_let_through(bank: Bank) -> None:
    alice, bob = await bank.person(), await bank.person("bob")
    body = order(alice, bob, 10**15)
    body["description"] = "é" * 500
    body["metadata"] = {f"{n:040}": "€" * 500 for n in range(20)} | {"a.b": "", "$set": "{}"}
    answer = await post(bank, "/v1/transfers", alice, body)
    assert answer.status_code == 202, answer.text
    assert answer.json()["metadata"] == body["metadata"]
    assert answer.json()["description"] == body["description"]
    read = await bank.ask("GET", answer.headers["location"], alice)
    assert read.status_code == 200, read.text
    assert read.json()["metadata"] == body["metadata"]


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"source_wallet_id": NOBODYS_WALLET}, 404, "wallet_not_found"),
        ({"source_wallet_id": "nonsense"}, 404, "wallet_not_found"),
        ({"destination_wallet_id": NOBODYS_WALLET}, 404, "destination_not_found"),
        ({"destination_wallet_id": "nonsense"}, 404, "destination_not_found"),
        ({"currency": "EUR"}, 422, "currency_mismatch"),
    ],
)
async def test_a_transfer_between_the_wrong_wallets_leaves_its_key_free(
    bank: Bank, database: Database, changes: Json, status: int, code: str
) -> None:
    alice, bob = await bank.person(), await bank.person("bob")
    key, right = new_key(), order(alice, bob, 1)
    refused(await post(bank, "/v1/transfers", alice, {**right, **changes}, key), status, code)
    assert await written_for(database, alice) == (0, 0)
    assert (await post(bank, "/v1/transfers", alice, right, key)).status_code == 202


async def test_nobody_spends_from_anothers_wallet_or_pays_himself(
    bank: Bank, database: Database
) -> None:
    alice, bob = await bank.funded(100), await bank.person("bob")
    theft = order(alice, bob, 1)
    refused(await post(bank, "/v1/transfers", bob, theft), 404, "wallet_not_found")
    to_self = order(alice, alice, 1)
    refused(await post(bank, "/v1/transfers", alice, to_self), 422, "same_wallet")
    by_email = {k: v for k, v in order(alice, bob, 1).items() if k != "destination_wallet_id"}
    by_email["destination_email"] = new_email("nobody")
    refused(await post(bank, "/v1/transfers", alice, by_email), 404, "recipient_not_found")
    assert await database.transfers.count_documents({"wallet_ids": alice.wallet_id}) == 0
    assert await bank.balance(alice) == 100


async def test_others_things_do_not_exist(bank: Bank, operator: Person) -> None:
    alice, bob, eve = [await bank.person(name) for name in ("alice", "bob", "eve")]
    made = await post(bank, "/v1/transfers", alice, order(alice, bob, 1))
    paths = {
        made.headers["location"]: "transfer_not_found",
        f"/v1/wallets/{alice.wallet_id}": "wallet_not_found",
        f"/v1/wallets/{alice.wallet_id}/entries": "wallet_not_found",
    }
    for path, code in paths.items():
        refused(await bank.ask("GET", path, eve), 404, code)
        assert (await bank.ask("GET", path, alice)).status_code == 200
        assert (await bank.ask("GET", path, operator)).status_code == 200
    for path in ("/v1/wallets/%00", "/v1/wallets/nonsense", f"/v1/wallets/{NOBODYS_WALLET}"):
        refused(await bank.ask("GET", path, alice), 404, "wallet_not_found")
    refused(await bank.ask("GET", "/v1/transfers/trf_1", alice), 404, "transfer_not_found")
    path = f"/v1/wallets/{alice.wallet_id}/deposits"
    answer = await post(bank, path, eve, {"amount": 1, "currency": "USD"})
    refused(answer, 404, "wallet_not_found")
    assert await bank.balance(alice) == 0


@pytest.mark.parametrize("verb", ["freeze", "unfreeze", "close"])
async def test_a_wallets_state_is_for_operators(bank: Bank, operator: Person, verb: str) -> None:
    alice = await bank.person()
    path = f"/v1/wallets/{alice.wallet_id}"
    refused(await bank.ask("POST", f"{path}/{verb}", alice), 403, "operator_required")
    assert (await bank.ask("GET", path, alice)).json()["status"] == "active"
    answer = await bank.ask("POST", f"{path}/{verb}", operator)
    assert answer.status_code == 200
    refused(
        await bank.ask("POST", f"/v1/wallets/{NOBODYS_WALLET}/{verb}", operator),
        404,
        "wallet_not_found",
    )


@pytest.mark.parametrize("call", ["transfers", "deposits", "withdrawals"])
async def test_what_moves_money_wants_one_good_key(
    bank: Bank, database: Database, call: str
) -> None:
    alice, bob = await bank.person(), await bank.person("bob")
    path, body = f"/v1/wallets/{alice.wallet_id}/{call}", {"amount": 1, "currency": "USD"}
    if call == "transfers":
        path, body = "/v1/transfers", order(alice, bob, 1)
    answer = await bank.ask("POST", path, alice, body=body)
    refused(answer, 400, "idempotency_key_required")
    for key in ("k" * 256, "tab\there", ""):
        answer = await bank.ask("POST", path, alice, body=body, headers={"Idempotency-Key": key})
        refused(answer, 400, "idempotency_key_invalid")
    assert await written_for(database, alice) == (0, 0)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"email": "alice"}, "email"),
        ({"email": "alice@localhost"}, "email"),
        ({"email": "a" * 65 + "@example.com"}, "email"),
        ({"email": "alice@example.com\x00"}, "email"),
        ({"email": ["alice@example.com"]}, "email"),
        ({"password": "short77"}, "password"),
        ({"password": "x" * 129}, "password"),
        ({"password": "with nul\x00"}, "password"),
        ({"name": ""}, "name"),
        ({"name": "n" * 201}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"phone": "12"}, "phone"),
        ({"phone": "+1 415 555 0123"}, "phone"),
        ({"role": "operator"}, "role"),
    ],
)
async def test_a_registration_with_one_wrong_field_makes_nobody(
    bank: Bank, database: Database, changes: Json, field: str
) -> None:
    email = new_email("alice")
    right = {"email": email, "password": PASSWORD, "name": "Alice"}
    answer = await bank.ask("POST", "/v1/auth/register", body={**right, **changes})
    refused(answer, 422, "validation_error", field)
    assert await database.users.count_documents({"email": email}) == 0
    assert (await bank.ask("POST", "/v1/auth/register", body=right)).status_code == 201


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("limit=0", "validation_error"),
        ("limit=101", "validation_error"),
        ("limit=ten", "validation_error"),
        ("status=gone", "validation_error"),
        ("created_after=yesterday", "validation_error"),
        ("created_after=2026-01-31T12:00:00", "validation_error"),
        ("created_after=1750000000", "validation_error"),
        ("created_before=1960-01-01T00:00:00Z", "validation_error"),
        ("needs_attention=perhaps", "validation_error"),
        ("unknown=1", "validation_error"),
        ("cursor=nonsense", "cursor_invalid"),
        ("cursor=", "cursor_invalid"),
    ],
)
async def test_a_list_refuses_a_query_it_cannot_follow(bank: Bank, query: str, code: str) -> None:
    alice = await bank.person()
    answer = await bank.ask("GET", f"/v1/transfers?{query}", alice)
    refused(answer, 422, code, query.partition("=")[0])
    good = "limit=100&status=failed&created_after=2026-01-31T12:00:00Z&needs_attention=false"
    assert (await bank.ask("GET", f"/v1/transfers?{good}", alice)).status_code == 200


async def test_a_list_is_paged_without_gap_or_repetition(bank: Bank) -> None:
    alice, bob = await bank.person(), await bank.person("bob")
    made = [
        (await post(bank, "/v1/transfers", alice, order(alice, bob, 1))).json()["id"]
        for _ in range(7)
    ]
    seen: list[str] = []
    path = "/v1/transfers?limit=3"
    while path:
        page = (await bank.ask("GET", path, alice)).json()
        seen += [transfer["id"] for transfer in page["data"]]
        assert page["has_more"] is (page["next_cursor"] is not None)
        path = f"/v1/transfers?limit=3&cursor={page['next_cursor']}" if page["has_more"] else ""
    assert seen == made[::-1]


async def test_simulation_takes_only_rules_that_can_happen(bank: Bank, operator: Person) -> None:
    alice = await bank.person()
    rule = {"step": "credit", "failure_type": "reject", "failure_rate": 0.5}
    path = "/v1/simulation"
    harmless = {**rule, "transfer_ids": ["trf_none"]}
    right = {"enabled": True, "rules": [harmless]}
    refused(await bank.ask("PUT", path, alice, body=right), 403, "operator_required")
    for changes in (
        {"step": "refund"},
        {"step": "post"},
        {"failure_rate": 1.5},
        {"failure_rate": "1"},
        {"failure_rate": True},
        {"failure_type": "crash"},
        {"phase": "during"},
        {"colour": "red"},
    ):
        body = {"enabled": True, "rules": [{**harmless, **changes}]}
        refused(await bank.ask("PUT", path, operator, body=body), 422, "validation_error")
    none = {"object": "simulation", "enabled": False, "rules": []}
    assert (await bank.ask("GET", path, operator)).json() == none
    put = await bank.ask("PUT", path, operator, body=right)
    assert put.json()["rules"] == [{**harmless, "phase": "before"}]
    assert (await bank.ask("GET", path, operator)).json() == put.json()
    assert (await bank.ask("DELETE", path, operator)).status_code == 204
    assert (await bank.ask("GET", path, operator)).json() == none
