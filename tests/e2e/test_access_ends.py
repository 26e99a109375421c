"""Streams and waits end within 5 s once their caller may not see the answer any more."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from cli.stack import EmbeddedStack
from payflow.auth.keys import load_keys
from payflow.auth.tokens import AccessTokens
from payflow.domain.users import User
from payflow.settings import Settings
from payflow.storage.identity import SystemClock
from tests.e2e.auditing import Database
from tests.e2e.bank import PASSWORD, Bank, Json, Person, new_email, new_key, order
from tests.e2e.conftest import new_operator
from tests.e2e.listening import Listening, listening

WITHIN_S = 5.0
STREAM = "/v1/events/stream"
REASON = {"reason": "a test says so"}


@dataclass(frozen=True)
class SignedUp:
    """A user with everything that a session hands out."""

    email: str
    person: Person
    refresh_token: str


async def signed_up(bank: Bank) -> SignedUp:
    email = new_email("alice")
    body = {"email": email, "password": PASSWORD, "name": "Alice"}
    made = (await bank.ask("POST", "/v1/auth/register", body=body)).json()
    person = Person(made["user"]["id"], made["tokens"]["access_token"], made["wallet"]["id"])
    return SignedUp(email, person, made["tokens"]["refresh_token"])


async def another_session(bank: Bank, user: SignedUp) -> tuple[Person, str]:
    body = {"email": user.email, "password": PASSWORD}
    made = (await bank.ask("POST", "/v1/auth/login", body=body)).json()
    return replace(user.person, token=made["access_token"]), made["refresh_token"]


async def key_of(bank: Bank, who: Person, lives: timedelta | None = None) -> tuple[str, Person]:
    body: Json = {"name": "a program", "scopes": ["events:read", "transfers:read"]}
    if lives is not None:
        body["expires_at"] = (datetime.now(UTC) + lives).isoformat()  # noqa: TID251
    made = await bank.ask("POST", "/v1/api-keys", who, body=body)
    assert made.status_code == 201, made.text
    return made.json()["id"], replace(who, token=made.json()["key"])


@asynccontextmanager
async def open_streams(
    stack: EmbeddedStack, *callers: Person, path: str = STREAM
) -> AsyncIterator[list[Listening]]:
    """A stream of each caller, on the API that is not asked to change anything."""
    async with AsyncExitStack() as opened:
        streams = [
            await opened.enter_async_context(listening(stack.addresses.api_urls[-1], path, one))
            for one in callers
        ]
        for stream in streams:
            assert stream.answer.status_code == 200
            await stream.until_comment()
        yield streams


async def ends(stream: Listening, code: str) -> None:
    """The stream ends in time and says why."""
    began = time.monotonic()
    await stream.to_the_end()
    assert time.monotonic() - began < WITHIN_S
    assert stream.ended is not None
    assert stream.ended["code"] == code


async def goes_on(bank: Bank, stream: Listening, who: Person) -> None:
    """The stream is still open: it brings the next event."""
    await bank.deposit(who, 1)
    assert [event.type for event in await stream.next(1)] == ["wallet.deposited"]


async def refuses(bank: Bank, who: Person, code: str) -> None:
    """No API opens such a stream again, as soon as it has forgotten what it knew."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            answers = [await bank.ask("GET", STREAM, who) for _ in bank.urls]
            if {answer.status_code for answer in answers} == {401}:
                break
            await asyncio.sleep(0.1)
    assert {answer.json()["code"] for answer in answers} == {code}


async def test_a_deactivated_users_stream_ends(
    bank: Bank, stack: EmbeddedStack, operator: Person
) -> None:
    alice, bob = (await signed_up(bank)).person, await bank.person("bob")
    async with open_streams(stack, alice, bob) as (hers, his):
        path = f"/v1/users/{alice.user_id}/deactivate"
        assert (await bank.ask("POST", path, operator, body=REASON)).status_code == 200
        await ends(hers, "account_deactivated")
        await goes_on(bank, his, bob)
    await refuses(bank, alice, "account_deactivated")


async def test_a_revoked_keys_stream_ends_and_no_other_keys(
    bank: Bank, stack: EmbeddedStack
) -> None:
    alice = (await signed_up(bank)).person
    key_id, revoked = await key_of(bank, alice)
    _, kept = await key_of(bank, alice)
    async with open_streams(stack, revoked, kept, alice) as (first, second, third):
        gone = await bank.ask("DELETE", f"/v1/api-keys/{key_id}", alice)
        assert gone.status_code == 204
        await ends(first, "api_key_revoked")
        await goes_on(bank, second, alice)
        await third.next(1)
    await refuses(bank, revoked, "api_key_revoked")


async def log_out(bank: Bank, user: SignedUp, other: Person) -> None:
    body = {"refresh_token": user.refresh_token}
    assert (await bank.ask("POST", "/v1/auth/logout", other, body=body)).status_code == 204


async def change_password(bank: Bank, user: SignedUp, other: Person) -> None:
    body = {"current_password": PASSWORD, "new_password": "staple that horse"}
    assert (await bank.ask("POST", "/v1/auth/password", other, body=body)).status_code == 204


async def reuse(bank: Bank, user: SignedUp, other: Person) -> None:
    body = {"refresh_token": user.refresh_token}
    assert (await bank.ask("POST", "/v1/auth/refresh", body=body)).status_code == 200
    assert (await bank.ask("POST", "/v1/auth/refresh", body=body)).status_code == 401


@pytest.mark.parametrize("act", [log_out, change_password, reuse])
async def test_an_ended_sessions_stream_ends_and_no_other_sessions(
    bank: Bank,
    stack: EmbeddedStack,
    act: Callable[[Bank, SignedUp, Person], Awaitable[None]],
) -> None:
    user = await signed_up(bank)
    other, _ = await another_session(bank, user)
    async with open_streams(stack, user.person, other) as (first, second):
        await act(bank, user, other)
        await ends(first, "token_revoked")
        await goes_on(bank, second, other)
    await refuses(bank, user.person, "token_revoked")


async def test_a_demoted_operators_stream_ends(
    bank: Bank, stack: EmbeddedStack, database: Database
) -> None:
    demoted, kept = await new_operator(stack, bank), await new_operator(stack, bank)
    async with open_streams(stack, demoted, kept) as (first, second):
        await database.users.update_one({"_id": demoted.user_id}, {"$set": {"role": "user"}})
        await ends(first, "role_changed")
        await goes_on(bank, second, await bank.person())
    async with asyncio.timeout(WITHIN_S):  # let in as the user they are now
        while (await bank.ask("GET", "/v1/events?limit=1", demoted)).json()["data"]:
            await asyncio.sleep(0.1)


async def test_a_stream_ends_with_its_key_and_its_token(bank: Bank, stack: EmbeddedStack) -> None:
    alice = (await signed_up(bank)).person
    _, short_key = await key_of(bank, alice, timedelta(seconds=3))
    settings = Settings(data_dir=stack.data_dir, access_token_ttl_s=3)
    tokens = AccessTokens(load_keys(settings), settings, SystemClock())
    user = User(alice.user_id, "alice@example.com", "Alice", SystemClock().now())
    short_token = replace(alice, token=tokens.issue(user, "a session of a test's"))
    async with open_streams(stack, short_key, short_token, alice) as (first, second, third):
        await asyncio.sleep(1)
        await asyncio.gather(ends(first, "api_key_expired"), ends(second, "token_expired"))
        await goes_on(bank, third, alice)


async def test_a_transfers_stream_and_a_wait_end_with_their_callers_account(
    bank: Bank, stack: EmbeddedStack, operator: Person
) -> None:
    alice, bob = await bank.funded(100), await bank.funded(100, "bob")
    rule = {"step": "credit", "failure_type": "error", "failure_rate": 1}
    await bank.rehearse(operator, rule)
    try:
        sent = await bank.send(alice, bob, 1)

        async def wait(payer: Person, payee: Person) -> tuple[int, Json, float]:
            headers = {"Idempotency-Key": new_key(), "Prefer": "wait=30"}
            began = time.monotonic()
            body = order(payer, payee, 1)
            answer = await bank.ask("POST", "/v1/transfers", payer, body=body, headers=headers)
            return answer.status_code, answer.json(), time.monotonic() - began

        path = f"/v1/transfers/{sent['id']}/events"
        async with open_streams(stack, alice, bob, path=path) as (hers, his):
            waits = [
                asyncio.create_task(wait(*who))
                for who in ((alice, bob), (bob, alice))
                for _ in bank.urls
            ]
            await asyncio.sleep(1)
            off = f"/v1/users/{alice.user_id}/deactivate"
            assert (await bank.ask("POST", off, operator, body=REASON)).status_code == 200
            await ends(hers, "account_deactivated")
            ended, waiting = await asyncio.wait(waits, timeout=WITHIN_S)
            assert waiting == set(waits[len(bank.urls) :])
            for one in ended:
                status, body, took_s = one.result()
                assert (status, body["code"]) == (401, "account_deactivated")
                assert took_s < 1 + WITHIN_S
            await bank.end_rehearsal(operator)
            assert {one.result()[0] for one in (await asyncio.wait(waiting))[0]} == {201}
            assert "transfer.completed" in [event.type for event in await his.to_the_end()]
    finally:
        await bank.end_rehearsal(operator)
