"""Where a contest takes place: one stack, who lives there, and the load generator."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from benchmarks.jobs import LEAD_S, Job, Tally
from benchmarks.load_process import LoadProcess
from benchmarks.options import Options
from benchmarks.orders import Orders, spread
from benchmarks.processes import CpuMeter
from benchmarks.town import Town
from cli.apps import Layout
from cli.ports import LOOPBACK
from cli.stack import SERVERS, EmbeddedStack, StackOptions

WARM_UP_S = 2.0
Database = AsyncDatabase[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Ground:
    """Everything a section needs to load a stack and to look at it."""

    options: Options
    stack: EmbeddedStack
    town: Town
    load: LoadProcess
    database: Database

    @property
    def api_port(self) -> int:
        """The port of the first API."""
        return int(self.stack.addresses.api_url.rpartition(":")[2])

    async def turn(self, callers: Orders) -> Tally:
        """One turn of transfers."""
        return await self.do(callers, self.options.seconds)

    async def brisk_turn(self, callers: Orders, port: int = 0) -> Tally:
        """One turn of what answers in milliseconds, by this API or another on ``port``."""
        job = Job(LOOPBACK, port or self.api_port, callers, self.options.brisk_seconds)
        return await self.load.do(job)

    async def do(self, callers: Orders, seconds: float, *, limit: int = 0) -> Tally:
        """So many seconds of load, or so many requests."""
        lead_s = 0.0 if limit else LEAD_S
        return await self.load.do(Job(LOOPBACK, self.api_port, callers, seconds, lead_s, limit))

    async def warm_up(self) -> None:
        """Let caches fill and code paths be met before anything counts."""
        await self.do(spread(self.town, self.options.callers), WARM_UP_S)

    def meter(self) -> CpuMeter:
        """A meter of PayFlow's processes, the servers and the load generator."""
        ours = [self.stack.pid(name) for name in self.stack.names if name not in SERVERS]
        servers = {name: [self.stack.pid(name)] for name in SERVERS}
        return CpuMeter({"PayFlow": ours, **servers, "load generator": [self.load.pid]})


def stack_in(folder: Path, env: dict[str, str], layout: Layout) -> EmbeddedStack:
    """A stack on that folder; what an earlier one left there goes on."""
    return EmbeddedStack(StackOptions(data_dir=folder, layout=layout, env=env))


@asynccontextmanager
async def open_books(stack: EmbeddedStack) -> AsyncIterator[Database]:
    """The stack's database."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
        stack.addresses.mongo_url, tz_aware=True
    )
    async with client:
        yield client["payflow"]
