"""What the kernel says of a process: CPU seconds and resident memory. Linux only."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4_096
MIB = 1024 * 1024


def cpu_seconds(pid: int) -> float:
    """User and system time the process has used, all threads, in steps of 10 ms."""
    # the command's name may hold spaces and brackets; what we want stands behind it
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user, system = int(fields[11]), int(fields[12])
    return (user + system) / TICKS_PER_S


def resident_mib(pid: int) -> float:
    """The memory of the process that is in RAM, in MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * PAGE_BYTES / MIB


class CpuMeter:
    """CPU seconds of several processes since the meter was made, by name."""

    def __init__(self, pids: Mapping[str, Iterable[int]]) -> None:
        self._pids = {name: list(group) for name, group in pids.items()}
        self._begun = self._read()

    def used(self) -> dict[str, float]:
        """What each has used since."""
        return {name: used - self._begun[name] for name, used in self._read().items()}

    def _read(self) -> dict[str, float]:
        return {name: sum(map(cpu_seconds, group)) for name, group in self._pids.items()}
