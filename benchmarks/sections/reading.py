"""What auth, checks and the domain cost a read, against a route that does the same find."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from statistics import median

from benchmarks.bare_api import PORT
from benchmarks.figures import Mark, Row, ratios
from benchmarks.ground import Ground
from benchmarks.jobs import Tally
from benchmarks.orders import Orders, reading
from benchmarks.outcome import Outcome
from benchmarks.rounds import by_short_turns, rates_of
from cli.child import Child, ChildSpec
from cli.folder import DataFolder
from cli.ports import PortBook
from cli.servers import is_listening, until

NAME = "bare-api"
READY_WITHIN_S = 20.0
EACH_READS = 50  # transfers; they stay in mongod's cache for both


async def measure(ground: Ground, env: dict[str, str]) -> Outcome:
    """Reads a second by 16 callers."""
    await ground.warm_up()  # and something to read, should this section be alone
    orders = await _orders(ground)
    async with _bare_api(ground, env) as port:
        contenders: dict[str, Callable[[], Awaitable[Tally]]] = {
            "PayFlow": lambda: ground.brisk_turn(orders),
            "bare": lambda: ground.brisk_turn(orders, port),
        }
        for contender in contenders.values():
            await contender()  # to be warm
        rounds = await by_short_turns(contenders, ground.options.rounds)
    rates = rates_of(rounds)
    row = Row(
        "reading",
        "`GET /v1/transfers/{id}` requests/s ÷ a bare FastAPI route doing the same find",
        ratios(rates["PayFlow"], rates["bare"]),
        Mark(0.5, 0.8),
        f"{median(rates['PayFlow']):,.0f}/s against {median(rates['bare']):,.0f}/s",
    )
    return Outcome([row], raw={"reading": {"per_second": rates}})


async def _orders(ground: Ground) -> Orders:
    owners, transfer_ids = [], []
    for resident in ground.town.residents:
        found = ground.database.transfers.find(
            {"party_ids": resident.user_id}, {"_id": 1}, limit=EACH_READS
        )
        async for fields in found:
            owners.append(resident)
            transfer_ids.append(str(fields["_id"]))
    return reading(owners, transfer_ids, ground.options.callers)


@asynccontextmanager
async def _bare_api(ground: Ground, env: dict[str, str]) -> AsyncIterator[int]:
    """The rival as a process of the same kind, on the same MongoDB; its port."""
    folder = DataFolder(ground.stack.data_dir)
    port = PortBook(folder.ports, {}).claim(NAME)
    spec = ChildSpec(
        name=NAME,
        role=NAME,
        command=(sys.executable, "-m", "benchmarks.bare_api"),
        wait_ready=lambda: until(lambda: is_listening(port)),
        port=port,
        env={**env, PORT: str(port), "PAYFLOW_MONGO_URL": ground.stack.addresses.mongo_url},
    )
    child = Child(spec, folder)
    await child.start(READY_WITHIN_S)
    try:
        yield port
    finally:
        await child.stop()
