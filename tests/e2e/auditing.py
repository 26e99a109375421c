"""The books as an auditor reads them: in one snapshot, straight from MongoDB."""

from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from bson.decimal128 import Decimal128
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from cli.stack import EmbeddedStack

Database = AsyncDatabase[dict[str, Any]]

LEGAL_STEP_SETS = {
    ("completed", (("credit", "applied"), ("debit", "applied"), ("post", "applied"))),
    ("failed", (("debit", "refused"),)),
    ("failed", (("debit", "voided"),)),
    ("failed", (("credit", "refused"), ("debit", "applied"), ("refund", "applied"))),
    ("failed", (("credit", "voided"), ("debit", "applied"), ("refund", "applied"))),
}


@asynccontextmanager
async def books_of(stack: EmbeddedStack) -> AsyncIterator[Database]:
    """The database of a stack."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
        stack.addresses.mongo_url, tz_aware=True
    )
    async with client:
        yield client["payflow"]


@dataclass(frozen=True)
class Sums:
    """The three sums that must agree in every snapshot, and the poorest wallet."""

    wallets: int
    transit: int
    from_world: int
    least: int

    def check(self) -> None:
        assert self.wallets + self.transit == self.from_world, self
        assert self.least >= 0, self


async def read_sums(database: Database) -> Sums:
    """Sums over all wallets, all money in transit, and all that came from the world."""
    async with database.client.start_session(snapshot=True) as session:

        async def one(collection: str, *stages: dict[str, Any]) -> dict[str, Any]:
            cursor = await database[collection].aggregate(list(stages), session=session)
            rows = await cursor.to_list()
            return rows[0] if rows else {"sum": 0, "least": 0}

        wallets = await one(
            "wallets", {"$group": _sum("$balance") | {"least": {"$min": "$balance"}}}
        )
        transit = await one(
            "transfers",
            {"$match": {"status": {"$in": ["debited", "refunding"]}}},
            {"$group": _sum("$amount")},
        )
        world = await one(
            "journal",
            # a leg that was settled outside goes to the world as well
            {"$match": {"postings.account": {"$regex": "^world:"}}},
            {"$unwind": "$postings"},
            {"$match": {"postings.account": {"$regex": "^world:"}}},
            {"$group": _sum("$postings.amount")},
        )
    return Sums(_int(wallets["sum"]), _int(transit["sum"]), -_int(world["sum"]), wallets["least"])


def _sum(field: str) -> dict[str, Any]:
    return {"_id": None, "sum": {"$sum": {"$toDecimal": field}}}


def _int(value: Any) -> int:
    return int(value.to_decimal() if isinstance(value, Decimal128) else value)


async def check_the_books(database: Database) -> None:
    """Fold the whole journal and hold everything that stands written against it."""
    async with database.client.start_session(snapshot=True) as session:
        journal = await database.journal.find({}, session=session).to_list()
        wallets = await database.wallets.find({}, session=session).to_list()
        transfers = await database.transfers.find({}, session=session).to_list()
    folded: defaultdict[str, int] = defaultdict(int)
    sequences: defaultdict[str, list[int]] = defaultdict(list)
    steps: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    events: defaultdict[str, list[int]] = defaultdict(list)
    for entry in journal:
        assert sum(p["amount"] for p in entry["postings"]) == 0, entry["_id"]
        for posting in entry["postings"]:
            folded[posting["account"]] += posting["amount"]
        if "wallet_sequence" in entry:
            sequences[entry["wallet_id"]].append(entry["wallet_sequence"])
        if "transfer_id" in entry:
            events[entry["transfer_id"]].append(entry["event"]["sequence"])
            if entry["leg"] not in ("init", "park"):
                steps[entry["transfer_id"]].append((entry["leg"], entry["outcome"]))
    for wallet in wallets:
        assert wallet["balance"] == folded[wallet["_id"]] >= 0, wallet
        assert sorted(sequences[wallet["_id"]]) == list(range(1, wallet["sequence"] + 1)), wallet
    for transfer in transfers:
        _check_transfer(transfer, folded, steps[transfer["_id"]], events[transfer["_id"]])


def _check_transfer(
    transfer: dict[str, Any],
    folded: dict[str, int],
    steps: list[tuple[str, str]],
    events: list[int],
) -> None:
    in_transit = transfer["status"] in ("debited", "refunding")
    held = folded.get(f"transit:{transfer['_id']}", 0)
    assert held == (transfer["amount"] if in_transit else 0), transfer
    assert sorted(events) == list(range(1, transfer["sequence"] + 1)), transfer
    if transfer["status"] in ("completed", "failed"):
        assert (transfer["status"], tuple(sorted(steps))) in LEGAL_STEP_SETS, (transfer, steps)
