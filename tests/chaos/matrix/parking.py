"""Transfers parked before the runs begin, one for each, which operators repair as faults strike."""

import asyncio
from collections import defaultdict
from contextlib import suppress

import httpx

from payflow.domain.crash_points import ANY
from payflow.domain.ledger import Leg
from tests.chaos.matrix.cast import COMPENSATED, COMPLETED, Cast, Item, Player, way_of_parked
from tests.chaos.matrix.orders import OrderBook
from tests.chaos.matrix.plan import Run, Shape, drawn_for, parked_at
from tests.e2e.auditing import Database

STANDS_IN = {
    Leg.DEBIT: "initiated",
    Leg.CREDIT: "debited",
    Leg.POST: "credited",
    Leg.REFUND: "refunding",
}
PARKED_WITHIN_S = 90.0
SENT_AT_ONCE = 8
INSISTS_EVERY_S = 3.0


class Parking:
    """The parked transfers by their run."""

    def __init__(self, cast: Cast, orders: OrderBook, database: Database) -> None:
        self._cast = cast
        self._orders = orders
        self._database = database
        self._parked: dict[Run, Player] = {}

    async def fill(self, runs: list[Run]) -> None:
        """Park one for each run that has one, at the step that is drawn for it."""
        by_step: dict[Leg, list[Run]] = defaultdict(list)
        for run in runs:
            if Shape.PARKED in run.shapes():
                by_step[parked_at(run)].append(run)
        for step, of_step in by_step.items():
            await self._park_at(step, of_step)
        await self._until_parked([player.id for player in self._parked.values()])

    def take(self, run: Run) -> Player | None:
        """The run's parked transfer, whose step can succeed from the next order on."""
        player = self._parked.pop(run, None)
        if player is not None:
            self._orders.fails.discard((parked_at(run), player.id))
        return player

    async def insist(self, player: Player) -> None:
        """An operator says retry until it has ended, whoever does not answer meanwhile."""
        bank, operator = self._cast.bank, self._cast.operator
        while True:
            with suppress(httpx.HTTPError):
                await bank.verb(operator, player.id, "retry")
            await asyncio.sleep(INSISTS_EVERY_S)

    async def _park_at(self, step: Leg, runs: list[Run]) -> None:
        everyone = (str(step), ANY)
        self._orders.fails.add(everyone)
        self._orders.give()
        limit = asyncio.Semaphore(SENT_AT_ONCE)
        await asyncio.gather(*(self._send(run, step, limit) for run in runs))
        ids = [self._parked[run].id for run in runs]
        await self._until(ids, {"status": STANDS_IN[step]})
        self._orders.fails.discard(everyone)
        self._orders.fails |= {(str(step), one) for one in ids}
        self._orders.give()

    async def _send(self, run: Run, step: Leg, limit: asyncio.Semaphore) -> None:
        async with limit:
            end = COMPENSATED if step is Leg.REFUND else COMPLETED
            item: Item = await self._cast.item(end, drawn_for(run))
            player = Player(Shape.PARKED, [item], *way_of_parked(run.point, step))
            answer = await self._cast.bank.insist(
                "POST", player.path, self._cast.alice, body=player.body, key=player.key
            )
            assert answer.status_code == 202, answer.text
            player.id = answer.json()["id"]
            self._parked[run] = player

    async def _until_parked(self, ids: list[str]) -> None:
        await self._until(ids, {"needs_attention": True})

    async def _until(self, ids: list[str], wanted: dict[str, object]) -> None:
        async with asyncio.timeout(PARKED_WITHIN_S):
            query = {"_id": {"$in": ids}, **wanted}
            while await self._database.transfers.count_documents(query) < len(ids):
                await asyncio.sleep(0.1)
