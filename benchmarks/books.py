"""What the books say after a contest: whether money is missing, and what a batch moved."""

from collections.abc import Mapping
from typing import Any

from benchmarks.ground import Database

UNFINISHED = {"status": {"$nin": ["completed", "failed"]}}
LEGS_OF_A_TRANSFER = ["credit", "debit", "post"]


async def unbalanced_minor(database: Database) -> int:
    """What the wallets hold beyond what was ever deposited; nothing is in transit now."""
    held = await _sum(database, "wallets", [{"$group": _total("$balance")}])
    deposits: list[dict[str, Any]] = [
        {"$match": {"leg": "deposit"}},
        {"$unwind": "$postings"},
        {"$match": {"$expr": {"$eq": ["$postings.account", "$wallet_id"]}}},
        {"$group": _total("$postings.amount")},
    ]
    return held - await _sum(database, "journal", deposits)


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


def _total(of: str) -> dict[str, Any]:
    return {"_id": None, "total": {"$sum": of}}


async def _sum(database: Database, collection: str, stages: list[dict[str, Any]]) -> int:
    cursor = await database[collection].aggregate(stages)
    return sum([int(found["total"]) async for found in cursor])
