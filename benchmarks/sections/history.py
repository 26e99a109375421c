"""Whether a long past makes the present slower: two stacks, one with many finished transfers."""

from collections.abc import Awaitable, Callable
from statistics import median

from benchmarks.figures import Mark, Row, each, percentile, ratios
from benchmarks.ground import Ground
from benchmarks.jobs import Tally
from benchmarks.options import PAST_OF_THE_MARK
from benchmarks.orders import listing, spread
from benchmarks.outcome import Outcome
from benchmarks.past import Past
from benchmarks.rounds import by_turns

PAGE_AND_MORE = 25  # each resident's transfers in the short past: a full page, and a next one
WITH, WITHOUT = "with a past", "without"
MARK = Mark(0.9, 1.0)


async def measure(long: Ground, short: Ground) -> Outcome:
    """Transfers a second and a list's p95; the other stack idles meanwhile."""
    past = long.options.past
    grounds = {WITH: long, WITHOUT: short}
    await _write_past(long, past)
    await _write_past(short, PAGE_AND_MORE * len(short.town.residents))
    for ground in grounds.values():
        await ground.warm_up()
    speed = await by_turns({name: _paying(g) for name, g in grounds.items()}, long.options.rounds)
    lists = await by_turns({name: _listing(g) for name, g in grounds.items()}, long.options.rounds)
    rates = {name: each(found, lambda tally: tally.per_second) for name, found in speed.items()}
    p95s = {name: each(found, _p95) for name, found in lists.items()}
    return Outcome(_rows(past, rates, p95s), raw={"history": {"per_second": rates, "p95_ms": p95s}})


async def _write_past(ground: Ground, transfers: int) -> None:
    """Write it while PayFlow is down, and let its relay go on after it.

    What ended a month ago was told of a month ago; otherwise the relay would give millions of
    events their places while the present is measured.
    """
    await ground.stack.take_down("serve")
    await Past(ground.database, ground.town).write(transfers)
    await ground.database.relay.update_one({"_id": "place"}, {"$set": {"token": None}})
    await ground.stack.bring_up("serve")


def _paying(ground: Ground) -> Callable[[], Awaitable[Tally]]:
    orders = spread(ground.town, ground.options.callers)
    return lambda: ground.turn(orders)


def _listing(ground: Ground) -> Callable[[], Awaitable[Tally]]:
    orders = listing(ground.town)
    return lambda: ground.brisk_turn(orders)


def _p95(tally: Tally) -> float:
    return percentile(tally.latencies_ms, 0.95)


def _rows(past: int, rates: dict[str, list[float]], p95s: dict[str, list[float]]) -> list[Row]:
    short = "" if past >= PAST_OF_THE_MARK else f"with {past:,} of {PAST_OF_THE_MARK:,}"
    return [
        Row(
            "history_speed",
            f"with {past:,} past transfers ÷ with none, transfers/s",
            ratios(rates[WITH], rates[WITHOUT]),
            MARK,
            f"{median(rates[WITH]):.1f}/s against {median(rates[WITHOUT]):.1f}/s",
            short=short,
        ),
        Row(
            "history_list",
            "the same, p95 of a list's first page (inverted: above 1 is faster)",
            ratios(p95s[WITHOUT], p95s[WITH]),
            MARK,
            f"{median(p95s[WITH]):.1f} ms against {median(p95s[WITHOUT]):.1f} ms",
            short=short,
        ),
    ]
