"""What happens to the processes meanwhile: killed, or put to sleep and woken, one at a time."""

import asyncio
import os
import random
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass

from cli.stack import EmbeddedStack
from tests.bank.history import History, Kind, Operation, Outcome

KILL, PAUSE = "kill", "pause"
COMES_BACK_WITHIN_S = 90.0  # mongod recovers its journal, and all lean on it
SLEEPS_S = (0.3, 3.0)  # past the fast lane, and past a transaction's second of idleness


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: who, what, and for how long it sleeps."""

    role: str
    what: str
    seconds: float


# The servers die as well as our own: every role is met before one is met again.
ALL = [
    (role, what)
    for what in (KILL, PAUSE)
    for role in ("worker", "api", "relay", "mongod", "temporal", "redis")
]


def plan(
    number: int, rng: random.Random, among: Sequence[tuple[str, str]] = ALL
) -> Sequence[Fault]:
    """So many faults, drawn in rounds of all there are."""
    drawn: list[tuple[str, str]] = []
    while len(drawn) < number:
        drawn += rng.sample(list(among), len(among))
    return [Fault(role, what, rng.uniform(*SLEEPS_S)) for role, what in drawn[:number]]


async def strike(stack: EmbeddedStack, fault: Fault, rng: random.Random, history: History) -> None:
    """Do it to one process of that role, wait until it is over, and write it down."""
    name = rng.choice(sorted(one for one in stack.names if one.split("-")[0] == fault.role))
    asked = {"name": name, "what": fault.what, "seconds": fault.seconds}
    one = Operation("nemesis", Kind.FAULT, time.monotonic(), asked)
    history.operations.append(one)
    async with asyncio.timeout(COMES_BACK_WITHIN_S):
        if fault.what == KILL:
            await stack.wait_restarted(name, stack.kill(name))
        else:
            await _sleep(stack.pid(name), fault.seconds)
    one.ended, one.outcome = time.monotonic(), Outcome.OK


async def _sleep(pid: int, seconds: float) -> None:
    os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        os.kill(pid, signal.SIGCONT)
