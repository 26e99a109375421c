"""What became of each shape: one effect, no more and no less, within its time."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from payflow.domain.invariants import Finding
from payflow.proof.books import findings_in
from tests.chaos.matrix.cast import Item, Player
from tests.chaos.matrix.ground import Ground, patiently
from tests.chaos.matrix.plan import Run, Shape

TOLD_WITHIN_S = 20.0  # a killed relay's lease is free after 3 s


@dataclass
class Cell:
    """One shape in one run."""

    run: Run
    shape: Shape
    sagas: int
    seconds: float | None  # from the fault until the last of them had ended
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)

    @property
    def complaints(self) -> list[str]:
        """Everything that is wrong, in words."""
        return [*self.lost, *self.doubled, *self.stuck]


class BooksBroken(AssertionError):
    """An invariant of the books does not hold after the run."""


async def judged(ground: Ground, run: Run, players: Sequence[Player]) -> list[Cell]:
    """A cell for each shape that was in flight.

    Raises:
        BooksBroken: the books as a whole are wrong.
    """
    cells = []
    for shape in run.shapes():
        mine = [player for player in players if player.shape is shape]
        if not mine:
            continue
        seconds = [player.seconds for player in mine]
        took = max((one for one in seconds if one is not None), default=None)
        cell = Cell(run, shape, len(mine), None if None in seconds else took)
        for player in mine:
            await _judge(ground, player, cell)
        cells.append(cell)
    if findings := await _findings(ground):
        raise BooksBroken(f"{run}: {findings}")
    return cells


async def _findings(ground: Ground) -> list[Finding]:
    """What is against the books, once the feed has had time to tell all of it."""
    found: list[Finding] = []
    for _ in range(int(TOLD_WITHIN_S)):
        found = await patiently(lambda: findings_in(ground.database))
        if not found:
            break
        await asyncio.sleep(1)
    return found


async def _judge(ground: Ground, player: Player, cell: Cell) -> None:
    if player.seconds is None:
        cell.stuck.append(f"{player.shape} {player.id or player.key} has not ended")
        return
    for item in player.items:
        await _judge_item(ground, item, cell)


async def _judge_item(ground: Ground, item: Item, cell: Cell) -> None:
    database, end = ground.database, item.end
    source = item.body["source_wallet_id"]
    made = await database.transfers.find({"source_wallet_id": source}).to_list()
    if len(made) != 1:
        (cell.doubled if made else cell.lost).append(f"{len(made)} transfers out of {source}")
        return
    transfer = made[0]
    name, code = transfer["_id"], (transfer["failure"] or {}).get("code")
    is_so = (transfer["status"], code, transfer["refunded"])
    if is_so != (end.status, end.code, end.refunded):
        cell.lost.append(f"{name} is {is_so}, not {end}")
    if transfer["needs_attention"]:
        cell.stuck.append(f"{name} has ended and still needs attention")
    steps = await _steps(ground, name)
    _compare(cell, name, Counter(steps), Counter(end.steps))
    for wallet, balance in item.balances.items():
        holds = (await database.wallets.find_one({"_id": wallet}) or {}).get("balance")
        if holds != balance:
            # a second debit takes what a second credit brings
            twice = holds is not None and (holds < balance) == (wallet == source)
            (cell.doubled if twice else cell.lost).append(f"{wallet} holds {holds}, not {balance}")
    told = await _told(ground, transfer)
    _compare(
        cell, f"the feed of {name}", Counter(told), Counter(range(1, transfer["sequence"] + 1))
    )


async def _steps(ground: Ground, transfer_id: str) -> list[str]:
    """Its steps with their outcomes, as the journal has them."""
    wanted = {"transfer_id": transfer_id, "outcome": {"$exists": True}}
    return [
        f"{entry['leg']}:{entry['outcome']}"
        async for entry in ground.database.journal.find(wanted, {"leg": 1, "outcome": 1})
    ]


async def _told(ground: Ground, transfer: dict[str, Any]) -> list[int]:
    """The numbers of its events in the feed, once the last is there."""
    wanted = {"transfer_id": transfer["_id"]}
    told: list[int] = []
    for _ in range(int(TOLD_WITHIN_S * 10)):
        found = await ground.database.feed.find(wanted, {"event.sequence": 1}).to_list()
        told = [int(one["event"]["sequence"]) for one in found]
        if len(told) >= transfer["sequence"]:
            break
        await asyncio.sleep(0.1)
    return told


def _compare(cell: Cell, name: str, found: Counter[Any], wanted: Counter[Any]) -> None:
    if missing := wanted - found:
        cell.lost.append(f"{name} lacks {sorted(missing)}")
    if extra := found - wanted:
        cell.doubled.append(f"{name} has {sorted(extra.elements())} too many")
