"""Whatever one caller can make or ask has a limit; it is refused with what to do, others go on."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from cli.doctor.examination import examine
from cli.doctor.rows import Verdict
from cli.stack import EmbeddedStack, StackOptions
from payflow.settings import Settings
from tests.conftest import TEST_ENV
from tests.e2e.auditing import Database
from tests.e2e.bank import PASSWORD, Bank, Json, Person, new_email, new_key, order
from tests.e2e.listening import listening

ENV = {
    **TEST_ENV,
    "PAYFLOW_RATE_LIMIT_ENABLED": "true",
    "PAYFLOW_RATE_LIMIT_ANONYMOUS": "100000/hour",
    "PAYFLOW_STREAMS_MAX": "40",
}
STREAMS_OF_ACCOUNT, STREAMS_OF_ADDRESS = 10, 20
UNKNOWN = 50


@pytest.fixture(scope="module")
async def limited(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedStack]:
    """Limits as in production, but for anonymous callers; no proxy is named."""
    options = StackOptions(tmp_path_factory.mktemp("limited"), env=ENV)
    async with EmbeddedStack(options) as stack:
        yield stack


@pytest.fixture
async def stack(limited: EmbeddedStack) -> EmbeddedStack:
    return limited


async def endpoint_of(bank: Bank, who: Person) -> str:
    body = {"url": "http://127.0.0.1:9/hook", "event_types": ["*"]}
    made = await bank.ask("POST", "/v1/webhook-endpoints", who, body=body)
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def is_refused(answer: httpx.Response, name: str) -> None:
    """A 429 that says which limit and when to come again."""
    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited"), answer.text
    assert answer.headers["ratelimit-policy"].startswith(f'"{name}";')
    assert int(answer.headers["retry-after"]) >= 1


Call = Callable[[], Awaitable[httpx.Response]]


async def sending_tests(bank: Bank, who: Person) -> Call:
    path = f"/v1/webhook-endpoints/{await endpoint_of(bank, who)}/test"
    return lambda: bank.ask("POST", path, who)


async def replay(bank: Bank, who: Person) -> Call:
    path = f"/v1/webhook-endpoints/{await endpoint_of(bank, who)}/replay"
    return lambda: bank.ask("POST", path, who, body={"since": "2026-01-01T00:00:00Z"})


async def resend(bank: Bank, who: Person) -> Call:
    endpoint = await endpoint_of(bank, who)
    tested = await bank.ask("POST", f"/v1/webhook-endpoints/{endpoint}/test", who)
    path = f"/v1/webhook-deliveries/{tested.json()['id']}/resend"
    return lambda: bank.ask("POST", path, who)


async def endpoint_change(bank: Bank, who: Person) -> Call:
    path = f"/v1/webhook-endpoints/{await endpoint_of(bank, who)}"
    return lambda: bank.ask("PATCH", path, who, body={"status": "paused"})


async def api_key(bank: Bank, who: Person) -> Call:
    async def make() -> httpx.Response:
        body = {"name": "a program", "scopes": ["transfers:read"]}
        made = await bank.ask("POST", "/v1/api-keys", who, body=body)
        if made.is_success:
            await bank.ask("DELETE", f"/v1/api-keys/{made.json()['id']}", who)
        return made

    return make


async def password_change(bank: Bank, who: Person) -> Call:
    body = {"current_password": PASSWORD, "new_password": PASSWORD}
    return lambda: bank.ask("POST", "/v1/auth/password", who, body=body)


async def report(bank: Bank, who: Person) -> Call:
    await bank.deposit(who, 1)
    sent = await bank.send(who, await bank.person("bob"), 1, wait_s=10)
    return lambda: bank.ask("GET", f"/v1/transfers/{sent['id']}/timeline", who)


async def batch(bank: Bank, who: Person) -> Call:
    body = {"mode": "independent", "transfers": [order(who, await bank.person("bob"), 1)]}
    path = "/v1/batches"
    return lambda: bank.ask("POST", path, who, body=body, headers={"Idempotency-Key": new_key()})


@pytest.mark.parametrize(
    ("name", "amount", "prepared"),
    [
        ("test_events", 60, sending_tests),
        ("replays", 30, replay),
        ("resends", 300, resend),
        ("endpoint_changes", 200, endpoint_change),
        ("api_keys", 100, api_key),
        ("password_changes", 10, password_change),
        ("reports", 120, report),
        ("batches", 60, batch),
    ],
)
async def test_one_accounts_calls_have_a_limit_and_anothers_go_on(
    bank: Bank, name: str, amount: int, prepared: Callable[[Bank, Person], Awaitable[Call]]
) -> None:
    alice, bob = await bank.person(), await bank.person("bob")
    call, other = await prepared(bank, alice), await prepared(bank, bob)
    passed = 0
    while passed <= amount and (answer := await call()).is_success:
        passed += 1
    is_refused(answer, name)
    # what was needed to prepare the call counts, where it is of the same kind
    assert amount - 1 <= passed <= amount
    assert (await other()).is_success


async def test_wallets_of_an_account_have_a_limit(bank: Bank, database: Database) -> None:
    alice, bob = await bank.person(), await bank.person("bob")
    wallet = await database.wallets.find_one({"_id": alice.wallet_id})
    assert wallet
    copies = [{**wallet, "_id": f"wal_{alice.user_id}_{number}"} for number in range(998)]
    await database.wallets.insert_many(copies)

    async def opened(who: Person) -> httpx.Response:
        return await bank.ask("POST", "/v1/wallets", who, body={"currency": "EUR"})

    assert (await opened(alice)).status_code == 201
    refused = await opened(alice)
    assert (refused.status_code, refused.json()["code"]) == (409, "wallet_limit_reached")
    assert "1000" in refused.json()["detail"]
    assert (await opened(bob)).status_code == 201
    await database.wallets.update_one({"_id": copies[0]["_id"]}, {"$set": {"status": "closed"}})
    assert (await opened(alice)).status_code == 201


async def test_batches_in_progress_have_a_limit(bank: Bank, database: Database) -> None:
    alice, bob = await bank.funded(10), await bank.funded(10, "bob")
    body = {"mode": "independent", "transfers": [order(alice, bob, 1)]}

    async def sent(who: Person, content: Json, key: str) -> httpx.Response:
        headers = {"Idempotency-Key": key}
        return await bank.ask("POST", "/v1/batches", who, body=content, headers=headers)

    known = new_key()
    made = await sent(alice, body, known)
    assert made.status_code == 202
    stored = await database.batches.find_one({"_id": made.json()["id"]})
    assert stored
    ids = [f"bat_{alice.user_id}_{number}" for number in range(100)]
    standing = [{**stored, "_id": one, "status": "processing"} for one in ids]
    await database.batches.insert_many(standing)
    refused = await sent(alice, body, new_key())
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_batches")
    assert int(refused.headers["retry-after"]) >= 1
    again = await sent(alice, body, known)
    assert (again.status_code, again.json()["id"]) == (202, made.json()["id"])
    theirs = {"mode": "independent", "transfers": [order(bob, alice, 1)]}
    assert (await sent(bob, theirs, new_key())).status_code == 202
    await database.batches.delete_many({"_id": {"$in": ids}})
    assert (await sent(alice, body, new_key())).status_code == 202


async def test_streams_have_a_limit_for_each_account_and_each_address(
    bank: Bank, stack: EmbeddedStack
) -> None:
    alice, bob, carol = [await bank.person(name) for name in ("alice", "bob", "carol")]
    url, path = stack.addresses.api_url, "/v1/events/stream"

    async def refused(who: Person) -> None:
        async with listening(url, path, who) as one_more:
            answer = one_more.answer
            assert (answer.status_code, answer.json()["code"]) == (429, "too_many_own_streams")
            assert int(answer.headers["retry-after"]) >= 1

    async with AsyncExitStack() as opened:
        for who in (alice, bob):
            for _ in range(STREAMS_OF_ACCOUNT):
                stream = await opened.enter_async_context(listening(url, path, who))
                assert stream.answer.status_code == 200
            await refused(who)
        await refused(carol)  # two accounts have opened as many as one address may
    async with asyncio.timeout(30):
        status = 0
        while status != 200:
            async with listening(url, path, carol) as stream:
                status = stream.answer.status_code


async def test_an_account_keeps_its_latest_sessions(bank: Bank, database: Database) -> None:
    email = new_email("alice")
    body = {"email": email, "password": PASSWORD, "name": "Alice"}
    made = (await bank.ask("POST", "/v1/auth/register", body=body)).json()
    first, user_id = made["tokens"]["refresh_token"], made["user"]["id"]
    stored = await database.refresh_tokens.find_one({"user_id": user_id})
    assert stored
    others = [
        {**stored, "_id": f"hash-{user_id}-{number}", "family_id": f"family-{user_id}-{number}"}
        | {"created_at": stored["created_at"] + timedelta(seconds=1 + number)}
        for number in range(99)
    ]
    await database.refresh_tokens.insert_many(others)

    async def refresh(token: str) -> httpx.Response:
        return await bank.ask("POST", "/v1/auth/refresh", body={"refresh_token": token})

    sign_in = {"email": email, "password": PASSWORD}
    new = (await bank.ask("POST", "/v1/auth/login", body=sign_in)).json()["refresh_token"]
    ended = await refresh(first)  # 100 sessions are kept, and it was the one used longest ago
    assert (ended.status_code, ended.json()["code"]) == (401, "refresh_token_revoked")
    assert (await refresh(new)).status_code == 200
    live = {"user_id": user_id, "spent": False, "revoked": False}
    assert await database.refresh_tokens.count_documents(live) == 100


def to_address(payer: Person, email: str) -> Json:
    return {
        "source_wallet_id": payer.wallet_id,
        "destination_email": email,
        "amount": 1,
        "currency": "USD",
    }


async def pay(bank: Bank, who: Person, body: Json) -> httpx.Response:
    headers = {"Idempotency-Key": new_key()}
    return await bank.ask("POST", "/v1/transfers", who, body=body, headers=headers)


async def pay_batch(bank: Bank, who: Person, emails: Sequence[str]) -> httpx.Response:
    body = {"mode": "independent", "transfers": [to_address(who, email) for email in emails]}
    headers = {"Idempotency-Key": new_key()}
    return await bank.ask("POST", "/v1/batches", who, body=body, headers=headers)


async def known_address(bank: Bank) -> str:
    email = new_email("known")
    body = {"email": email, "password": PASSWORD, "name": "Known"}
    assert (await bank.ask("POST", "/v1/auth/register", body=body)).status_code == 201
    return email


async def learns_no_more(bank: Bank, who: Person, known: str) -> None:
    """Known and unknown addresses get the same answer, alone and in a batch."""
    for email in (known, new_email("unknown")):
        for answer in (
            await pay(bank, who, to_address(who, email)),
            await pay_batch(bank, who, [email]),
        ):
            is_refused(answer, "unknown_recipients")
            assert answer.json()["errors"] == []


async def test_unknown_recipients_have_a_quota_and_then_no_address_tells_anything(
    bank: Bank,
) -> None:
    alice, bob = await bank.funded(100), await bank.funded(100, "bob")
    known = await known_address(bank)
    for _ in range(UNKNOWN):
        missed = await pay(bank, alice, to_address(alice, new_email("unknown")))
        assert (missed.status_code, missed.json()["code"]) == (404, "recipient_not_found")
    await learns_no_more(bank, alice, known)
    assert (await pay(bank, alice, order(alice, bob, 1))).status_code in (201, 202)
    assert (await pay(bank, bob, to_address(bob, known))).status_code in (201, 202)


async def test_a_batch_tells_of_no_more_unknown_addresses_than_the_quota_has(bank: Bank) -> None:
    alice, bob = await bank.funded(100), await bank.funded(100, "bob")
    known = await known_address(bank)
    some = [new_email("unknown") for _ in range(10)]
    told = await pay_batch(bank, bob, [*some, known, *some])
    assert told.status_code == 404
    assert len(told.json()["errors"]) == 20  # ten addresses, each named twice: ten are counted
    assert (await pay_batch(bank, bob, [known])).status_code == 202
    many = [new_email("unknown") for _ in range(2_000)]
    is_refused(await pay_batch(bank, alice, [*many, known]), "unknown_recipients")
    await learns_no_more(bank, alice, known)
    rest = UNKNOWN - 10
    for _ in range(rest):
        missed = await pay(bank, bob, to_address(bob, new_email("unknown")))
        assert missed.status_code == 404
    await learns_no_more(bank, bob, known)


async def test_a_delivery_keeps_its_latest_attempts(bank: Bank, database: Database) -> None:
    alice = await bank.person()
    endpoint = await endpoint_of(bank, alice)
    tested = await bank.ask("POST", f"/v1/webhook-endpoints/{endpoint}/test", alice)
    delivery = tested.json()["id"]

    async def stored() -> dict[str, Any]:
        found = await database.webhook_deliveries.find_one({"_id": delivery})
        assert found
        return found

    async with asyncio.timeout(30):
        while not (first := (await stored())["attempts"]):
            await asyncio.sleep(0.05)
    many = {"$set": {"attempts": [{**first[0], "duration_ms": 4711}] * 100}}
    await database.webhook_deliveries.update_one({"_id": delivery}, many)
    again = await bank.ask("POST", f"/v1/webhook-deliveries/{delivery}/resend", alice)
    assert again.status_code == 202
    async with asyncio.timeout(30):
        while (kept := (await stored())["attempts"])[-1]["duration_ms"] == 4711:
            await asyncio.sleep(0.05)
    assert len(kept) == 100


async def test_a_held_delivery_is_kept_no_longer_than_one_that_has_ended(
    bank: Bank, database: Database
) -> None:
    alice = await bank.person()
    endpoint = await endpoint_of(bank, alice)
    path = f"/v1/webhook-endpoints/{endpoint}"
    assert (await bank.ask("PATCH", path, alice, body={"status": "paused"})).is_success
    await bank.deposit(alice, 1)

    async def expiry() -> datetime | None:
        async with asyncio.timeout(30):
            while not (
                found := await database.webhook_deliveries.find_one({"endpoint_id": endpoint})
            ):
                await asyncio.sleep(0.05)
        expires_at: datetime | None = found.get("expires_at")
        return expires_at

    held = await expiry()
    assert held is not None
    left = held - datetime.now(UTC)  # noqa: TID251
    assert timedelta(days=29, hours=23) < left <= timedelta(days=30)
    assert (await bank.ask("PATCH", path, alice, body={"status": "enabled"})).is_success
    assert await expiry() is None


async def test_a_proxy_that_is_not_named_is_warned_of_once_and_shown_by_the_doctor(
    bank: Bank, stack: EmbeddedStack
) -> None:
    settings = Settings(mongo_url=stack.addresses.mongo_url, redis_url=stack.addresses.redis_url)
    (before,) = await examine(settings, only=["proxies"])
    assert (before.verdict, before.found) == (Verdict.GREEN, "trusted: none")
    for _ in range(3):
        forwarded = {"X-Forwarded-For": "203.0.113.7"}
        assert (await bank.ask("GET", "/v1/auth/me", headers=forwarded)).status_code == 401
    (after,) = await examine(settings, only=["proxies"])
    assert after.verdict is Verdict.YELLOW
    assert "127.0.0.1" in after.found
    assert "PAYFLOW_TRUSTED_PROXIES" in after.fix
    logged = (stack.data_dir / "logs" / "serve.log").read_text()
    assert logged.count("is not in PAYFLOW_TRUSTED_PROXIES") == 1
    assert re.search("proxies whose X-Forwarded-For is believed: none", logged)


@pytest.mark.chaos
async def test_without_redis_a_process_counts_by_itself(bank: Bank, stack: EmbeddedStack) -> None:
    alice, bob = await bank.funded(100), await bank.funded(100, "bob")
    known = await known_address(bank)
    call, other = await sending_tests(bank, alice), await sending_tests(bank, bob)
    await stack.take_down("redis")
    try:
        answers = [await call() for _ in range(61)]
        assert {one.status_code for one in answers[:60]} == {202}
        is_refused(answers[60], "test_events")
        assert (await other()).status_code == 202
        for _ in range(UNKNOWN):
            missed = await pay(bank, alice, to_address(alice, new_email("unknown")))
            assert missed.status_code == 404
        await learns_no_more(bank, alice, known)
        assert (await pay(bank, bob, to_address(bob, known))).status_code in (201, 202)
    finally:
        await stack.bring_up("redis")
