"""Limits hold over two APIs at once, and what must hold without Redis holds without it."""

import asyncio
import itertools
import json
import os
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator

import httpx
import psutil
import pytest

from cli.apps import Layout
from cli.stack import EmbeddedStack, StackOptions
from tests.conftest import TEST_ENV
from tests.e2e.bank import PASSWORD, Bank, Json, Person, new_email, new_key, order

TRANSFERS, USER, ANONYMOUS = 100, 300, 60
SIGN_INS, REGISTRATIONS, REFRESHES = 30, 20, 25
ENV = {
    **TEST_ENV,
    "PAYFLOW_RATE_LIMIT_ENABLED": "true",
    "PAYFLOW_RATE_LIMIT_TRANSFERS": f"{TRANSFERS}/hour",
    "PAYFLOW_RATE_LIMIT_USER": f"{USER}/hour",
    "PAYFLOW_RATE_LIMIT_ANONYMOUS": f"{ANONYMOUS}/hour",
    "PAYFLOW_RATE_LIMIT_SIGN_INS": f"{SIGN_INS}/hour",
    "PAYFLOW_RATE_LIMIT_REGISTRATIONS": f"{REGISTRATIONS}/hour",
    "PAYFLOW_RATE_LIMIT_REFRESHES": f"{REFRESHES}/hour",
    "PAYFLOW_TRUSTED_PROXIES": "127.0.0.1/32",
}
POLICY = re.compile(r'"(\w+)";q=(\d+);w=(\d+)')
LEFT = re.compile(r'"(\w+)";r=(\d+);t=(\d+)')

AT_ONCE = 20

_hosts = itertools.count(1)


@pytest.fixture(scope="module")
async def limited(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedStack]:
    """Two APIs with small limits, that believe what this machine says of addresses."""
    options = StackOptions(tmp_path_factory.mktemp("limited"), layout=Layout(apis=2), env=ENV)
    async with EmbeddedStack(options) as stack:
        yield stack


@pytest.fixture
async def stack(limited: EmbeddedStack) -> EmbeddedStack:
    return limited


def somewhere() -> dict[str, str]:
    """An address nobody has asked from."""
    number = next(_hosts)
    return {"X-Forwarded-For": f"198.51.{number // 250}.{number % 250 + 1}"}


async def registered(bank: Bank, name: str, amount: int = 0) -> Person:
    body = {"email": new_email(name), "password": PASSWORD, "name": name}
    made = await bank.ask("POST", "/v1/auth/register", body=body, headers=somewhere())
    assert made.status_code == 201, made.text
    said = made.json()
    who = Person(said["user"]["id"], said["tokens"]["access_token"], said["wallet"]["id"])
    if amount:
        await bank.deposit(who, amount)
    return who


async def pay(bank: Bank, body: Json, payer: Person) -> httpx.Response:
    """Ask, and ask again under the same key where the line was cut before the request was read."""
    headers = {"Idempotency-Key": new_key()}
    try:
        return await bank.ask("POST", "/v1/transfers", payer, body=body, headers=headers)
    except httpx.TransportError:
        return await bank.ask("POST", "/v1/transfers", payer, body=body, headers=headers)


async def log_in(bank: Bank, email: str, password: str, place: dict[str, str]) -> int:
    body = {"email": email, "password": password}
    answer = await bank.ask("POST", "/v1/auth/login", body=body, headers=place)
    return answer.status_code


def is_limited(answer: httpx.Response, name: str, quota: int) -> bool:
    """Whether it was refused; what it says of the limit is right in either case."""
    policy = POLICY.fullmatch(answer.headers["ratelimit-policy"])
    left = LEFT.fullmatch(answer.headers["ratelimit"])
    assert policy is not None
    assert left is not None
    assert policy.groups() == (name, str(quota), "3600")
    assert left[1] == name
    refused = answer.status_code == 429
    if refused:
        assert answer.json()["code"] == "rate_limited"
        assert 1 <= int(answer.headers["retry-after"]) <= 3_600
        assert left[2] == "0"
    return refused


async def test_of_500_at_once_over_two_processes_exactly_as_many_pass_as_may(bank: Bank) -> None:
    alice, bob = await registered(bank, "alice", 1_000), await registered(bank, "bob", 1_000)
    body = order(alice, bob, 1)
    answers = await asyncio.gather(*(pay(bank, body, alice) for _ in range(500)))
    assert Counter(answer.status_code for answer in answers) == {202: TRANSFERS, 429: 400}
    refused = [is_limited(answer, "transfers", TRANSFERS) for answer in answers]
    assert sum(refused) == 400
    # others are not hers, and what else she does is another limit's
    assert (await pay(bank, order(bob, alice, 1), bob)).status_code == 202
    read = await bank.ask("GET", "/v1/transfers", alice)
    assert read.status_code == 200
    assert not is_limited(read, "user", USER)


async def test_a_users_other_requests_have_a_limit(bank: Bank) -> None:
    alice, bob = await registered(bank, "alice"), await registered(bank, "bob")
    answers: list[httpx.Response] = []
    while len(answers) < USER + AT_ONCE:  # some at once: a block of a limit lives for 3 s
        asked = (bank.ask("GET", "/v1/auth/me", alice) for _ in range(AT_ONCE))
        answers += await asyncio.gather(*asked)
    passed = sum(not is_limited(answer, "user", USER) for answer in answers)
    assert USER - 10 <= passed <= USER  # blocks that lie unspent in one process are lost
    assert (await bank.ask("GET", "/v1/auth/me", bob)).status_code == 200


async def test_who_is_not_signed_in_is_counted_by_address(bank: Bank) -> None:
    place = somewhere()
    wrong = {**place, "Authorization": "Bearer nonsense"}
    answers = [
        await bank.ask("GET", "/v1/auth/me", headers=headers)
        for headers in (place, wrong) * (ANONYMOUS // 2)
    ]
    assert {answer.status_code for answer in answers} == {401}
    for headers in (place, wrong):
        assert is_limited(
            await bank.ask("GET", "/v1/auth/me", headers=headers), "anonymous", ANONYMOUS
        )
    assert (await bank.ask("GET", "/v1/auth/me", headers=somewhere())).status_code == 401
    for path in ("/health", "/health/ready", "/openapi.json", "/docs"):
        open_to_all = await bank.ask("GET", path, headers=place)
        assert (open_to_all.status_code, "ratelimit" in open_to_all.headers) == (200, False)
    alice = await registered(bank, "alice")
    assert (await bank.ask("GET", "/v1/auth/me", alice, headers=place)).status_code == 200


BEFORE_LOGIN = {
    "sign_ins": ("/v1/auth/login", SIGN_INS),
    "registrations": ("/v1/auth/register", REGISTRATIONS),
    "refreshes": ("/v1/auth/refresh", REFRESHES),
}


async def before_login(
    bank: Bank, place: dict[str, str], person: dict[str, str]
) -> dict[str, httpx.Response]:
    """One request to each call that is made before anybody is signed in, all of them good."""
    bodies = {
        "sign_ins": {"email": person["email"], "password": PASSWORD},
        "registrations": {"email": new_email("new"), "password": PASSWORD, "name": "New"},
        "refreshes": {"refresh_token": person["refresh_token"]},
    }
    found = {}
    for name, (path, _) in BEFORE_LOGIN.items():
        found[name] = await bank.ask("POST", path, body=bodies[name], headers=place)
    if found["refreshes"].is_success:
        person["refresh_token"] = found["refreshes"].json()["refresh_token"]
    return found


async def signed_up(bank: Bank) -> dict[str, str]:
    email = new_email("alice")
    body = {"email": email, "password": PASSWORD, "name": "Alice"}
    made = (await bank.ask("POST", "/v1/auth/register", body=body, headers=somewhere())).json()
    return {"email": email, "refresh_token": made["tokens"]["refresh_token"]}


async def test_other_traffic_of_an_address_does_not_use_up_its_sign_ins(bank: Bank) -> None:
    person, place = await signed_up(bank), somewhere()
    for _ in range(ANONYMOUS + 1):
        answer = await bank.ask("GET", "/v1/auth/me", headers=place)
    assert is_limited(answer, "anonymous", ANONYMOUS)
    for name, tried in (await before_login(bank, place, person)).items():
        assert tried.is_success, tried.text
        assert not is_limited(tried, name, BEFORE_LOGIN[name][1])


@pytest.mark.parametrize("used_up", BEFORE_LOGIN)
async def test_each_call_before_sign_in_uses_up_its_own_limit_alone(
    bank: Bank, used_up: str
) -> None:
    person, place = await signed_up(bank), somewhere()
    path, quota = BEFORE_LOGIN[used_up]
    # a token opens no way around the limit on signing in
    alice = await registered(bank, "alice")
    for _ in range(quota):
        empty = await bank.ask("POST", path, alice, body={}, headers=place)
        assert empty.status_code == 422
    for name, tried in (await before_login(bank, place, person)).items():
        assert is_limited(tried, name, BEFORE_LOGIN[name][1]) == (name == used_up)
    assert (await bank.ask("GET", "/v1/auth/me", headers=place)).status_code == 401


async def test_the_sixth_wrong_password_is_refused_in_every_process(bank: Bank) -> None:
    email, place = new_email("alice"), somewhere()
    body = {"email": email, "password": PASSWORD, "name": "Alice"}
    assert (await bank.ask("POST", "/v1/auth/register", body=body, headers=place)).is_success
    wrong = [await log_in(bank, email, "not the password", place) for _ in range(7)]
    assert wrong == [401] * 5 + [429] * 2
    assert [await log_in(bank, email, PASSWORD, place) for _ in bank.urls] == [429] * 2
    assert await log_in(bank, email, PASSWORD, somewhere()) == 200
    unknown = new_email("nobody")
    wrong = [await log_in(bank, unknown, "not the password", place) for _ in range(6)]
    assert wrong == [401] * 5 + [429]


def published_pid(stack: EmbeddedStack, role: str) -> int:
    """The process id that ``stack.json`` tells."""
    pid = json.loads((stack.data_dir / "stack.json").read_text())["pids"][role]
    assert isinstance(pid, int)
    return pid


async def is_gone(pid: int) -> None:
    async with asyncio.timeout(10):
        while psutil.pid_exists(pid):
            await asyncio.sleep(0.01)


@pytest.mark.chaos
async def test_without_redis_money_moves_and_logins_stay_throttled(
    bank: Bank, stack: EmbeddedStack
) -> None:
    alice, bob = await registered(bank, "alice", 1_000), await registered(bank, "bob")
    place, emails = somewhere(), [new_email("alice"), new_email("bob")]
    known = [await log_in(bank, emails[0], "wrong", place) for _ in range(8)]
    assert known == [401] * 5 + [429] * 3

    async def pay_through_the_fall() -> list[int]:
        answers = [await pay(bank, order(alice, bob, 1), alice) for _ in range(40)]
        return [answer.status_code for answer in answers]

    paying = asyncio.create_task(pay_through_the_fall())
    await asyncio.sleep(0.1)
    killed = published_pid(stack, "redis")
    os.kill(killed, signal.SIGKILL)
    await is_gone(killed)
    await stack.take_down("redis")  # it would be started again at once
    try:
        assert await paying == [202] * 40
        paid = await bank.send(alice, bob, 1, wait_s=20)
        assert paid["status"] == "completed"
        # what was known before is known still; what is new is counted in each process
        assert [await log_in(bank, emails[0], PASSWORD, place) for _ in bank.urls] == [429] * 2
        new = [await log_in(bank, emails[1], "wrong", place) for _ in range(14)]
        assert Counter(new) == {401: 10, 429: 4}
        assert new[-2:] == [429] * 2
        # and each process counts sign-ins apart from other traffic
        person, place = await signed_up(bank), somewhere()
        tries = ANONYMOUS * len(bank.urls) + 2
        others = [await bank.ask("GET", "/v1/auth/me", headers=place) for _ in range(tries)]
        assert Counter(one.status_code for one in others) == {401: tries - 2, 429: 2}
        for tried in (await before_login(bank, place, person)).values():
            assert tried.is_success, tried.text
    finally:
        await stack.bring_up("redis")
    assert stack.pid("redis") != killed
