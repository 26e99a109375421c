"""How fast a large batch is, against single transfers and against a workflow that does nothing."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from statistics import median

from benchmarks import svg
from benchmarks.bare_temporal import BareTemporal, bare_temporal, in_a_loop
from benchmarks.batching import (
    Carried,
    Request,
    carried_out,
    net_minor,
    payments,
    with_one_impossible,
)
from benchmarks.books import balances, completed_items, strayed_minor
from benchmarks.errors import BenchFailed
from benchmarks.figures import Mark, Row, each, ratios
from benchmarks.ground import Ground
from benchmarks.options import BATCH_OF_THE_MARK, Options
from benchmarks.orders import spread
from benchmarks.outcome import Chart, Outcome
from benchmarks.rounds import by_turns
from benchmarks.turns import Turn, cpu_line, metered

BATCH = "batch, independent items"
SINGLE = "single transfers"
EMPTY = "Temporal: empty, eager start"
OF_SINGLE, OF_EMPTY = Mark(20, 20), Mark(8, 8)
WARM_UP_ITEMS = 200


@dataclass(frozen=True, slots=True)
class Atomic:
    """What an atomic batch came to, in the books."""

    carried: Carried
    moved: int
    strayed_minor: int


async def measure(ground: Ground) -> Outcome:
    """Items a second, beside two rivals; then two atomic batches, a good one and a bad one."""
    await ground.warm_up()
    await _independent(ground, WARM_UP_ITEMS)
    async with bare_temporal(ground.stack.addresses.temporal_address) as bare:
        contenders = _contenders(ground, bare)
        await contenders[EMPTY]()  # warm as well
        turns = await by_turns(contenders, ground.options.rounds)
    rates = {name: each(found, lambda turn: turn.per_second) for name, found in turns.items()}
    good, bad = await _atomic(ground, impossible=False), await _atomic(ground, impossible=True)
    size, title = ground.options.batch, "Transfers per second: a batch and its rivals"
    return Outcome(
        rows=[*speed_rows(rates, ground.options), _whole_or_not_at_all(good, bad)],
        charts=[Chart("batches", title, svg.bars(title, "/s", rates))],
        cpu=[cpu_line(f"PayFlow: item of a batch of {size:,}, independent", turns[BATCH])],
        notes=[_said_of(good, bad)],
        raw={"batches": {"per_second": rates, "atomic_s": good.carried.seconds}},
    )


def _contenders(ground: Ground, bare: BareTemporal) -> dict[str, Callable[[], Awaitable[Turn]]]:
    callers, seconds = ground.options.callers, ground.options.seconds
    orders = spread(ground.town, callers)
    empty = partial(in_a_loop, bare.empty, callers=callers, seconds=seconds)
    return {
        BATCH: lambda: metered(ground, _independent(ground, ground.options.batch)),
        SINGLE: lambda: metered(ground, ground.turn(orders)),
        EMPTY: lambda: metered(ground, empty()),
    }


async def _independent(ground: Ground, size: int) -> Carried:
    town = ground.town
    request = Request(town.residents[0], "independent", payments(town, size))
    carried = await carried_out(ground, request)
    if carried.counts["completed"] != size:
        raise BenchFailed(f"an undisturbed batch ended with {carried.counts}")
    return carried


async def _atomic(ground: Ground, *, impossible: bool) -> Atomic:
    town, database = ground.town, ground.database
    good = payments(town, ground.options.batch)
    sent = with_one_impossible(good) if impossible else good
    before = await balances(database)
    carried = await carried_out(ground, Request(town.residents[0], "atomic", sent))
    wanted = {} if impossible else net_minor(good)
    strayed = strayed_minor(before, await balances(database), wanted)
    return Atomic(carried, await completed_items(database, carried.batch_id), strayed)


def speed_rows(rates: dict[str, list[float]], options: Options) -> list[Row]:
    """The two ratios; each is the other's alternative."""
    items = f"of {options.batch:,} independent items"
    enough = options.batch >= BATCH_OF_THE_MARK
    short = "" if enough else f"with {options.batch:,} of {BATCH_OF_THE_MARK:,} items"
    to_single = Row(
        "batch_single",
        f"batch {items}, transfers/s from its `POST` to its end ÷ single transfers/s, "
        f"{options.callers} callers",
        ratios(rates[BATCH], rates[SINGLE]),
        OF_SINGLE,
        _against(rates, SINGLE),
        short=short,
    )
    to_empty = Row(
        "batch_empty",
        "the same ÷ empty workflow with eager start: the alternative, one of the two suffices",
        ratios(rates[BATCH], rates[EMPTY]),
        OF_EMPTY,
        _against(rates, EMPTY),
        short=short,
    )
    return [replace(to_single, instead=to_empty), replace(to_empty, instead=to_single)]


def _against(rates: dict[str, list[float]], theirs: str) -> str:
    return f"{median(rates[BATCH]):,.0f}/s against {median(rates[theirs]):.1f}/s"


def _whole_or_not_at_all(good: Atomic, bad: Atomic) -> Row:
    wrong = (good.carried.answered - good.moved) + bad.moved
    strayed = good.strayed_minor + bad.strayed_minor
    return Row(
        "batch_atomic",
        "atomic batches: items of a good one that did not move, items of one with an impossible "
        "item that did, and minor units in a wallet against their sum",
        (float(wrong + strayed),),
        Mark(0, 0, more_is_better=False),
        f"{good.moved:,} of {good.carried.answered:,} moved; {bad.moved:,} of "
        f"{bad.carried.answered:,} with an impossible one; {strayed:,} minor units astray",
        unit="",
    )


def _said_of(good: Atomic, bad: Atomic) -> str:
    carried = good.carried
    return (
        f"An atomic batch of {carried.answered:,} took {carried.seconds:.1f} s, "
        f"{carried.per_second:,.0f} transfers/s (`{carried.status}`); one whose last item is "
        f"impossible ended after {bad.carried.seconds:.1f} s (`{bad.carried.status}`). "
        "One of each."
    )
