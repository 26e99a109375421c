"""How long one client waits for a finished transfer, against an empty workflow."""

from collections.abc import Awaitable, Callable
from functools import partial
from itertools import chain
from statistics import median

from benchmarks import svg
from benchmarks.bare_temporal import bare_temporal, in_a_loop
from benchmarks.figures import Mark, Row, each, percentile, ratios
from benchmarks.ground import Ground
from benchmarks.jobs import Tally
from benchmarks.orders import spread
from benchmarks.outcome import Chart, Outcome
from benchmarks.rounds import by_short_turns

PAYFLOW = "POST with Prefer: wait"
EMPTY = "empty workflow"


async def measure(ground: Ground) -> Outcome:
    """From the request to the terminal answer, one at a time."""
    orders = spread(ground.town, 1)
    async with bare_temporal(ground.stack.addresses.temporal_address) as bare:
        contenders: dict[str, Callable[[], Awaitable[Tally]]] = {
            PAYFLOW: lambda: ground.brisk_turn(orders),
            EMPTY: partial(in_a_loop, bare.empty, callers=1, seconds=ground.options.brisk_seconds),
        }
        rounds = await by_short_turns(contenders, ground.options.rounds)
    by_round = {
        name: [[ms for turn in turns for ms in turn.latencies_ms] for turns in found]
        for name, found in rounds.items()
    }
    medians = {name: each(found, _p50) for name, found in by_round.items()}
    every = {name: list(chain.from_iterable(found)) for name, found in by_round.items()}
    tail = percentile(every[PAYFLOW], 0.99)
    row = Row(
        "latency",
        "`POST` with `Prefer: wait` to terminal, p50 at one client ÷ empty workflow's p50",
        ratios(medians[PAYFLOW], medians[EMPTY]),
        Mark(4.0, 2.0, more_is_better=False),
        f"{median(medians[PAYFLOW]):.1f} ms (p99 {tail:.0f} ms) "
        f"against {median(medians[EMPTY]):.1f} ms",
    )
    curves = {name: svg.distribution(values) for name, values in every.items()}
    title = "One client: share answered within so many milliseconds"
    chart = Chart("latency", title, svg.lines(title, "milliseconds", "%", curves))
    return Outcome([row], [chart], raw={"latency": {"p50_ms": medians}})


def _p50(latencies_ms: list[float]) -> float:
    return percentile(latencies_ms, 0.5)
