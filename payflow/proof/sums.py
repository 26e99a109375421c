"""The sums that must agree in every snapshot, read from what stands written: cheap, any time."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bson.decimal128 import Decimal128
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase

from payflow.domain.invariants import Finding, Invariant
from payflow.proof.questions import IN_TRANSIT, JOURNAL, TRANSFERS, WALLETS, decimal

Database = AsyncDatabase[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Sums:
    """One currency's money, in minor units: in wallets, on its way, and come from the world."""

    wallets: int = 0
    transit: int = 0
    from_world: int = 0

    @property
    def agree(self) -> bool:
        """Whether nothing is missing and nothing was made."""
        return self.wallets + self.transit == self.from_world


async def read_sums(database: Database, session: AsyncClientSession) -> Mapping[str, Sums]:
    """The sums by currency. ``session`` reads a snapshot, so that all three are of one moment."""
    in_transit = {"$match": {"status": {"$in": IN_TRANSIT}}}
    crossed_the_border: list[Mapping[str, Any]] = [
        {"$match": {"postings.account": {"$regex": "^world:"}}},
        {"$unwind": "$postings"},
        {"$match": {"postings.account": {"$regex": "^world:"}}},
    ]
    wallets = await _by_currency(database, session, WALLETS, "balance")
    transit = await _by_currency(database, session, TRANSFERS, "amount", in_transit)
    world = await _by_currency(database, session, JOURNAL, "postings.amount", *crossed_the_border)
    return {
        currency: Sums(wallets[currency], transit[currency], -world[currency])
        for currency in sorted({*wallets, *transit, *world})
    }


def disagreements(sums: Mapping[str, Sums]) -> Sequence[Finding]:
    """The currencies in which money is missing, or was made."""
    return [
        Finding(
            Invariant.MONEY_IS_CONSERVED,
            currency,
            f"{one.wallets} in wallets and {one.transit} in transit, "
            f"but {one.from_world} came from the world",
        )
        for currency, one in sums.items()
        if not one.agree
    ]


async def _by_currency(
    database: Database,
    session: AsyncClientSession,
    collection: str,
    field: str,
    *stages: Mapping[str, Any],
) -> defaultdict[str, int]:
    total = {"$group": {"_id": "$currency", "sum": {"$sum": decimal(f"${field}")}}}
    cursor = await database[collection].aggregate([*stages, total], session=session)
    return defaultdict(int, {str(row["_id"]): _whole(row["sum"]) async for row in cursor})


def _whole(value: Decimal128 | int) -> int:
    return int(value.to_decimal() if isinstance(value, Decimal128) else value)
