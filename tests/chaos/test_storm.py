"""Random transfers among many wallets from many clients while processes are killed.

`make test` runs a short storm, `make chaos` the long one (PAYFLOW_STORM=long). Both are seeded:
who pays whom, how much and when somebody dies is drawn from the seed that is printed.
"""

import asyncio
import os
import random
import time
from collections import Counter
from dataclasses import dataclass, field

import pytest

from cli.stack import EmbeddedStack
from tests.e2e.auditing import Database, books_of, check_the_books, check_the_sums
from tests.e2e.bank import Bank, Person, bank_of

BETWEEN_TWO_LEGS = ["initiated", "debited", "credited", "refunding"]


@dataclass(frozen=True)
class Weather:
    """How hard a storm blows."""

    transfers: int
    wallets: int
    clients: int
    worker_kills: int
    api_kills: int
    snapshots: int
    seed: int = int(os.environ.get("PAYFLOW_STORM_SEED", "20261122"))


SHORT = Weather(60, 8, 8, worker_kills=1, api_kills=1, snapshots=20)
LONG = Weather(2_000, 50, 32, worker_kills=5, api_kills=3, snapshots=100)
IS_LONG = os.environ.get("PAYFLOW_STORM") == "long"
WEATHER = LONG if IS_LONG else SHORT
OPENING_BALANCE = 1_000


@dataclass
class Storm:
    """One run: who lives in it, what was asked, and what was seen."""

    bank: Bank
    database: Database
    stack: EmbeddedStack
    weather: Weather
    drawn: random.Random
    people: list[Person] = field(default_factory=list)
    ordered: int = 0
    all_have_died: asyncio.Event = field(default_factory=asyncio.Event)
    accepted: dict[str, str] = field(default_factory=dict)
    caught_between_legs: list[int] = field(default_factory=list)
    snapshots: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def pay(self) -> None:
        """One client: payments one after the other, each under its own key.

        It pays until all transfers are made and everybody has died who is to die, so that the
        last one dies among transfers too, however fast the machine is.
        """
        while self.ordered < self.weather.transfers or not self.all_have_died.is_set():
            key = f"storm-{self.ordered}"
            self.ordered += 1
            payer, payee = self.drawn.sample(self.people, 2)
            amount = self.drawn.randint(1, 400)
            sent = await self.bank.send(payer, payee, amount, key=key, wait_s=5)
            self.accepted[key] = sent["id"]

    async def kill(self, role: str) -> None:
        """SIGKILL one process of the role while a transfer is between two legs."""
        names = [name for name in self.stack.names if name.split("-")[0] in (role, "serve")]
        name = self.drawn.choice(names)
        unfinished = {"status": {"$in": BETWEEN_TWO_LEGS}}
        async with asyncio.timeout(60):
            while not await self.database.transfers.count_documents(unfinished, limit=1):
                await asyncio.sleep(0)
        pid = self.stack.kill(name)
        self.caught_between_legs.append(await self.database.transfers.count_documents(unfinished))
        await self.stack.wait_restarted(name, pid)

    async def watch(self) -> None:
        """Read the sums in one snapshot after the other, for as long as it storms."""
        while not self.over.is_set() or self.snapshots < self.weather.snapshots:
            await check_the_sums(self.database)
            self.snapshots += 1
            await asyncio.sleep(0.05)


@pytest.mark.chaos
@pytest.mark.timeout(900)
@pytest.mark.parametrize("stack", ["pair", "single"] if IS_LONG else ["pair"], indirect=True)
async def test_a_storm_of_transfers_and_kills(stack: EmbeddedStack) -> None:
    weather, drawn = WEATHER, random.Random(WEATHER.seed)
    async with bank_of(stack) as bank, books_of(stack) as database:
        storm = Storm(bank, database, stack, weather, drawn)
        for _ in range(weather.wallets):
            storm.people.append(await bank.funded(OPENING_BALANCE))
        watching = asyncio.create_task(storm.watch())
        paying = asyncio.gather(*(storm.pay() for _ in range(weather.clients)))
        deaths = ["worker"] * weather.worker_kills + ["api"] * weather.api_kills
        drawn.shuffle(deaths)
        for number, role in enumerate(deaths, start=1):
            # the deaths are spread over the work, whatever this machine takes for it
            while len(storm.accepted) < weather.transfers * number / (len(deaths) + 1):
                await asyncio.sleep(0.02)
            await storm.kill(role)
        storm.all_have_died.set()
        last_restart = time.monotonic()
        await paying
        await _all_terminal(storm, within_s=60 + weather.transfers / 10)
        recovered_s = time.monotonic() - last_restart
        storm.over.set()
        await watching
        await _judge(storm, recovered_s)


async def _all_terminal(storm: Storm, within_s: float) -> None:
    async with asyncio.timeout(within_s):
        while await storm.database.transfers.count_documents(
            {"status": {"$in": BETWEEN_TWO_LEGS}}, limit=1
        ):
            await asyncio.sleep(0.1)


async def _judge(storm: Storm, recovered_s: float) -> None:
    weather = storm.weather
    assert len(storm.caught_between_legs) == weather.worker_kills + weather.api_kills
    assert all(storm.caught_between_legs), "each kill must hit a transfer between two legs"
    assert storm.snapshots >= weather.snapshots
    assert len(storm.accepted) == len(set(storm.accepted.values())) == storm.ordered
    assert storm.ordered >= weather.transfers
    wallets = [person.wallet_id for person in storm.people]
    ours = await storm.database.transfers.find({"source_wallet_id": {"$in": wallets}}).to_list()
    assert {transfer["_id"] for transfer in ours} == set(storm.accepted.values())
    outcomes = Counter((t["status"], (t["failure"] or {}).get("code")) for t in ours)
    assert set(outcomes) <= {("completed", None), ("failed", "insufficient_funds")}
    balances = await asyncio.gather(*(storm.bank.balance(person) for person in storm.people))
    assert sum(balances) == OPENING_BALANCE * weather.wallets
    await check_the_books(storm.database)
    print(  # noqa: T201  # the figures of a storm are read, not asserted
        f"\nstorm seed {weather.seed}: {dict(outcomes)}, {storm.snapshots} snapshots, "
        f"between legs at each kill {storm.caught_between_legs}, "
        f"all terminal {recovered_s:.1f} s after the last restart"
    )
