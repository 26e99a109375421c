"""One child process: started under the launcher, watched until it is ready, ended on request."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cli.errors import CliError
from cli.folder import DataFolder

LAUNCHER = Path(__file__).with_name("launch.py")
LOG_TAIL_LINES = 15


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """How a child is started, known to be ready, and ended."""

    name: str
    role: str
    command: tuple[str, ...]
    wait_ready: Callable[[], Awaitable[None]]
    port: int | None = None
    metrics_port: int | None = None
    env: Mapping[str, str] = field(default_factory=dict, repr=False)  # with passwords
    cwd: Path | None = None
    stop_grace_s: float = 15.0
    death_signal: signal.Signals = signal.SIGTERM  # what it gets when we die ourselves


class ChildFailed(CliError):
    """A child ended, or did not become ready in time, while the stack was starting."""

    def __init__(self, name: str, what: str, log: Path) -> None:
        super().__init__(f"{name} {what}. The end of {log}:\n{_tail(log)}")


class Child:
    """A child through all its lives; ``pid`` is that of the present one."""

    def __init__(self, spec: ChildSpec, folder: DataFolder) -> None:
        self.spec = spec
        self.pid: int | None = None
        self.ready = asyncio.Event()
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, ready_within_s: float | None) -> None:
        """Start the process and return once it is ready; None waits as long as it lives.

        Raises:
            ChildFailed: it ended, or was not ready in time (it is left as it is).
            OSError: it could not be started or noted, and does not run.
        """
        await self._spawn()
        if not await self._becomes_ready(ready_within_s):
            raise ChildFailed(
                self.spec.name, self._what_went_wrong(), self._folder.log(self.spec.name)
            )
        self.ready.set()

    async def ended(self) -> int:
        """Wait for the process to end; its code, negative when a signal ended it."""
        if self._process is None:
            return 0
        code = await self._process.wait()
        self.ready.clear()
        self._folder.forget(self.spec.name)
        return code

    def send(self, signal_number: int) -> None:
        """Signal the process, if it runs."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal_number)

    async def stop(self) -> None:
        """Ask the process to end; make it, when its grace is over."""
        self.send(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.ended(), self.spec.stop_grace_s)
        except TimeoutError:
            self.send(signal.SIGKILL)
            await self.ended()

    async def _spawn(self) -> None:
        self._folder.ready_file(self.spec.name).unlink(missing_ok=True)
        with self._folder.log(self.spec.name).open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._launched(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                env={**os.environ, **self.spec.env},
                cwd=self.spec.cwd,
                # Ctrl-C in a terminal reaches the group: the order of stopping is ours to choose.
                start_new_session=True,
            )
        self.pid = self._process.pid
        try:
            self._folder.remember(self.spec.name, self.pid)
        except OSError:  # what is not noted might outlive us: start it when it can be
            self._process.kill()
            await self._process.wait()
            raise

    def _launched(self) -> tuple[str, ...]:
        """The command under the launcher; isolated, so that it starts in 20 ms."""
        starter, death_signal = str(os.getpid()), str(int(self.spec.death_signal))
        launch = (sys.executable, "-I", "-S", str(LAUNCHER), starter, death_signal)
        return (*launch, *self.spec.command)

    async def _becomes_ready(self, within_s: float | None) -> bool:
        """Whether the child says it is ready before it ends or the time is over."""
        ready = asyncio.ensure_future(self.spec.wait_ready())
        ended = asyncio.ensure_future(self.ended())
        try:
            await asyncio.wait(
                (ready, ended), timeout=within_s, return_when=asyncio.FIRST_COMPLETED
            )
            if ended.done() or not ready.done():
                return False
            ready.result()
            return True
        finally:
            for task in (ready, ended):
                task.cancel()
            await asyncio.gather(ready, ended, return_exceptions=True)

    def _what_went_wrong(self) -> str:
        code = self._process.returncode if self._process else None
        return "was not ready in time" if code is None else f"ended with {ending(code)}"


def ending(code: int) -> str:
    """How a process ended, in words."""
    return signal.Signals(-code).name if code < 0 else f"code {code}"


def _tail(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(line[:300] for line in lines[-LOG_TAIL_LINES:])
