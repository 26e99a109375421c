"""A step that fails for more than a minute and is not parked yet is listed, until it succeeds."""

import asyncio
import os
from pathlib import Path

import pytest
from temporalio.client import Client

from cli.stack import EmbeddedStack, StackOptions
from temporal.converter import DATA_CONVERTER
from temporal.queries import PARKED, RETRYING, SavedQuery
from tests.conftest import ALL_IN_ONE, TEST_ENV
from tests.e2e.bank import bank_of
from tests.e2e.conftest import new_operator
from tests.e2e.gaps import held_before

pytestmark = pytest.mark.chaos
LISTED_WITHIN_S = 120.0


async def listed(temporal: Client, saved: SavedQuery) -> set[str]:
    found = temporal.list_workflows(saved.query)
    return {one.id.removeprefix("transfer/") async for one in found}


@pytest.mark.skipif(
    os.environ.get("PAYFLOW_STORM") != "long", reason="it takes its minute: part of the long form"
)
async def test_what_is_retried_for_more_than_a_minute_is_listed(tmp_path: Path) -> None:
    env = {**TEST_ENV, "PAYFLOW_PARK_AFTER_S": "300"}
    options = StackOptions(data_dir=tmp_path, layout=ALL_IN_ONE, env=env)
    async with EmbeddedStack(options) as stack, bank_of(stack) as bank:
        temporal = await Client.connect(
            stack.addresses.temporal_address, data_converter=DATA_CONVERTER
        )
        operator = await new_operator(stack, bank)
        alice, bob, sent = await held_before(bank, operator, "credit", "debited")
        assert await listed(temporal, RETRYING) == set()
        async with asyncio.timeout(LISTED_WITHIN_S):
            while await listed(temporal, RETRYING) != {sent["id"]}:
                await asyncio.sleep(1)
        assert await listed(temporal, PARKED) == set()

        await bank.end_rehearsal(operator)
        await bank.ended(alice, sent["id"])
        assert await bank.balance(bob) == 100
        async with asyncio.timeout(LISTED_WITHIN_S):
            while await listed(temporal, RETRYING):
                await asyncio.sleep(0.3)
