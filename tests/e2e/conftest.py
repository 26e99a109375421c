"""Clients, an operator and the open books of the stack under test."""

from collections.abc import AsyncIterator

import httpx
import pytest

from cli.operators import NewOperator, create_operator
from cli.ports import TRUST_NOBODY
from cli.stack import EmbeddedStack
from payflow.settings import Settings
from tests.e2e.auditing import Database, books_of
from tests.e2e.bank import PASSWORD, Bank, Person, bank_of, new_email


@pytest.fixture
async def bank(stack: EmbeddedStack) -> AsyncIterator[Bank]:
    async with bank_of(stack) as client:
        yield client


@pytest.fixture
async def database(stack: EmbeddedStack) -> AsyncIterator[Database]:
    async with books_of(stack) as opened:
        yield opened


@pytest.fixture
async def operator(stack: EmbeddedStack, bank: Bank) -> Person:
    return await new_operator(stack, bank)


@pytest.fixture
async def api(pair: EmbeddedStack) -> AsyncIterator[httpx.AsyncClient]:
    """The first API of the stack with two of each."""
    async with httpx.AsyncClient(
        base_url=pair.addresses.api_url, timeout=40, trust_env=False, verify=TRUST_NOBODY
    ) as client:
        yield client


async def new_operator(stack: EmbeddedStack, bank: Bank, email: str = "") -> Person:
    """An operator who is signed in."""
    settings = Settings(mongo_url=stack.addresses.mongo_url, redis_url=stack.addresses.redis_url)
    email = email or new_email("operator")
    made = await create_operator(settings, NewOperator(email, PASSWORD))
    login = await bank.ask("POST", "/v1/auth/login", body={"email": email, "password": PASSWORD})
    return Person(made.id, login.json()["access_token"])
