"""Whether one wallet that everybody uses is slower than a thousand."""

from benchmarks import svg
from benchmarks.figures import Mark, Row, each, ratios
from benchmarks.ground import Ground
from benchmarks.orders import into_one, out_of_one, spread
from benchmarks.outcome import Chart, Outcome
from benchmarks.rounds import by_turns

SPREAD = "spread"
INTO_ONE = "all into one"
OUT_OF_ONE = "all out of one"
MARK = Mark(0.8, 1.0)


async def measure(ground: Ground, layout: str) -> Outcome:
    """Transfers a second along three patterns, in the layout that runs."""
    town, callers = ground.town, ground.options.callers
    await ground.warm_up()
    patterns = {
        SPREAD: spread(town, callers),
        INTO_ONE: into_one(town, callers),
        OUT_OF_ONE: out_of_one(town, callers),
    }
    contenders = {
        name: (lambda orders=orders: ground.turn(orders)) for name, orders in patterns.items()
    }
    turns = await by_turns(contenders, ground.options.rounds)
    rates = {name: each(found, lambda tally: tally.per_second) for name, found in turns.items()}
    wallets = f"{len(town.purses):,} wallets"
    rows = [
        Row(
            f"hot_{name.replace(' ', '_')}_{layout.replace(' ', '_')}",
            f"{name} wallet ÷ spread over {wallets}, transfers/s, {layout}",
            ratios(rates[name], rates[SPREAD]),
            MARK,
            f"{_middle(rates[name]):.1f}/s against {_middle(rates[SPREAD]):.1f}/s",
        )
        for name in (INTO_ONE, OUT_OF_ONE)
    ]
    title = f"Transfers per second, {layout}"
    chart = Chart(f"hot-wallet-{layout.replace(' ', '-')}", title, svg.bars(title, "/s", rates))
    return Outcome(rows, [chart], raw={f"hot wallet, {layout}": {"per_second": rates}})


def _middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
