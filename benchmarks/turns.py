"""What a contender's turn did, and the CPU seconds each process used meanwhile."""

import os
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Protocol

from benchmarks.ground import Ground
from benchmarks.outcome import CpuLine
from benchmarks.processes import CpuMeter


class Done(Protocol):
    """How much was done: all of it, and a second of the counted time."""

    @property
    def answered(self) -> int:
        """What the CPU was used for."""
        ...

    @property
    def per_second(self) -> float:
        """The rate."""
        ...


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of one contender."""

    done: Done
    cpu_s: dict[str, float]

    @property
    def per_second(self) -> float:
        """What a second of it did."""
        return self.done.per_second


async def metered(ground: Ground, work: Awaitable[Done], this: str = "bare worker") -> Turn:
    """The turn, with what it cost PayFlow, the servers and this process, by what it is here."""
    own, others = CpuMeter({this: [os.getpid()]}), ground.meter()
    done = await work
    return Turn(done, {**others.used(), **own.used()})


def cpu_line(name: str, turns: Sequence[Turn]) -> CpuLine:
    """CPU milliseconds for each thing done, over all turns."""
    done = sum(turn.done.answered for turn in turns)
    used = {process: sum(turn.cpu_s[process] for turn in turns) for process in turns[0].cpu_s}
    return CpuLine(name, {process: seconds * 1_000 / done for process, seconds in used.items()})
