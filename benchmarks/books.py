"""What the books say after a contest: whether money is missing, and what a batch moved."""

from collections.abc import Mapping
from typing import Any

from benchmarks.ground import Database
from payflow.proof.sums import read_sums

UNFINISHED = {"status": {"$nin": ["completed", "failed"]}}
LEGS_OF_A_TRANSFER = ["credit", "debit", "post"]


async def unbalanced_minor(database: Database) -> int:
    """What wallets and transit hold beyond what came from the world."""
    async with database.client.start_session(snapshot=True) as session:
        sums = (await read_sums(database, session)).values()
    return sum(one.wallets + one.transit - one.from_world for one in sums)


async def balances(database: Database) -> dict[str, int]:
    """What each wallet holds."""
    return {found["_id"]: found["balance"] async for found in database.wallets.find()}


def strayed_minor(
    before: Mapping[str, int], after: Mapping[str, int], wanted: Mapping[str, int]
) -> int:
    """By how much the wallets, together, differ from what was to happen; either way counts."""
    return sum(
        abs(held - before.get(wallet, 0) - wanted.get(wallet, 0)) for wallet, held in after.items()
    )


async def completed_items(database: Database, batch_id: str) -> int:
    """How many of a batch's items have moved their money."""
    return await database.transfers.count_documents({"batch_id": batch_id, "status": "completed"})


async def items_gone_wrong(database: Database, batch_id: str) -> int:
    """Items that did not end with exactly a debit, a credit and a post that were applied."""
    stages: list[dict[str, Any]] = [
        {"$match": {"batch_id": batch_id}},
        {
            "$lookup": {
                "from": "journal",
                "localField": "_id",
                "foreignField": "transfer_id",
                "pipeline": [{"$match": {"outcome": "applied"}}],
                "as": "legs",
            }
        },
        {"$project": {"status": 1, "legs.leg": 1}},
    ]
    found = [item async for item in await database.transfers.aggregate(stages)]
    return sum(not _is_right(item) for item in found)


def _is_right(item: Mapping[str, Any]) -> bool:
    legs = sorted(leg["leg"] for leg in item["legs"])
    return item["status"] == "completed" and legs == LEGS_OF_A_TRANSFER
