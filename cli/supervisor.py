"""Keeps children running: starts them, starts again what dies, stops all of them in order."""

import asyncio
import signal
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Protocol

from cli.child import Child, ChildFailed, ChildSpec, ending
from cli.folder import DataFolder

START_TIMEOUT_S = 60.0  # a cold disk; warm it is one or two
STEADY_AFTER_S = 10.0  # a child that lived so long may be started again at once
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0


class Reporter(Protocol):
    """Who is told what happens to the children."""

    def starting(self, name: str) -> None:
        """A child is being started for the first time."""
        ...

    def ready(self, name: str, seconds: float) -> None:
        """It answers, so long after it was started."""
        ...

    def say(self, line: str) -> None:
        """Something a person who watches should know."""
        ...


class Quiet:
    """Tells nobody."""

    def starting(self, name: str) -> None:
        """Say nothing."""

    def ready(self, name: str, seconds: float) -> None:
        """Say nothing."""

    def say(self, line: str) -> None:
        """Say nothing."""


class Supervisor:
    """The children of one stack, by name."""

    def __init__(
        self, folder: DataFolder, reporter: Reporter, on_change: Callable[[], None]
    ) -> None:
        self.children: dict[str, Child] = {}
        self._folder = folder
        self._reporter = reporter
        self._on_change = on_change
        self._wanted: dict[str, asyncio.Event] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._changed = asyncio.Event()

    async def start(self, specs: Sequence[ChildSpec]) -> None:
        """Start these side by side; return when all are ready, and keep them from then on.

        Raises:
            ChildFailed: one of them did not come up.
        """
        if not self._keepers:
            self._keepers.append(asyncio.create_task(self._announce()))
        children = [Child(spec, self._folder) for spec in specs]
        self.children.update({child.spec.name: child for child in children})
        try:
            async with asyncio.TaskGroup() as starts:
                for child in children:
                    starts.create_task(self._first_start(child))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None  # the others were called off because of it

    async def stop(self, stages: Iterable[Sequence[str]]) -> None:
        """Stop the named children, stage after stage; nothing is started again."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        self._keepers.clear()
        for names in stages:
            present = [self.children[name] for name in names if name in self.children]
            await asyncio.gather(*(child.stop() for child in present))

    def hurry(self) -> None:
        """Stop waiting for children that take their time to stop."""
        for child in self.children.values():
            child.send(signal.SIGKILL)

    async def take_down(self, name: str) -> None:
        """Stop one child and leave it stopped until ``bring_up``."""
        self._wanted[name].clear()
        child = self.children[name]
        await child.stop()

    async def bring_up(self, name: str) -> None:
        """Start a child again that was taken down; return when it is ready."""
        self._wanted[name].set()
        await self.children[name].ready.wait()

    async def _first_start(self, child: Child) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        self._reporter.starting(child.spec.name)
        await child.start(START_TIMEOUT_S)
        self._reporter.ready(child.spec.name, loop.time() - begun)
        wanted = self._wanted[child.spec.name] = asyncio.Event()
        wanted.set()
        self._keepers.append(asyncio.create_task(self._keep(child, wanted)))

    async def _keep(self, child: Child, wanted: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        pause_s, began, was_started = 0.0, loop.time(), True
        while True:
            code = await child.ended()
            pause_s = 0.0 if loop.time() - began > STEADY_AFTER_S else _longer(pause_s)
            if wanted.is_set():
                if was_started:
                    self._say(_obituary(child, code))
                await asyncio.sleep(pause_s)
            await wanted.wait()
            began = loop.time()
            was_started = await self._start_again(child)

    async def _start_again(self, child: Child) -> bool:
        """Whether there was a process; it may have ended by now."""
        begun = asyncio.get_running_loop().time()
        try:
            await child.start(None)
        except ChildFailed:
            return True  # it has ended: the keeper says so and tries again
        except OSError as error:  # a full disk, too many processes: both pass
            self._say(f"{child.spec.name} cannot be started yet, trying again: {error}.")
            return False
        took_s = asyncio.get_running_loop().time() - begun
        self._changed.set()
        self._say(f"{child.spec.name} is back as pid {child.pid} ({took_s:.1f} s).")
        return True

    def _say(self, line: str) -> None:
        """Tell the reporter; a line that cannot be written must not end the keeping."""
        with suppress(OSError):
            self._reporter.say(line)

    async def _announce(self) -> None:
        """Say what changed, to the file that others read; until that works."""
        pause_s = 0.0
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                self._on_change()
                pause_s = 0.0
            except OSError as error:
                if not pause_s:
                    self._say(f"What runs now cannot be written yet, trying again: {error}.")
                self._changed.set()
                pause_s = _longer(pause_s)
                await asyncio.sleep(pause_s)


def _longer(pause_s: float) -> float:
    """The next pause of a child that keeps dying; a first death is answered at once."""
    return min(LONGEST_PAUSE_S, pause_s * 2 or FIRST_PAUSE_S)


def _obituary(child: Child, code: int) -> str:
    where = f" on port {child.spec.port}" if child.spec.port else ""
    return (
        f"{child.spec.name} (pid {child.pid}) ended with {ending(code)}; starting it{where} again."
    )
