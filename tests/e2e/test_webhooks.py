"""Webhook endpoints over HTTP: shapes, secrets, owners, and what each bad input is told."""

import asyncio
import base64
from typing import Any

import pytest

from payflow.webhooks.signing import secret_bytes
from tests.e2e.auditing import Database
from tests.e2e.bank import Bank, Json, Person
from tests.webhooks.post import verified
from tests.webhooks.receivers import OK, answering, receiver, status

ENDPOINTS = "/v1/webhook-endpoints"
URL = "https://127.0.0.1:9/payflow"
SECRET = "whsec_" + base64.b64encode(bytes(range(24))).decode()


async def made(bank: Bank, who: Person, **fields: Any) -> Json:
    body = {"url": URL, "event_types": ["*"], **fields}
    answer = await bank.ask("POST", ENDPOINTS, who, body=body)
    assert answer.status_code == 201, answer.text
    endpoint: Json = answer.json()
    assert answer.headers["location"] == f"{ENDPOINTS}/{endpoint['id']}"
    return endpoint


async def test_an_endpoints_life(bank: Bank, database: Database) -> None:
    alice, eve = await bank.person("alice"), await bank.person("eve")
    endpoint = await made(bank, alice, description="The shop", secret=SECRET)
    assert endpoint.pop("secret") == SECRET
    at = f"{ENDPOINTS}/{endpoint['id']}"
    assert (await bank.ask("GET", at, alice)).json() == endpoint
    assert (await bank.ask("GET", ENDPOINTS, alice)).json()["data"] == [endpoint]
    assert (await bank.ask("GET", ENDPOINTS, eve)).json()["data"] == []
    kept = await database.webhook_endpoints.find_one({"_id": endpoint["id"]})
    assert SECRET not in str(kept)
    assert SECRET.removeprefix("whsec_") not in str(kept)

    changes = {"url": f"{URL}/new", "event_types": ["transfer.failed"], "status": "paused"}
    changed = (await bank.ask("PATCH", at, alice, body=changes)).json()
    assert {key: changed[key] for key in changes} == changes
    assert changed["description"] == "The shop"
    assert (await bank.ask("PATCH", at, alice, body={"status": "enabled"})).json()[
        "status"
    ] == "enabled"

    rotated = (await bank.ask("POST", f"{at}/rotate-secret", alice)).json()
    assert secret_bytes(rotated["secret"])
    assert rotated["secret"] != SECRET
    assert "secret" not in (await bank.ask("GET", at, alice)).json()

    assert (await bank.ask("DELETE", at, alice)).status_code == 204
    assert (await bank.ask("GET", at, alice)).json()["code"] == "webhook_endpoint_not_found"


async def test_a_strangers_endpoint_does_not_exist(bank: Bank) -> None:
    alice, eve = await bank.person("alice"), await bank.person("eve")
    at = f"{ENDPOINTS}/{(await made(bank, alice))['id']}"
    delivery = (await bank.ask("POST", f"{at}/test", alice)).json()
    calls: list[tuple[str, str, Json | None]] = [
        ("GET", at, None),
        ("PATCH", at, {"status": "paused"}),
        ("DELETE", at, None),
        ("POST", f"{at}/rotate-secret", None),
        ("POST", f"{at}/test", None),
        ("GET", f"{at}/deliveries", None),
        ("POST", f"{at}/replay", {"since": "2026-01-01T00:00:00Z"}),
        ("POST", f"/v1/webhook-deliveries/{delivery['id']}/resend", None),
    ]
    for method, path, body in calls:
        answer = await bank.ask(method, path, eve, body=body)
        assert answer.status_code == 404, (method, path, answer.text)
    assert (await bank.ask("GET", at, alice)).json()["status"] == "enabled"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"url": "ftp://example.com"}, "webhook_url_invalid"),
        ({"url": "https://user:pass@example.com"}, "webhook_url_invalid"),
        ({"url": "https://"}, "webhook_url_invalid"),
        ({"url": ""}, "webhook_url_invalid"),
        ({"url": 7}, "validation_error"),
        ({"url": None}, "validation_error"),
        ({"event_types": []}, "validation_error"),
        ({"event_types": "*"}, "validation_error"),
        ({"event_types": ["transfer.sent"]}, "webhook_event_type_unknown"),
        ({"event_types": ["transfer.*"]}, "webhook_event_type_unknown"),
        ({"description": "x" * 501}, "validation_error"),
        ({"description": "a\x00b"}, "validation_error"),
        ({"secret": "whsec_"}, "webhook_secret_invalid"),
        ({"secret": "secret"}, "webhook_secret_invalid"),
        ({"secret": "whsec_" + base64.b64encode(bytes(23)).decode()}, "webhook_secret_invalid"),
        ({"secret": "whsec_" + base64.b64encode(bytes(65)).decode()}, "webhook_secret_invalid"),
        ({"secret": "whsec_!" * 10}, "webhook_secret_invalid"),
        ({"status": "disabled"}, "validation_error"),
        ({"unknown": 1}, "validation_error"),
    ],
    ids=str,
)
async def test_each_bad_input_is_told_what_it_is(bank: Bank, fields: Json, code: str) -> None:
    alice = await bank.person("alice")
    body = {"url": URL, "event_types": ["*"], **fields}
    answer = await bank.ask("POST", ENDPOINTS, alice, body=body)
    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    assert answer.json()["errors"][0]["field"] == next(iter(fields)) or code == "validation_error"
    if code == "webhook_event_type_unknown":
        assert "transfer.completed" in answer.json()["detail"]
    if {"url", "event_types"} & fields.keys():
        at = f"{ENDPOINTS}/{(await made(bank, alice))['id']}"
        answer = await bank.ask("PATCH", at, alice, body=fields)
        assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text


async def test_a_user_has_at_most_twenty_endpoints(bank: Bank) -> None:
    alice = await bank.person("alice")
    body = {"url": URL, "event_types": ["*"]}
    answers = await asyncio.gather(
        *(bank.ask("POST", ENDPOINTS, alice, body=body) for _ in range(25))
    )
    codes = sorted(answer.status_code for answer in answers)
    assert codes == [201] * 20 + [409] * 5, [answer.text for answer in answers]
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert refused.json()["code"] == "webhook_endpoint_limit_reached"


async def test_a_test_event_arrives_and_is_listed(bank: Bank, database: Database) -> None:
    alice = await bank.person("alice")
    async with receiver(answering(status(500), OK)) as shop:
        endpoint = await made(bank, alice, url=shop.url, event_types=["transfer.failed"])
        at = f"{ENDPOINTS}/{endpoint['id']}"
        answer = await bank.ask("POST", f"{at}/test", alice)
        assert answer.status_code == 202
        sent = answer.json()
        assert (sent["status"], sent["attempts"]) == ("pending", [])
        listed = await _listed(bank, alice, at, "succeeded")
    assert [attempt["status_code"] for attempt in listed["attempts"]] == [500, 200]
    first, second = (verified(request, endpoint["secret"]) for request in shop.requests)
    assert first == second
    assert first["id"] == sent["event_id"] == listed["event_id"]
    assert (first["type"], first["sequence"]) == ("endpoint.test", 1)
    assert first["data"]["id"] == endpoint["id"]
    mark = await database.journal.find_one({"_id": f"{endpoint['id']}:test:{sent['event_id']}"})
    assert mark
    assert mark["event"] == first
    assert (mark["audience"], mark["endpoint_id"]) == ([alice.user_id], endpoint["id"])


async def test_410_disables_and_the_dead_letter_can_be_resent(
    bank: Bank, database: Database
) -> None:
    alice = await bank.person("alice")
    async with receiver(answering(status(410), OK)) as shop:
        endpoint = await made(bank, alice, url=shop.url)
        at = f"{ENDPOINTS}/{endpoint['id']}"
        await bank.ask("POST", f"{at}/test", alice)
        lost = await _listed(bank, alice, at, "cancelled")
        disabled = (await bank.ask("GET", at, alice)).json()
        assert (disabled["status"], disabled["disabled_reason"]) == ("disabled", "gone")
        mark = await database.journal.find_one({"_id": {"$regex": f"^{endpoint['id']}:disabled:"}})
        assert mark
        assert mark["event"]["type"] == "endpoint.disabled"
        assert mark["event"]["data"]["status"] == "disabled"
        resend = f"/v1/webhook-deliveries/{lost['id']}/resend"
        refused = await bank.ask("POST", resend, alice)
        assert (refused.status_code, refused.json()["code"]) == (
            409,
            "webhook_endpoint_not_enabled",
        )
        enabled = (await bank.ask("PATCH", at, alice, body={"status": "enabled"})).json()
        assert (enabled["status"], enabled["disabled_reason"]) == ("enabled", None)
        assert (await bank.ask("POST", resend, alice)).status_code == 202
        await _listed(bank, alice, at, "succeeded")


async def test_replay_counts_what_it_sent(bank: Bank) -> None:
    alice = await bank.person("alice")
    at = f"{ENDPOINTS}/{(await made(bank, alice))['id']}"
    body = {"since": "2026-01-01T00:00:00Z"}
    answer = await bank.ask("POST", f"{at}/replay", alice, body=body)
    assert answer.status_code == 202
    assert answer.json()["deliveries"] == 0
    bad = await bank.ask("POST", f"{at}/replay", alice, body={"since": "yesterday"})
    assert bad.json()["code"] == "validation_error"


async def _listed(bank: Bank, who: Person, at: str, wanted: str) -> Json:
    """The endpoint's first delivery of that status, as soon as there is one."""
    async with asyncio.timeout(40):
        while True:
            page = (await bank.ask("GET", f"{at}/deliveries?status={wanted}", who)).json()
            if page["data"]:
                found: Json = page["data"][0]
                return found
            await asyncio.sleep(0.1)
