"""One run of the bank: open it, let everybody loose, strike meanwhile, hand over the history."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass

from pymongo import AsyncMongoClient

from cli.stack import EmbeddedStack
from tests.bank import nemesis
from tests.bank.history import History
from tests.bank.workload import Town
from tests.e2e.bank import Json, bank_of
from tests.e2e.conftest import new_operator

OPENING = 2_000


@dataclass(frozen=True)
class Weather:
    """How much is asked by how many, and how often something is struck."""

    operations: int
    faults: int
    clients: int = 8
    auditors: int = 2
    wallets: int = 5
    patience_s: float = 120.0  # worker, API and MongoDB may die one after the other
    among: Sequence[tuple[str, str]] = tuple(nemesis.ALL)
    seed: int = int(os.environ.get("PAYFLOW_STORM_SEED", "20261122"))


async def run_bank(stack: EmbeddedStack, weather: Weather) -> History:
    """Everything that was asked and answered, the faults among it."""
    client: AsyncMongoClient[Json] = AsyncMongoClient(
        stack.addresses.mongo_url, serverSelectionTimeoutMS=2_000, socketTimeoutMS=10_000
    )
    async with bank_of(stack) as bank, client:
        operator = await new_operator(stack, bank)
        people = [await bank.funded(OPENING) for _ in range(weather.wallets)]
        history = History(weather.seed, {one.wallet_id: OPENING for one in people})
        books = client["payflow"]
        asked, patience_s = weather.operations, weather.patience_s
        town = Town(bank, books, operator, people, history, asked, patience_s)
        async with asyncio.TaskGroup() as everybody:
            for number in range(weather.clients):
                everybody.create_task(town.client(f"client-{number}"))
            for number in range(weather.auditors):
                everybody.create_task(town.auditor(f"auditor-{number}"))
            everybody.create_task(town.regulator("regulator"))
            everybody.create_task(_strike(stack, weather, town))
    return history


async def _strike(stack: EmbeddedStack, weather: Weather, town: Town) -> None:
    """Spread the faults over the work; the run goes on until the last has struck."""
    rng = town.rng("nemesis")
    faults = nemesis.plan(weather.faults, rng, weather.among)
    for number, fault in enumerate(faults, start=1):
        while len(town.history.operations) < weather.operations * number / (len(faults) + 1):
            await asyncio.sleep(0.02)
        if number == len(faults):
            town.over.set()  # what is left of the work is done beside the last one
        await nemesis.strike(stack, fault, rng, town.history)
    town.over.set()
