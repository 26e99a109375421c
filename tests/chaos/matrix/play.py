"""One run: bring every shape to the point, strike, let go, wait, judge."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from payflow.domain.crash_points import ANY, ITEMS, CrashPoint
from payflow.domain.ledger import Leg
from tests.chaos.matrix.cast import Player
from tests.chaos.matrix.faults import struck
from tests.chaos.matrix.ground import Ground, patiently
from tests.chaos.matrix.judging import Cell, judged
from tests.chaos.matrix.orders import Hold, NotThere
from tests.chaos.matrix.plan import Point, Run, Shape, drawn_for

STUCK_AFTER_S = 60.0
ATTEMPTS = 3
GATHERS_WITHIN_S = 30.0
ARRIVES_WITHIN_S = 10.0
LOOK_EVERY_S = 0.05
TERMINAL = ["completed", "failed"]
# Who has committed first makes room for who stands inside a transaction, and keeps its lane.
IN_ORDER = (
    CrashPoint.BEFORE_ACKNOWLEDGEMENT,
    CrashPoint.BETWEEN_STEPS,
    CrashPoint.INSIDE_TRANSACTION,
)


async def play(ground: Ground, run: Run) -> tuple[list[Cell], int]:
    """The run's cells, judged, and how many attempts were void before.

    An attempt is void when somebody did not stand where the fault was to strike: it says nothing.

    Raises:
        NotThere: it was void each time.
    """
    for void in range(ATTEMPTS - 1):
        try:
            return await _attempt(ground, run, void), void
        except NotThere:
            await ground.parking.fill([run])
    return await _attempt(ground, run, ATTEMPTS - 1), ATTEMPTS - 1


async def _attempt(ground: Ground, run: Run, number: int) -> list[Cell]:
    ground.orders.begin(f"{run}.{number}")
    players = await ground.cast.players(run, drawn_for(run))
    try:
        async with (
            _all_at_the_point(ground, run, players) as there,
            struck(ground, run, players, there),
        ):
            await _until_ended(ground, players, time.monotonic())
    finally:
        ground.orders.give()
    return await judged(ground, run, players)


@asynccontextmanager
async def _all_at_the_point(
    ground: Ground, run: Run, players: list[Player]
) -> AsyncIterator[dict[Hold, int]]:
    """Ask for everything and hold it at the point; clients and operators insist meanwhile."""
    async with _insisting(ground, players) as insist:
        if run.point is Point.ACCEPTED:
            ground.orders.give([player.stands for player in players])
            for player in players:
                insist(player)
            there = [player.stands for player in players]
            yield await ground.orders.all_at(there, GATHERS_WITHIN_S)
            return
        gate: list[Hold] = [(CrashPoint.BEFORE_STEP, step, ANY) for step in (Leg.DEBIT, ITEMS)]
        ground.orders.give(gate)
        await asyncio.gather(*(_ask(ground, player) for player in players))
        parked = ground.parking.take(run)
        if parked is not None:
            players.append(parked)
        holds = {player.id: player.waits for player in players}
        ground.orders.give(holds.values())
        for player in players:
            insist(player)
        await ground.orders.all_at(holds.values(), GATHERS_WITHIN_S)
        for point in IN_ORDER:
            arriving = [player for player in players if player.point is point]
            holds |= {player.id: player.stands for player in arriving}
            if arriving:
                ground.orders.give(holds.values())
                await ground.orders.all_at([player.stands for player in arriving], ARRIVES_WITHIN_S)
        yield await ground.orders.all_at(holds.values(), ARRIVES_WITHIN_S)


@asynccontextmanager
async def _insisting(
    ground: Ground, players: list[Player]
) -> AsyncIterator[Callable[[Player], None]]:
    tasks: list[asyncio.Task[None]] = []

    def insist(player: Player) -> None:
        work = (
            ground.parking.insist(player)
            if player.shape is Shape.PARKED
            else _ask(ground, player, wait_s=20)
        )
        tasks.append(asyncio.create_task(work))

    try:
        yield insist
    finally:
        for task, player in zip(tasks, players, strict=False):
            if player.shape is Shape.PARKED:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _ask(ground: Ground, player: Player, wait_s: int = 0) -> None:
    """Ask until there is an answer: the same thing for the same key, whatever dies."""
    bank, alice = ground.cast.bank, ground.cast.alice
    prefer = f"wait={wait_s}" if wait_s and not player.mode else ""
    answer = await bank.insist(
        "POST", player.path, alice, body=player.body, key=player.key, prefer=prefer
    )
    assert answer.status_code in (201, 202), answer.text
    found = answer.json()["id"]
    assert player.id in ("", found), f"one key, two things: {player.id} and {found}"
    player.id = found


async def _until_ended(ground: Ground, players: Sequence[Player], since: float) -> None:
    """Note when each has ended; who has not after so long is stuck."""
    transfers, batches = ground.database.transfers, ground.database.batches

    async def has_ended(player: Player) -> bool:
        if not player.id:
            return False
        if player.mode:
            found = await batches.find_one({"_id": player.id}, {"status": 1})
            return found is not None and found["status"] != "processing"
        found = await transfers.find_one({"_id": player.id}, {"status": 1})
        return found is not None and found["status"] in TERMINAL

    while time.monotonic() - since < STUCK_AFTER_S:
        waiting = [player for player in players if player.seconds is None]
        if not waiting:
            return
        for player in waiting:
            if await patiently(lambda player=player: has_ended(player)):  # type: ignore[misc]
                player.seconds = time.monotonic() - since
        await asyncio.sleep(LOOK_EVERY_S)
