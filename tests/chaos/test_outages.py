"""MongoDB is away several times, as long as an election takes under load; then all is well again.

Meanwhile every client retries, and readiness and metrics are read twice a second by probes that
do not wait long for them. `make test` runs one short outage, `make chaos` three of 13 s
(PAYFLOW_STORM=long). Both are seeded.
"""

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from cli.apps import Layout
from cli.ports import TRUST_NOBODY
from cli.stack import EmbeddedStack, StackOptions
from tests.e2e.auditing import Database, books_of, check_the_books
from tests.e2e.bank import Bank, Person, bank_of

UNFINISHED = {"status": {"$in": ["initiated", "debited", "credited", "refunding"]}}
PROBE_EVERY_S = 0.5
PROBE_WAITS_S = 1.0  # a probe of Kubernetes waits this long, and leaves
BETWEEN_OUTAGES_S = 3.0
SETTLED_WITHIN_S = 30.0
TWENTY_WITHIN_S = 5.0


@dataclass(frozen=True)
class Outages:
    """How often MongoDB is away, for how long, and how many clients ask meanwhile."""

    number: int
    seconds: float
    clients: int
    seed: int = int(os.environ.get("PAYFLOW_STORM_SEED", "20261122"))


LONG = os.environ.get("PAYFLOW_STORM") == "long"
OUTAGES = Outages(3, 13.0, 48) if LONG else Outages(1, 5.0, 16)


@dataclass
class Run:
    """Clients that pay until told to stop, and the keys under which they did."""

    bank: Bank
    people: list[Person]
    drawn: random.Random
    over: asyncio.Event = field(default_factory=asyncio.Event)
    accepted: set[str] = field(default_factory=set)

    async def pay(self, client: int) -> None:
        number = 0
        while not self.over.is_set():
            number += 1
            payer, payee = self.drawn.sample(self.people, 2)
            key = f"outage-{client}-{number}-{payer.wallet_id}"
            sent = await self.bank.send(payer, payee, 1, key=key, wait_s=5)
            self.accepted.add(sent["id"])


@pytest.fixture
async def two_workers(tmp_path: Path) -> AsyncIterator[EmbeddedStack]:
    env = {"PAYFLOW_ENV": "test", "PAYFLOW_LOG_LEVEL": "INFO"}
    options = StackOptions(data_dir=tmp_path, layout=Layout(apis=1, workers=2), env=env)
    async with EmbeddedStack(options) as stack:
        yield stack


@asynccontextmanager
async def probed(stack: EmbeddedStack) -> AsyncIterator[None]:
    """Readiness of the API and metrics of every process, asked by probes that soon leave."""
    urls = [f"{stack.addresses.api_url}/health/ready", *stack.metrics_urls.values()]

    async def probe(client: httpx.AsyncClient, url: str) -> None:
        while True:
            with suppress(httpx.HTTPError):
                await client.get(url)
            await asyncio.sleep(PROBE_EVERY_S)

    async with httpx.AsyncClient(
        timeout=PROBE_WAITS_S, trust_env=False, verify=TRUST_NOBODY
    ) as client:
        probing = [asyncio.create_task(probe(client, url)) for url in urls]
        try:
            yield
        finally:
            for one in probing:
                one.cancel()
            await asyncio.gather(*probing, return_exceptions=True)


async def take_away(stack: EmbeddedStack, seconds: float, *, hanging: bool) -> None:
    """MongoDB answers nothing for so long: it hangs, or its port refuses connections."""
    if hanging:
        pid = stack.kill("mongod", signal.SIGSTOP)
        await asyncio.sleep(seconds)
        os.kill(pid, signal.SIGCONT)
    else:
        await stack.take_down("mongod")
        await asyncio.sleep(seconds)
        await stack.bring_up("mongod")


async def settled(database: Database) -> None:
    """Wait until no transfer is unfinished."""
    while await database.transfers.count_documents(UNFINISHED, limit=1):
        await asyncio.sleep(0.1)


@pytest.mark.chaos
@pytest.mark.timeout(400)
async def test_all_transfers_settle_soon_after_the_last_outage(
    two_workers: EmbeddedStack,
) -> None:
    stack, drawn = two_workers, random.Random(OUTAGES.seed)
    async with bank_of(stack) as bank, books_of(stack) as database, probed(stack):
        people = [await bank.funded(100_000) for _ in range(12)]
        run = Run(bank, people, drawn)
        paying = asyncio.gather(*(run.pay(one) for one in range(OUTAGES.clients)))
        for number in range(OUTAGES.number):
            await asyncio.sleep(BETWEEN_OUTAGES_S)
            await take_away(stack, OUTAGES.seconds, hanging=(number + OUTAGES.seed) % 2 == 0)
        run.over.set()
        begun = time.monotonic()
        try:
            async with asyncio.timeout(SETTLED_WITHIN_S):
                await paying  # each client has the answer to its last transfer
                await settled(database)
        except TimeoutError:
            left = await database.transfers.count_documents(UNFINISHED)
            pytest.fail(f"{left} transfers are unfinished {SETTLED_WITHIN_S:g} s after the outage")
        took_s, begun = time.monotonic() - begun, time.monotonic()
        pairs = [drawn.sample(people, 2) for _ in range(20)]
        sending = (bank.send(payer, payee, 1, wait_s=5) for payer, payee in pairs)
        more = await asyncio.gather(*sending)
        twenty_s = time.monotonic() - begun
        assert {sent["status"] for sent in more} == {"completed"}
        print(  # noqa: T201  # the figures of a run are read
            f"\noutages seed {OUTAGES.seed}: {len(run.accepted)} transfers, settled "
            f"{took_s:.1f} s after the last outage, 20 more in {twenty_s:.1f} s"
        )
        assert twenty_s < TWENTY_WITHIN_S
        await check_the_books(database)
