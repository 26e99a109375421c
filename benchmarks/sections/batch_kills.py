"""Whether a batch whose only worker is killed twice in its middle still moves each item once."""

import asyncio

from benchmarks.batching import Carried, Request, carried_out, net_minor, payments
from benchmarks.books import balances, items_gone_wrong, strayed_minor, unbalanced_minor
from benchmarks.figures import Mark, Row
from benchmarks.ground import Ground
from benchmarks.outcome import Outcome

KILL_AT = (0.25, 0.5)  # shares of the items that have ended
LOOK_EVERY_S = 0.1  # each look counts the items
NOTHING = Mark(0, 0, more_is_better=False)
WORKER = "worker"


async def measure(ground: Ground) -> Outcome:
    """Kill -9 at a quarter and at a half; then ask the books."""
    await ground.warm_up()
    town, database = ground.town, ground.database
    items = payments(town, ground.options.batch)
    before = await balances(database)
    known = {batch["_id"] async for batch in database.batches.find({}, {"_id": 1})}
    carrying = asyncio.create_task(
        carried_out(ground, Request(town.residents[0], "independent", items))
    )
    try:
        kills = await _kills(ground, known, carrying)
        carried = await carrying
    finally:
        carrying.cancel()
    strayed = strayed_minor(before, await balances(database), net_minor(items))
    wrong = await items_gone_wrong(database, carried.batch_id)
    unbalanced = abs(await unbalanced_minor(database))
    return Outcome(_rows(carried, kills, wrong, strayed + unbalanced), raw=_raw(carried, kills))


async def _kills(ground: Ground, known: set[str], carrying: asyncio.Task[Carried]) -> list[int]:
    """How many items had ended at each kill that came while the batch ran."""
    kills: list[int] = []
    for share in KILL_AT:
        ended = await _ended_at_least(ground, known, share, carrying)
        if ended is None:
            break
        old_pid = ground.stack.kill(WORKER)
        kills.append(ended)
        await ground.stack.wait_restarted(WORKER, old_pid)
    return kills


async def _ended_at_least(
    ground: Ground, known: set[str], share: float, carrying: asyncio.Task[Carried]
) -> int | None:
    """How many items have ended once they are so many; None when all have before the kill."""
    total, database = ground.options.batch, ground.database
    while not carrying.done():
        batch = await database.batches.find_one({"_id": {"$nin": list(known)}}, {"_id": 1})
        if batch is not None:
            ended = await database.transfers.count_documents(
                {"batch_id": batch["_id"], "status": {"$in": ["completed", "failed"]}}
            )
            if ended == total:
                return None
            if ended >= share * total:
                return ended
        await asyncio.sleep(LOOK_EVERY_S)
    return None


def _rows(carried: Carried, kills: list[int], wrong: int, missing_minor: int) -> list[Row]:
    total = carried.answered
    killed = " and ".join(f"{ended:,}" for ended in kills) or "none"
    short = "" if len(kills) == len(KILL_AT) else f"with {len(kills)} of {len(KILL_AT)} kills"
    figure = f"batch of {total:,} whose only worker is killed -9 twice in its middle"
    return [
        Row(
            "batch_kills_items",
            f"{figure}: items lost or doubled",
            (float(wrong),),
            NOTHING,
            f"killed when {killed} of {total:,} had ended; all ended after "
            f"{carried.seconds:.1f} s, restarts included",
            unit="",
            short=short,
        ),
        Row(
            "batch_kills_minor",
            "the same: minor units missing",
            (float(missing_minor),),
            NOTHING,
            "each wallet against the sum of its items, and all wallets against the deposits",
            unit="",
            short=short,
        ),
    ]


def _raw(carried: Carried, kills: list[int]) -> dict[str, object]:
    return {"batch_kills": {"ended_at_kills": kills, "seconds": carried.seconds}}
