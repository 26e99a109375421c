"""Tells a process of ours from a later one that was given the same number."""

import asyncio
import os
import signal
import subprocess  # nosec B404
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

LOOK_EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class ProcessMark:
    """A process beyond doubt: its number and when it began, in this boot of the machine."""

    pid: int
    began: str

    def is_alive(self) -> bool:
        """Whether that very process still runs."""
        return birth(self.pid) == self.began


def mark(pid: int) -> ProcessMark:
    """The mark of a process that runs now."""
    return ProcessMark(pid, birth(pid) or "")


def birth(pid: int) -> str | None:
    """When the process began, as an opaque text; None when there is no such process."""
    has_proc = Path("/proc/self/stat").exists()
    return _linux_birth(pid) if has_proc else _portable_birth(pid)


def _linux_birth(pid: int) -> str | None:
    try:
        # The command's name may hold spaces and brackets; what we want stands behind it.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    state, start_ticks = fields[0], fields[19]
    return None if state == "Z" else f"{boot}/{start_ticks}"


def _portable_birth(pid: int) -> str | None:
    # A fixed command and a number.
    answer = subprocess.run(  # noqa: S603  # nosec B603
        ["/bin/ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return answer.stdout.strip() or None


async def end_all(marks: Mapping[str, ProcessMark], grace_s: float) -> None:
    """Ask these processes to end, and make them when ``grace_s`` is over."""
    for signal_number, patience_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, 5.0)):
        alive = [one for one in marks.values() if one.is_alive()]
        for one in alive:
            send(one, signal_number)
        await _gone(alive, patience_s)


def send(process: ProcessMark, signal_number: int) -> None:
    """Signal the process if it is still the one that was marked."""
    if process.is_alive():
        os.kill(process.pid, signal_number)


async def _gone(marks: list[ProcessMark], patience_s: float) -> None:
    deadline = asyncio.get_running_loop().time() + patience_s
    while any(one.is_alive() for one in marks):
        if asyncio.get_running_loop().time() > deadline:
            return
        await asyncio.sleep(LOOK_EVERY_S)
