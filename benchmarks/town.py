"""Who lives on a stack under load: people with funded wallets, made through the front door."""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, TypeVar

import httpx
from joserfc.jwk import OctKey, OKPKey

from benchmarks.errors import BenchFailed
from cli.operators import NewOperator, create_operator
from cli.stack import EmbeddedStack
from payflow.settings import Environment, Settings

RESIDENTS = 16  # one for each caller
FUNDS = 10**9  # nobody runs out, whatever a run moves
AT_ONCE = 16
PASSWORD = secrets.token_urlsafe(12)

T = TypeVar("T")
_keys = count()


@dataclass(frozen=True, slots=True)
class Resident:
    """Somebody who is signed in."""

    user_id: str
    token: str


@dataclass(frozen=True, slots=True)
class Purse:
    """A funded wallet and whose it is."""

    wallet_id: str
    owner: Resident


@dataclass(frozen=True, slots=True)
class Town:
    """The people, their wallets, and one wallet more that everybody pays into or out of."""

    residents: list[Resident]
    purses: list[Purse]
    hot: Purse


def production_environment() -> dict[str, str]:
    """Production's way of running: nothing reads rehearsal rules; limits nobody here meets.

    What is counted in blocks has the default's window: blocks live for a share of it.
    """
    key = OKPKey.generate_key("Ed25519", {"use": "sig"}, auto_kid=True)
    statements = OKPKey.generate_key("Ed25519", {"use": "sig"}, auto_kid=True)
    seal = OctKey.generate_key(256, auto_kid=True)
    return {
        "PAYFLOW_ENV": Environment.PRODUCTION.value,
        "PAYFLOW_JWT_KEYS": json.dumps({"keys": [key.as_dict(private=True)]}),
        "PAYFLOW_WEBHOOK_KEYS": json.dumps({"keys": [seal.as_dict(private=True)]}),
        "PAYFLOW_PROOF_KEYS": json.dumps({"keys": [statements.as_dict(private=True)]}),
        "PAYFLOW_ACCESS_TOKEN_TTL_S": "86400",
        "PAYFLOW_LOG_LEVEL": "INFO",
        "PAYFLOW_RATE_LIMIT_TRANSFERS": "1000000/second",
        "PAYFLOW_RATE_LIMIT_USER": "60000000/minute",
        "PAYFLOW_RATE_LIMIT_ANONYMOUS": "1000000/second",
        "PAYFLOW_OVERLOAD_DELAY_S": "0",
    }


async def settle(stack: EmbeddedStack, wallets: int) -> Town:
    """Register people, open their wallets, and have an operator fund them."""
    limits = httpx.Limits(max_connections=AT_ONCE)
    async with httpx.AsyncClient(
        base_url=f"{stack.addresses.api_url}/v1", timeout=30, trust_env=False, limits=limits
    ) as client:
        operator = await _operator(stack, client)
        residents = [await _resident(client) for _ in range(RESIDENTS)]
        owners = [residents[number % RESIDENTS] for number in range(wallets + 1)]
        purses = await _side_by_side(partial(_purse, client, owner, operator) for owner in owners)
    return Town(residents, purses[1:], purses[0])


async def _resident(client: httpx.AsyncClient) -> Resident:
    email = f"{secrets.token_hex(8)}@example.com"
    body = {"email": email, "password": PASSWORD, "name": "Resident"}
    made = await _ask(client, "/auth/register", body)
    return Resident(made["user"]["id"], made["tokens"]["access_token"])


async def _operator(stack: EmbeddedStack, client: httpx.AsyncClient) -> Resident:
    email = f"operator.{secrets.token_hex(4)}@example.com"
    settings = Settings(mongo_url=stack.addresses.mongo_url, redis_url=stack.addresses.redis_url)
    user = await create_operator(settings, NewOperator(email, PASSWORD))
    login = await _ask(client, "/auth/login", {"email": email, "password": PASSWORD})
    return Resident(user.id, login["access_token"])


async def _purse(client: httpx.AsyncClient, owner: Resident, operator: Resident) -> Purse:
    wallet = await _ask(client, "/wallets", {"currency": "USD"}, owner)
    money = {"amount": FUNDS, "currency": "USD"}
    await _ask(client, f"/wallets/{wallet['id']}/deposits", money, operator)
    return Purse(wallet["id"], owner)


async def _ask(
    client: httpx.AsyncClient, path: str, body: dict[str, Any], who: Resident | None = None
) -> dict[str, Any]:
    headers = {"Idempotency-Key": f"town-{next(_keys)}"}
    if who is not None:
        headers["Authorization"] = f"Bearer {who.token}"
    answer = await client.post(path, json=body, headers=headers)
    if not answer.is_success:
        raise BenchFailed(f"{path}: {answer.status_code} {answer.text}")
    found: dict[str, Any] = answer.json()
    return found


async def _side_by_side(work: Iterable[Callable[[], Awaitable[T]]]) -> list[T]:
    room = asyncio.Semaphore(AT_ONCE)

    async def one(task: Callable[[], Awaitable[T]]) -> T:
        async with room:
            return await task()

    return await asyncio.gather(*(one(task) for task in work))
