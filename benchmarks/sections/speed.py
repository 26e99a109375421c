"""How many transfers a second, against what Temporal alone can do on the same server."""

from collections.abc import Awaitable, Callable
from functools import partial

from benchmarks import svg
from benchmarks.bare_temporal import BareTemporal, bare_temporal, in_a_loop
from benchmarks.figures import Mark, Row, each, ratios
from benchmarks.ground import Ground
from benchmarks.orders import spread
from benchmarks.outcome import Chart, Outcome
from benchmarks.rounds import by_turns
from benchmarks.turns import Turn, cpu_line, metered

PAYFLOW = "PayFlow over HTTP"
THREE = "Temporal: 3 no-op activities"
EMPTY = "Temporal: empty, eager start"


async def measure(ground: Ground) -> Outcome:
    """Completed transfers a second by 16 callers, beside two kinds of bare workflows."""
    await ground.warm_up()
    async with bare_temporal(ground.stack.addresses.temporal_address) as bare:
        contenders = _contenders(ground, bare)
        for name in (THREE, EMPTY):
            await contenders[name]()  # warm as well
        turns = await by_turns(contenders, ground.options.rounds)
    rates = {name: each(found, lambda turn: turn.per_second) for name, found in turns.items()}
    return Outcome(
        rows=_rows(rates, ground.options.callers),
        charts=[
            Chart(
                "throughput",
                f"Completed per second, {ground.options.callers} callers",
                svg.bars("Completed per second: median, lowest to highest round", "/s", rates),
            )
        ],
        cpu=[cpu_line(name, found) for name, found in turns.items()],
        raw={"speed": {"per_second": rates}},
    )


def _contenders(ground: Ground, bare: BareTemporal) -> dict[str, Callable[[], Awaitable[Turn]]]:
    callers, seconds = ground.options.callers, ground.options.seconds
    orders = spread(ground.town, callers)
    loop = partial(in_a_loop, callers=callers, seconds=seconds)
    return {
        PAYFLOW: lambda: metered(ground, ground.turn(orders)),
        THREE: lambda: metered(ground, loop(bare.three_activities)),
        EMPTY: lambda: metered(ground, loop(bare.empty)),
    }


def _rows(rates: dict[str, list[float]], callers: int) -> list[Row]:
    ours = f"completed single transfers/s over HTTP, {callers} callers"
    return [
        Row(
            "three_activities",
            f"{ours} ÷ bare Temporal workflow with three no-op ordinary activities",
            ratios(rates[PAYFLOW], rates[THREE]),
            Mark(1.5, 2.5),
            _against(rates, PAYFLOW, THREE),
        ),
        Row(
            "empty_workflow",
            "the same ÷ empty workflow with eager start",
            ratios(rates[PAYFLOW], rates[EMPTY]),
            Mark(0.5, 0.8),
            _against(rates, PAYFLOW, EMPTY),
        ),
    ]


def _against(rates: dict[str, list[float]], ours: str, theirs: str) -> str:
    middle = {name: sorted(rates[name])[len(rates[name]) // 2] for name in (ours, theirs)}
    return f"{middle[ours]:.1f}/s against {middle[theirs]:.1f}/s"
