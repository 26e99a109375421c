"""What a killed process left open is ended, by the client every process has; what lives is not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pymongo.errors import OperationFailure

from cli.stack import EmbeddedStack
from payflow.storage.connection import open_client
from payflow.storage.idle_transactions import IDLE_FOR_S, IdleTransactions
from payflow.storage.transactions import Client, Collection
from tests.webhooks.post import settings_for

A_BEAT_S = IDLE_FOR_S / 5


@asynccontextmanager
async def two_clients(stack: EmbeddedStack) -> AsyncIterator[tuple[Client, Client, Collection]]:
    """Ours, another process's, and what the other writes."""
    settings = settings_for(stack)
    async with open_client(settings) as ours, open_client(settings) as other:
        kept = other["payflow_idle_contract"]["wallets"]
        yield ours, other, kept
        await kept.drop()


async def test_an_idle_transaction_is_ended_and_a_fresh_one_is_not(pair: EmbeddedStack) -> None:
    async with two_clients(pair) as (ours, killed, kept):
        idle = IdleTransactions(ours)
        async with killed.start_session() as left, killed.start_session() as live:
            await left.start_transaction()
            await kept.insert_one({"of": "the killed one"}, session=left)
            assert await idle.look() == 0
            assert await idle.look() == 0  # too soon
            await asyncio.sleep(IDLE_FOR_S)
            await live.start_transaction()
            await kept.insert_one({"of": "a live one"}, session=live)
            assert await idle.look() >= 1
            with pytest.raises(OperationFailure, match=r"(?i)transaction"):
                await left.commit_transaction()
            await live.commit_transaction()
        assert await kept.distinct("of") == ["a live one"]


async def test_a_long_transaction_that_works_is_left_alone(pair: EmbeddedStack) -> None:
    async with two_clients(pair) as (ours, other, kept), other.start_session() as long:
        idle = IdleTransactions(ours)
        await long.start_transaction()
        for beat in range(15):  # its pauses add up to three times what one may last
            await kept.insert_one({"beat": beat}, session=long)
            await asyncio.sleep(A_BEAT_S)
            await idle.look()
        await long.commit_transaction()
        assert await kept.count_documents({}) == 15
