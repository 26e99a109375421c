"""How long transfers stand still when the only worker is killed under load."""

import asyncio
from dataclasses import dataclass, replace
from statistics import median
from time import monotonic

from benchmarks.books import UNFINISHED, unbalanced_minor
from benchmarks.figures import Mark, Row, each
from benchmarks.ground import Ground
from benchmarks.jobs import Job
from benchmarks.orders import Orders, spread
from benchmarks.outcome import Outcome
from cli.ports import LOOPBACK

LOAD_S = 3.0
LAST_MOMENT_S = 0.1  # before the callers would stop: after it hardly any new transfer is sent
GIVE_UP_AFTER_S = 60.0
LOOK_EVERY_S = 0.02


@dataclass(frozen=True, slots=True)
class _Kill:
    """What one kill came to; the times are seconds after it."""

    in_flight: int
    back_s: float
    all_terminal_s: float


async def measure(ground: Ground) -> Outcome:
    """Kill -9 with a hundred callers waiting; the supervisor starts the worker again."""
    await ground.warm_up()
    kills = [await _kill_under_load(ground) for _ in range(ground.options.kills)]
    stuck = await ground.database.transfers.count_documents(UNFINISHED)
    unbalanced = await unbalanced_minor(ground.database)
    rows = [
        Row(
            "recovery",
            f"recovery: kill -9 of the only worker with {ground.options.in_flight} in flight, "
            "to all terminal; from the kill, the restart included",
            tuple(each(kills, lambda kill: kill.all_terminal_s)),
            Mark(15, 4, more_is_better=False),
            f"{median(each(kills, lambda kill: kill.in_flight)):.0f} in flight; the new worker "
            f"was ready after {median(each(kills, lambda kill: kill.back_s)):.1f} s",
            unit="s",
        ),
        Row(
            "stuck",
            "transfers stuck, and minor units missing, after these kills",
            (float(stuck + abs(unbalanced)),),
            Mark(0, 0, more_is_better=False),
            f"{stuck} stuck, {unbalanced} missing",
            unit="",
        ),
    ]
    facts = [
        {"in_flight": k.in_flight, "back_s": k.back_s, "all_terminal_s": k.all_terminal_s}
        for k in kills
    ]
    return Outcome(rows, raw={"recovery": facts})


async def _kill_under_load(ground: Ground) -> _Kill:
    callers = _patient(spread(ground.town, ground.options.in_flight))
    job = Job(LOOPBACK, ground.api_port, callers, seconds=LOAD_S, lead_s=0.0)
    loading = asyncio.create_task(ground.load.do(job))
    await asyncio.sleep(LOAD_S - LAST_MOMENT_S)
    old_pid = ground.stack.kill("worker")
    killed = monotonic()
    back = asyncio.create_task(_back_after(ground, old_pid, killed))
    in_flight = await ground.database.transfers.count_documents(UNFINISHED)
    await loading
    await _until_all_terminal(ground)
    all_terminal_s = monotonic() - killed
    return _Kill(in_flight, await back, all_terminal_s)


def _patient(callers: Orders) -> Orders:
    """The same, content with an answer that comes before the end: how late it is, is the figure."""
    return [[replace(order, expect='"object":"transfer"') for order in mine] for mine in callers]


async def _back_after(ground: Ground, old_pid: int, killed: float) -> float:
    await ground.stack.wait_restarted("worker", old_pid)
    return monotonic() - killed


async def _until_all_terminal(ground: Ground) -> None:
    """Wait for the end of every transfer, but not for ever: what is stuck has a row of its own."""
    begun = monotonic()
    while monotonic() - begun < GIVE_UP_AFTER_S:
        if not await ground.database.transfers.count_documents(UNFINISHED, limit=1):
            return
        await asyncio.sleep(LOOK_EVERY_S)
