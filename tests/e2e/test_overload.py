"""More than the process can do: some are refused at once, the others are served, none is lost."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator

import httpx
import pytest

from cli.stack import EmbeddedStack, StackOptions
from tests.conftest import ALL_IN_ONE, TEST_ENV
from tests.e2e.auditing import Database, check_the_books
from tests.e2e.bank import Bank, Person, new_key, order

CLIENTS = 150
FLOOD_S = 4.0
FLOODED_WITHIN_S = 30.0  # however slow it is, somebody is refused and somebody is served by then
RECOVERS_WITHIN_S = 10.0


@pytest.fixture(scope="module")
async def watchful(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedStack]:
    """One process that looks for overload, as production does."""
    env = {**TEST_ENV, "PAYFLOW_OVERLOAD_DELAY_S": "0.02"}
    options = StackOptions(tmp_path_factory.mktemp("watchful"), layout=ALL_IN_ONE, env=env)
    async with EmbeddedStack(options) as stack:
        yield stack


@pytest.fixture
async def stack(watchful: EmbeddedStack) -> EmbeddedStack:
    return watchful


async def pay(bank: Bank, alice: Person, bob: Person) -> httpx.Response:
    headers = {"Idempotency-Key": new_key()}
    body = order(alice, bob, 1)
    return await bank.ask("POST", "/v1/transfers", alice, body=body, headers=headers)


async def test_a_flood_is_refused_in_part_and_what_is_accepted_is_done(
    bank: Bank, database: Database
) -> None:
    alice, bob = await bank.funded(1_000_000), await bank.person("bob")
    assert (await pay(bank, alice, bob)).status_code == 202  # the control
    answers: list[httpx.Response] = []
    begun = time.monotonic()

    def goes_on() -> bool:
        seen = {answer.status_code for answer in answers}
        lasts_s = time.monotonic() - begun
        return lasts_s < FLOOD_S or (seen != {202, 503} and lasts_s < FLOODED_WITHIN_S)

    async def client() -> None:
        while goes_on():
            answers.append(await pay(bank, alice, bob))

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    counted = Counter(answer.status_code for answer in answers)
    assert set(counted) == {202, 503}, counted
    for answer in answers:
        if answer.status_code == 503:
            assert answer.json()["code"] == "overloaded"
            assert int(answer.headers["retry-after"]) >= 1
    async with asyncio.timeout(RECOVERS_WITHIN_S):
        while (await pay(bank, alice, bob)).status_code != 202:
            await asyncio.sleep(0.2)
    accepted = 2 + counted[202]
    hers = {"source_wallet_id": alice.wallet_id}
    async with asyncio.timeout(60):
        while await database.transfers.count_documents({**hers, "status": "completed"}) < accepted:
            await asyncio.sleep(0.2)
    assert await database.transfers.count_documents(hers) == accepted
    assert await bank.balance(bob) == accepted
    await check_the_books(database)
