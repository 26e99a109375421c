"""What a killed process left open is ended, by the client every process has."""

import asyncio
from datetime import timedelta

import pytest
from pymongo.errors import OperationFailure

from cli.stack import EmbeddedStack
from payflow.storage.connection import open_client
from payflow.storage.idle_transactions import IDLE_FOR_US, end_idle_transactions
from tests.webhooks.post import settings_for


async def test_an_idle_transaction_is_ended_and_a_fresh_one_is_not(pair: EmbeddedStack) -> None:
    settings = settings_for(pair)
    async with open_client(settings) as ours, open_client(settings) as killed:
        kept = killed["payflow_idle_contract"]["wallets"]
        async with killed.start_session() as left, killed.start_session() as live:
            await left.start_transaction()
            await kept.insert_one({"of": "the killed one"}, session=left)
            await asyncio.sleep(timedelta(microseconds=IDLE_FOR_US).total_seconds() + 0.1)
            await live.start_transaction()
            await kept.insert_one({"of": "a live one"}, session=live)
            assert await end_idle_transactions(ours) >= 1
            with pytest.raises(OperationFailure, match=r"(?i)transaction"):
                await left.commit_transaction()
            await live.commit_transaction()
        assert await kept.distinct("of") == ["a live one"]
        await kept.drop()
