"""What four times the load does to those who are served, and how long it is felt afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import httpx

from benchmarks.errors import BenchFailed
from benchmarks.figures import Mark, Row, percentile
from benchmarks.ground import Ground
from benchmarks.jobs import Job, Stage, Tally
from benchmarks.orders import Orders, spread
from benchmarks.outcome import Outcome
from cli.ports import LOOPBACK

AS_IN_PRODUCTION = {"PAYFLOW_OVERLOAD_DELAY_S": ""}  # where no other section is refused anything
TIMES = 4
# Of what callers get who wait for each other: at all of it a queue never ends. The largest share
# at which nobody is refused for so long is what can be sustained.
SHARES = (0.9, 0.75, 0.6, 0.45)
TRIED_FOR_S = 10.0
CALM_S, AFTER_S = 15.0, 20.0
WINDOW_S = 0.5  # recovered is who is well in each of these from then on
FEWEST_OF_A_TAIL = 100  # a p99 of fewer is their slowest
REFUSALS = frozenset({httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.TOO_MANY_REQUESTS})
ACCEPTED = frozenset({httpx.codes.CREATED, httpx.codes.ACCEPTED})
Told = Sequence[tuple[float, float, int]]


@dataclass(frozen=True, slots=True)
class Stages:
    """The answers to what was due before, during and after the overload."""

    calm: Told
    flood: Told
    after: Told
    flood_ended_s: float


async def measure(ground: Ground) -> Outcome:
    """Sustainable load, then four times as much, then as much as before, nobody waiting.

    Raises:
        BenchFailed: something accepted was lost, or an answer was neither yes nor a refusal.
    """
    await ground.warm_up()
    orders = spread(ground.town, ground.options.callers)
    sustainable = await _sustainable(ground, orders)
    flood_s = ground.options.overload_seconds
    stages = [
        Stage(sustainable, CALM_S),
        Stage(TIMES * sustainable, flood_s),
        Stage(sustainable, AFTER_S),
    ]
    before = await ground.database.transfers.count_documents({})
    tally = await ground.load.do(Job(LOOPBACK, ground.api_port, orders, 0.0, stages=stages))
    await _nothing_is_lost(ground, tally, before)
    found = staged(tally.told, CALM_S, flood_s)
    return Outcome(
        rows(found, sustainable), raw={"overload": {"per_second": sustainable, "told": tally.told}}
    )


def staged(told: Told, calm_s: float, flood_s: float) -> Stages:
    """Each answer in the stage that its request was due in."""
    ends = calm_s + flood_s
    return Stages(
        [one for one in told if one[0] < calm_s],
        [one for one in told if calm_s <= one[0] < ends],
        [one for one in told if one[0] >= ends],
        ends,
    )


def rows(found: Stages, sustainable: float) -> list[Row]:
    """What the accepted waited for, how fast the others were refused, when it was over."""
    calm, flood = accepted_ms(found.calm), accepted_ms(found.flood)
    if min(len(calm), len(flood)) < FEWEST_OF_A_TAIL:
        raise BenchFailed("too few answers to speak of their p99: longer turns are needed")
    calm_p99, flood_p99 = percentile(calm, 0.99), percentile(flood, 0.99)
    refused = [ms for _, ms, status in found.flood if status in REFUSALS]
    p99_refused = percentile(refused, 0.99) if refused else 0.0
    load = f"{TIMES * sustainable:.0f}/s against {sustainable:.0f}/s"
    return [
        Row(
            "overload",
            f"p99 of accepted transfers at {TIMES} times the sustainable load ÷ at that load",
            (flood_p99 / calm_p99,),
            Mark(3.0, 1.5, more_is_better=False),
            f"{load}: {flood_p99:.0f} ms against {calm_p99:.0f} ms; {len(flood):,} accepted, "
            f"{len(refused):,} refused",
        ),
        Row(
            "overload_refusals",
            "there, p99 of refusals ÷ median of the accepted",
            (p99_refused / percentile(flood, 0.5),),
            Mark(1.0, 0.5, more_is_better=False),
            f"{p99_refused:.0f} ms, median {percentile(refused or [0.0], 0.5):.0f} ms, against "
            f"{percentile(flood, 0.5):.0f} ms",
        ),
        Row(
            "overload_recovery",
            "from the end of the overload until nobody is refused and p99 is in its bounds again",
            (recovered_after_s(found, 3.0 * calm_p99),),
            Mark(10.0, 2.0, more_is_better=False),
            f"windows of {WINDOW_S:g} s",
            unit="s",
        ),
    ]


def accepted_ms(told: Told) -> list[float]:
    """The latencies of those who were served."""
    return [ms for _, ms, status in told if status in ACCEPTED]


def recovered_after_s(found: Stages, bearable_ms: float) -> float:
    """When the last window ended in which somebody was refused, or waited too long.

    All of the time there was, where the last window of all is such a one.
    """
    ill = [
        due_s - found.flood_ended_s
        for due_s, ms, status in found.after
        if ms > bearable_ms or status not in ACCEPTED
    ]
    if not ill:
        return 0.0
    return (int(max(ill) / WINDOW_S) + 1) * WINDOW_S


async def _sustainable(ground: Ground, orders: Orders) -> float:
    closed = [await ground.turn(orders) for _ in range(ground.options.rounds)]
    most = median(turn.per_second for turn in closed)
    for share in SHARES:
        stages = [Stage(share * most, TRIED_FOR_S)]
        tally = await ground.load.do(Job(LOOPBACK, ground.api_port, orders, 0.0, stages=stages))
        if len(accepted_ms(tally.told)) == len(tally.told):
            return share * most
    raise BenchFailed(f"somebody is refused at {SHARES[-1] * most:.0f} transfers a second")


async def _nothing_is_lost(ground: Ground, tally: Tally, before: int) -> None:
    """As many transfers as were accepted, all of them ended; and every other answer a refusal."""
    strange = {status for _, _, status in tally.told} - REFUSALS - ACCEPTED
    if strange:
        raise BenchFailed(f"answers that are neither yes nor a refusal: {sorted(strange)}")
    accepted = len(accepted_ms(tally.told))
    made = await ground.database.transfers.count_documents({}) - before
    open_ones = await ground.database.transfers.count_documents(
        {"status": {"$nin": ["completed", "failed"]}}
    )
    if made != accepted or open_ones:
        raise BenchFailed(f"{accepted} were accepted, {made} were made, {open_ones} have not ended")
