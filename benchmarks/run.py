"""The whole run: stacks up and down, section after section, and what they found."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from benchmarks import machine, report
from benchmarks.errors import BenchFailed
from benchmarks.ground import Ground, open_books, stack_in
from benchmarks.load_process import LoadProcess
from benchmarks.options import Options
from benchmarks.outcome import Outcome
from benchmarks.sections import (
    batch_kills,
    batches,
    history,
    hot_wallet,
    latency,
    memory,
    observability,
    overload,
    posting,
    proof,
    reading,
    recovery,
    speed,
    starting,
    webhooks,
)
from benchmarks.town import Town, production_environment, settle
from cli.apps import Layout

ON_ONE_PROCESS = ("speed", "latency", "hot", "reading", "posting", "memory", "batches")
SECTIONS = (
    "history",
    "observability",
    *ON_ONE_PROCESS,
    "hot-workers",
    "recovery",
    "webhooks",
    "overload",
    "proof",
    "start",
)
ALL_IN_ONE = Layout()
UNOBSERVED = Layout(program="benchmarks.unobserved")
TWO_WORKERS = Layout(apis=1, workers=2)
ONE_WORKER = Layout(apis=1, workers=1)
WALLETS_OF_HISTORY = 96
# A past is written past PayFlow, which the proof is there to find.
UNPROVED = {"PAYFLOW_PROOF_INTERVAL_S": "86400"}


@dataclass(slots=True)
class Run:
    """A run under way: what it is to measure and what it has found."""

    options: Options
    wanted: Collection[str]
    folder: Path
    env: dict[str, str] = field(default_factory=production_environment)
    machine: dict[str, str] = field(default_factory=machine.hardware)
    outcome: Outcome = field(default_factory=Outcome)
    failed: list[str] = field(default_factory=list)
    _town: Town | None = None

    async def measure(self) -> None:
        """Every section that is wanted; one that fails is noted and leaves no row."""
        async with LoadProcess() as load:
            if "history" in self.wanted:
                await self._history(load)
            if "observability" in self.wanted:
                await self._observability(load)
            if set(ON_ONE_PROCESS) & set(self.wanted):
                async with self._main(ALL_IN_ONE, load) as ground:
                    await self._all_in_one(ground)
            if "hot-workers" in self.wanted:
                async with self._main(TWO_WORKERS, load) as ground:
                    await self._take(
                        "hot-workers", lambda: hot_wallet.measure(ground, "two workers")
                    )
            if {"recovery", "batches"} & set(self.wanted):
                async with self._main(ONE_WORKER, load) as ground:
                    await self._take("recovery", lambda: recovery.measure(ground))
                    await self._take("batches", lambda: batch_kills.measure(ground))
            if "webhooks" in self.wanted:
                await self._webhooks(load)
            if "overload" in self.wanted:
                more = overload.AS_IN_PRODUCTION
                async with self._ground("overload", ALL_IN_ONE, load, more=more) as ground:
                    await self._take("overload", lambda: overload.measure(ground))
            if "proof" in self.wanted:
                async with self._ground("proof", ALL_IN_ONE, load) as ground:
                    await self._take("proof", lambda: proof.measure(ground))
        await self._take("start", lambda: starting.measure(self.options, self.folder / "up"))

    async def _history(self, load: LoadProcess) -> None:
        async with AsyncExitStack() as held:
            long, short = [
                await held.enter_async_context(self._ground(name, ALL_IN_ONE, load, more=UNPROVED))
                for name in ("long", "short")
            ]
            await self._take("history", lambda: history.measure(long, short))

    async def _observability(self, load: LoadProcess) -> None:
        with observability.swallowing() as collector:
            env = observability.watched_environment(collector)
            async with (
                self._ground("watched", ALL_IN_ONE, load, more=env) as watched,
                self._ground("unwatched", UNOBSERVED, load) as unwatched,
            ):
                await self._take("observability", lambda: observability.measure(watched, unwatched))

    async def _webhooks(self, load: LoadProcess) -> None:
        more = webhooks.TO_LOOPBACK
        async with self._ground("webhooks", ALL_IN_ONE, load, more=more) as ground:
            await self._take("webhooks", lambda: webhooks.measure(ground))

    async def _all_in_one(self, ground: Ground) -> None:
        await self._take("speed", lambda: speed.measure(ground))
        await self._take("latency", lambda: latency.measure(ground))
        await self._take("hot", lambda: hot_wallet.measure(ground, "one process"))
        await self._take("reading", lambda: reading.measure(ground, self.env))
        await self._take("posting", lambda: posting.measure(ground, self.env))
        await self._take("memory", lambda: memory.measure(ground))
        await self._take("batches", lambda: batches.measure(ground))

    async def _take(self, name: str, section: Callable[[], Awaitable[Outcome]]) -> None:
        if name not in self.wanted:
            return
        begun = monotonic()
        try:
            found = await section()
        except BenchFailed as failure:
            self.failed.append(name)
            self.outcome.notes.append(f"No figures from the section `{name}`: {failure}")
            print(f"{name} failed: {failure}", flush=True)
            return
        self.outcome.add(found)
        print(f"{name} ({monotonic() - begun:.0f} s)", flush=True)
        for row in found.rows:
            print(f"  {report.printed(row)}", flush=True)
        for note in found.notes:
            print(f"  {note}", flush=True)

    @asynccontextmanager
    async def _main(self, layout: Layout, load: LoadProcess) -> AsyncIterator[Ground]:
        """The main stack in another layout: the same folder, people and wallets."""
        async with self._ground("main", layout, load, self._town) as ground:
            self._town = ground.town
            yield ground

    @asynccontextmanager
    async def _ground(
        self,
        name: str,
        layout: Layout,
        load: LoadProcess,
        town: Town | None = None,
        more: Mapping[str, str] | None = None,
    ) -> AsyncIterator[Ground]:
        wallets = self.options.wallets if name == "main" else WALLETS_OF_HISTORY
        env = {**self.env, **(more or {})}
        async with (
            stack_in(self.folder / name, env, layout) as stack,
            open_books(stack) as database,
        ):
            self.machine |= await machine.versions(stack)
            people = town or await settle(stack, wallets)
            yield Ground(self.options, stack, people, load, database)
