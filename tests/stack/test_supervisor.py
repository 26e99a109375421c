"""Children are kept running, started again when they die, and ended without exception."""

import asyncio
import errno
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from cli.child import LAUNCHER, ChildFailed, ChildSpec
from cli.folder import DataFolder
from cli.pids import birth
from cli.supervisor import Quiet, Supervisor
from tests.stack.waiting import eventually, eventually_sync, until

SLEEPS = "import time; time.sleep(60)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up'); {SLEEPS}"


class Listener(Quiet):
    def __init__(self) -> None:
        self.heard: list[str] = []
        self.changes = 0

    def say(self, line: str) -> None:
        self.heard.append(line)

    def changed(self) -> None:
        self.changes += 1


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
async def supervisor(tmp_path: Path, listener: Listener) -> AsyncIterator[Supervisor]:
    folder = DataFolder(tmp_path)
    folder.create()
    supervisor = Supervisor(folder, listener, listener.changed)
    yield supervisor
    await supervisor.stop([list(supervisor.children)])


def python(name: str, code: str, ready: Callable[[], object] = lambda: True) -> ChildSpec:
    command = (sys.executable, "-u", "-c", code)
    return ChildSpec(name, name, command, lambda: until(ready), stop_grace_s=0.3)


async def test_a_child_that_is_killed_comes_back_and_is_announced(
    supervisor: Supervisor, listener: Listener
) -> None:
    await supervisor.start([python("one", SLEEPS)])
    child = supervisor.children["one"]
    first = child.pid

    child.send(signal.SIGKILL)
    await eventually(lambda: listener.changes)

    assert child.pid != first
    assert child.ready.is_set()
    assert f"one (pid {first}) ended with SIGKILL" in listener.heard[0]
    assert f"one is back as pid {child.pid}" in listener.heard[1]


class DiskFull(Listener):
    """A reporter and a stack.json on a disk that is full for a while."""

    def __init__(self) -> None:
        super().__init__()
        self.is_full = False

    def say(self, line: str) -> None:
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().say(line)

    def changed(self) -> None:
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().changed()


def move(one: Path, to: Path) -> None:
    one.rename(to)


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    return DataFolder(tmp_path).run


async def test_a_child_whose_note_cannot_be_written_is_started_when_it_can(
    supervisor: Supervisor, listener: Listener, run_folder: Path, tmp_path: Path
) -> None:
    await supervisor.start([python("one", SLEEPS)])
    child = supervisor.children["one"]
    first = child.pid

    move(run_folder, tmp_path / "elsewhere")
    child.send(signal.SIGKILL)
    await eventually(lambda: any("cannot be started yet" in line for line in listener.heard))
    unnoted = child.pid
    await asyncio.sleep(0.5)
    assert not child.ready.is_set()
    assert first != unnoted is not None
    move(tmp_path / "elsewhere", run_folder)
    await eventually(child.ready.is_set)

    assert child.pid is not None
    assert (birth(unnoted), birth(child.pid) is None) == (None, False)
    assert (run_folder / "one.pid").exists()
    assert len([line for line in listener.heard if "ended with SIGKILL" in line]) == 1
    await eventually(lambda: listener.changes)


async def test_what_cannot_be_said_or_published_ends_no_keeping(tmp_path: Path) -> None:
    folder, disk = DataFolder(tmp_path), DiskFull()
    folder.create()
    supervisor = Supervisor(folder, disk, disk.changed)
    try:
        await supervisor.start([python("one", SLEEPS)])
        child = supervisor.children["one"]
        disk.is_full = True
        for _ in range(2):
            child.send(signal.SIGKILL)
            await eventually(lambda: not child.ready.is_set())
            await eventually(child.ready.is_set)
        assert disk.changes == 0

        disk.is_full = False
        await eventually(lambda: disk.changes)
    finally:
        await supervisor.stop([["one"]])


async def test_a_child_that_keeps_dying_is_started_ever_more_slowly(
    supervisor: Supervisor, listener: Listener
) -> None:
    await supervisor.start([python("one", "import time; time.sleep(0.05)")])

    await asyncio.sleep(1.5)

    deaths = [line for line in listener.heard if "ended with" in line]
    assert 2 <= len(deaths) <= 5


async def test_a_child_that_dies_before_it_is_ready_is_quoted(supervisor: Supervisor) -> None:
    dies = python("one", "raise SystemExit('no room on the disk')", ready=lambda: False)

    with pytest.raises(ChildFailed, match=r"(?s)one ended with code 1.*no room on the disk"):
        await supervisor.start([dies])


async def test_when_one_child_fails_the_others_are_called_off(supervisor: Supervisor) -> None:
    dies = python("dies", "raise SystemExit(3)", ready=lambda: False)
    waits = python("waits", SLEEPS, ready=lambda: False)

    with pytest.raises(ChildFailed, match="dies ended with code 3"):
        await supervisor.start([waits, dies])
    pid = supervisor.children["waits"].pid
    await supervisor.stop([["waits", "dies"]])

    assert pid is None or birth(pid) is None


async def test_a_child_that_will_not_stop_is_made_to(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    log = tmp_path / "logs" / "one.log"
    await supervisor.start([python("one", STUBBORN, lambda: "up" in log.read_text())])
    pid = supervisor.children["one"].pid
    assert pid is not None

    await supervisor.stop([["one"]])

    assert birth(pid) is None


async def test_a_child_taken_down_stays_down_until_it_is_brought_up(
    supervisor: Supervisor, listener: Listener
) -> None:
    await supervisor.start([python("one", SLEEPS)])
    child = supervisor.children["one"]
    first = child.pid

    await supervisor.take_down("one")
    await asyncio.sleep(0.3)
    assert (child.pid, child.ready.is_set()) == (first, False)

    await supervisor.bring_up("one")
    assert child.pid != first
    assert child.ready.is_set()
    assert [line for line in listener.heard if "ended with" in line] == []


def test_a_child_ends_with_its_starter() -> None:
    launch = [sys.executable, str(LAUNCHER), "{}", str(int(signal.SIGTERM)), "/bin/sleep", "60"]
    starter = (
        "import os, subprocess, sys, time\n"
        f"command = [word.format(os.getpid()) for word in {launch!r}]\n"
        "print(subprocess.Popen(command, stdout=subprocess.DEVNULL).pid, flush=True)\n"
        "time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", starter], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        became_sleep = Path(f"/proc/{child}/cmdline")
        eventually_sync(lambda: b"/bin/sleep\0" in became_sleep.read_bytes()[:11])
        process.kill()

    eventually_sync(lambda: birth(child) is None)
    assert birth(os.getpid()) is not None


def test_a_child_whose_starter_is_gone_never_begins() -> None:
    with subprocess.Popen(["/bin/true"]) as gone:
        gone.wait()

    done = subprocess.run(
        [sys.executable, str(LAUNCHER), str(gone.pid), "15", "/bin/echo", "hello"],
        capture_output=True,
        check=False,
        timeout=10,
    )

    assert (done.returncode, done.stdout) == (1, b"")
