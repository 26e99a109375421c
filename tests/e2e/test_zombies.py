"""Workers that die or sleep inside a MongoDB transaction which holds a hot wallet."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from cli.stack import EmbeddedStack
from tests.e2e.auditing import Database, books_of, check_the_books, check_the_sums
from tests.e2e.bank import Bank, Person, bank_of
from tests.e2e.test_crashes import victims

PAYERS = 8


@asynccontextmanager
async def payments(bank: Bank, alice: Person, bob: Person) -> AsyncIterator[list[str]]:
    """Payments from one hot wallet to another, one after the other per payer, as long as asked."""
    accepted: list[str] = []
    enough = asyncio.Event()

    async def pay() -> None:
        while not enough.is_set():
            accepted.append((await bank.send(alice, bob, 1, wait_s=5))["id"])

    paying = [asyncio.create_task(pay()) for _ in range(PAYERS)]
    try:
        yield accepted
    finally:
        enough.set()
        await asyncio.gather(*paying)  # what was sent is answered, so that all are counted


async def open_transactions(database: Database, idle_us: int) -> int:
    """PayFlow's transactions that nobody has touched for so long."""
    found = await database.client.admin.aggregate(
        [
            {"$currentOp": {"idleSessions": True, "allUsers": True}},
            {"$match": {"type": "idleSession", "transaction.timeInactiveMicros": {"$gt": idle_us}}},
        ]
    )
    return len(await found.to_list())


async def stop_inside_a_transaction(pids: list[int], database: Database) -> None:
    """SIGSTOP these processes at a moment at which one of them holds a transaction open."""
    for _ in range(500):
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(0.2)  # whatever the server still did for them is done
        if await open_transactions(database, 100_000):
            return
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        await asyncio.sleep(0.01)
    raise AssertionError("no transaction was caught open")


async def all_ended(database: Database, transfer_ids: list[str], within_s: float) -> None:
    async with asyncio.timeout(within_s):
        while await database.transfers.count_documents(
            {"_id": {"$in": transfer_ids}, "status": {"$nin": ["completed", "failed"]}}
        ):
            await asyncio.sleep(0.1)


@pytest.mark.chaos
async def test_the_workers_killed_inside_a_transaction_on_a_hot_wallet(
    bank: Bank, stack: EmbeddedStack, database: Database
) -> None:
    alice, bob = await bank.funded(100_000), await bank.person("bob")
    names = victims(stack, "worker")
    async with payments(bank, alice, bob) as accepted:
        await asyncio.sleep(1)
        pids = {name: stack.pid(name) for name in names}
        await stop_inside_a_transaction(list(pids.values()), database)
        for name in names:
            stack.kill(name)
        assert await open_transactions(database, 100_000)  # it outlives its process
        for name, pid in pids.items():
            await stack.wait_restarted(name, pid)
        before = await bank.balance(bob)
        async with asyncio.timeout(15):
            while await bank.balance(bob) == before:
                await asyncio.sleep(0.05)
        await check_the_sums(database)
    await all_ended(database, accepted, 60)
    assert await bank.balance(bob) == len(accepted)
    await check_the_books(database)


@pytest.mark.chaos
async def test_a_worker_that_sleeps_inside_a_transaction_wakes_up_too_late(
    pair: EmbeddedStack,
) -> None:
    """The zombie's late commit meets the other worker's: one effect."""
    async with bank_of(pair) as bank, books_of(pair) as database:
        alice, bob = await bank.funded(100_000), await bank.person("bob")
        async with payments(bank, alice, bob) as accepted:
            await asyncio.sleep(1)
            sleeper = pair.pid("worker")
            await stop_inside_a_transaction([sleeper], database)
            try:
                asleep_with = list(accepted)
                await all_ended(database, asleep_with, 60)  # the other worker did it all
            finally:
                os.kill(sleeper, signal.SIGCONT)
            await asyncio.sleep(1)
        await all_ended(database, accepted, 60)
        assert await bank.balance(bob) == len(accepted)
        await check_the_books(database)
