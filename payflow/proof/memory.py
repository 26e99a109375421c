"""What the proof remembers between passes: sums by wallet, open transfers, events without a place.

A copy of its own, so that whoever changes the books would have to change it as well, and find out
how. A full pass builds a new generation beside the old one; the checkpoint says which one counts.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson.timestamp import Timestamp
from pymongo import DeleteOne, ReplaceOne
from pymongo.asynchronous.client_session import AsyncClientSession

from payflow.domain.conservation import (
    FEED,
    JOURNAL,
    TRANSFERS,
    WALLETS,
    FeedEnd,
    Fold,
    TransferSum,
    WalletSum,
)
from payflow.domain.invariants import Finding, Invariant
from payflow.domain.journal_reading import digest_of
from payflow.domain.records import WALLET_FIXED, in_words
from payflow.domain.transfers import TransferStatus
from payflow.proof.questions import decimal
from payflow.proof.sums import Database
from payflow.storage.endings import UNFINISHED
from payflow.storage.feed import RELAY
from payflow.storage.feed_writer import WINDOW
from payflow.storage.proof_documents import ProofMemoryDocument
from payflow.storage.relay_lease import PLACE
from payflow.storage.slices import slices
from payflow.storage.uncancelled import end_if_abandoned

CHUNK = 1_000  # documents written or looked up at once
# What a document raises that cannot be read. It is not remembered; that it is so is found beside.
NOT_AS_WRITTEN = (KeyError, TypeError, ValueError, AttributeError, ArithmeticError)
_CARRIES = {status.value for status in TransferStatus if status.has_money_in_transit}

Fields = dict[str, Any]
Write = ReplaceOne[Fields] | DeleteOne


@dataclass(frozen=True, slots=True)
class Standing:
    """The books at a mark, beside the memory: where the feed ends, and how many transfers.

    ``changed`` are wallets that no longer say what the memory before has of them.
    """

    end: FeedEnd
    transfers: int
    changed: tuple[Finding, ...] = ()


class Memory:
    """One generation of it."""

    def __init__(self, database: Database, generation: str) -> None:
        self._database = database
        self._kept = database[ProofMemoryDocument.Settings.name]
        self._generation = generation

    async def recall(self, fold: Fold, keys: Iterable[str]) -> None:
        """Put what is remembered under these keys into the fold's tables."""
        for some in slices(sorted(set(keys)), CHUNK):
            ids = [self._id(key) for key in some]
            async for kept in self._kept.find({"_id": {"$in": ids}}):
                with suppress(*NOT_AS_WRITTEN):
                    self._put(fold, kept)

    async def due(self) -> AsyncIterator[Fold]:
        """What was folded and not yet held against the books, some at a time."""
        found = self._kept.find(
            {"due": True, "_id": {"$gt": self._id(""), "$lt": self._id("~")}}, sort=[("_id", 1)]
        )
        fold = Fold()
        async for kept in found:
            with suppress(*NOT_AS_WRITTEN):
                fold.touched.add(self._put(fold, kept))
            if len(fold.touched) == CHUNK:
                yield fold
                fold = Fold()
        if fold.touched:
            yield fold

    async def settle(self, keys: Iterable[str]) -> None:
        """These were held against the books, and what was found is on record."""
        for some in slices(sorted(keys), CHUNK):
            ids = [self._id(key) for key in some]
            await self._kept.update_many({"_id": {"$in": ids}}, {"$unset": {"due": True}})

    async def save(self, fold: Fold, session: AsyncClientSession) -> None:
        """Write what the fold touched, as part of the transaction that moves the checkpoint."""
        writes = [self._write(fold, key) for key in sorted(fold.touched)]
        if writes:
            await self._kept.bulk_write(writes, ordered=False, session=session)

    async def oldest_in_transit(self) -> tuple[str, datetime] | None:
        """The transfer whose money has been in transit for the longest time, and since when."""
        kept = await self._kept.find_one(
            {"generation": self._generation, "since": {"$exists": True, "$type": "date"}},
            sort=[("since", 1)],
        )
        return (self._key(kept), kept["since"]) if kept else None

    async def forget_others(self) -> None:
        """Drop the generations that do not count."""
        await self._kept.delete_many({"generation": {"$ne": self._generation}})

    async def rebuild(self, at: Timestamp, before: "Memory") -> Standing:
        """Fold the journal as it stood then into this generation, which nobody reads yet.

        What no entry has (whose a wallet is) is taken over from the generation ``before``.
        """
        await self._kept.delete_many({"generation": self._generation})
        changed: list[Finding] = []
        await self._insert(self._wallet_sums(at, before, changed))
        await self._insert(self._open_transfers(at))
        await self._insert(self._without_place(at))
        last = await first_at(self._database, at, FEED, {"sort": {"_id": -1}})
        counting: list[Fields] = [{"$group": {"_id": None, "count": {"$sum": 1}}}]
        counted = [row async for row in aggregate_at(self._database, at, TRANSFERS, counting)]
        end = FeedEnd(last["_id"], last["hash"]) if last else FeedEnd()
        return Standing(end, counted[0]["count"] if counted else 0, tuple(changed))

    def _id(self, key: str) -> str:
        return f"{self._generation}/{key}"

    def _key(self, kept: Mapping[str, Any]) -> str:
        return str(kept["_id"]).partition("/")[2]

    def _put(self, fold: Fold, kept: Mapping[str, Any]) -> str:
        key = self._key(kept)
        if "digest" in kept:
            fold.events.setdefault(key, kept["digest"])
        elif "status" in kept:
            known = TransferSum(
                kept["status"],
                int(kept["amount"]),
                int(kept["sequence"]),
                int(kept["transit"]),
                kept["refunded"],
                kept.get("since"),
            )
            fold.transfers.setdefault(key, known)
        else:
            known_wallet = WalletSum(
                int(kept["balance"]), int(kept["sequence"]), kept["currency"], kept["fixed"]
            )
            fold.wallets.setdefault(key, known_wallet)
        return key

    def _write(self, fold: Fold, key: str) -> Write:
        which = {"_id": self._id(key)}
        if key in fold.wallets:
            return ReplaceOne(which, self._wallet(key, fold.wallets[key], due=True), upsert=True)
        if key in fold.transfers:
            return ReplaceOne(
                which, self._transfer(key, fold.transfers[key], due=True), upsert=True
            )
        if key in fold.events:
            return ReplaceOne(which, self._event(key, fold.events[key]), upsert=True)
        return DeleteOne(which)

    def _wallet(self, key: str, one: WalletSum, *, due: bool = False) -> Fields:
        return self._fields(key, due=due) | {
            "balance": one.balance,
            "sequence": one.sequence,
            "currency": one.currency,
            "fixed": dict(one.fixed),
        }

    def _transfer(self, key: str, one: TransferSum, *, due: bool = False) -> Fields:
        fields = self._fields(key, due=due) | {
            "status": one.status,
            "amount": one.amount,
            "sequence": one.sequence,
            "transit": one.transit,
            "refunded": one.refunded,
        }
        return fields | ({"since": one.since} if one.since else {})

    def _event(self, key: str, digest: str) -> Fields:
        return self._fields(key, due=False) | {"digest": digest}

    def _fields(self, key: str, *, due: bool) -> Fields:
        fields = {"_id": self._id(key), "generation": self._generation}
        return fields | ({"due": True} if due else {})

    async def _insert(self, documents: AsyncIterator[Fields]) -> None:
        waiting: list[Fields] = []
        async for one in documents:
            waiting.append(one)
            if len(waiting) == CHUNK:
                end_if_abandoned()
                await self._kept.insert_many(waiting, ordered=False)
                waiting = []
        if waiting:
            await self._kept.insert_many(waiting, ordered=False)

    async def _wallet_sums(
        self, at: Timestamp, before: "Memory", changed: list[Finding]
    ) -> AsyncIterator[Fields]:
        """The sums from the journal; wallets that changed what is fixed are found on the way."""
        waiting: dict[str, WalletSum] = {}
        async for row in self._folded_wallets(at):
            with suppress(*NOT_AS_WRITTEN):
                balance = int(row["balance"].to_decimal()) if row["balance"] is not None else 0
                fixed = {name: row[name] for name in WALLET_FIXED if row.get(name) is not None}
                waiting[str(row["_id"])] = WalletSum(
                    balance, int(row["sequence"] or 0), str(row["currency"]), fixed
                )
            if len(waiting) == CHUNK:
                changed += await before.take_over(waiting)
                for key, one in waiting.items():
                    yield self._wallet(key, one)
                waiting = {}
        changed += await before.take_over(waiting)
        for key, one in waiting.items():
            yield self._wallet(key, one)

    async def take_over(self, wallets: Mapping[str, WalletSum]) -> list[Finding]:
        """Give the wallets what this generation has of them, and say which had changed."""
        known = Fold()
        await self.recall(known, wallets)
        changed = []
        for key, one in wallets.items():
            was = known.wallets.get(key)
            if was is None or (was.fixed, was.currency) == (one.fixed, one.currency):
                continue
            due = {**was.fixed, "currency": was.currency}
            says = {**one.fixed, "currency": one.currency}
            names = [name for name in due if due[name] != says.get(name)]
            told = in_words({name: says.get(name) for name in names})
            detail = f"says {told}; it was {in_words({name: due[name] for name in names})}"
            changed.append(Finding(Invariant.RECORDS_MATCH_ENTRIES, key, detail))
            one.fixed, one.currency = was.fixed, was.currency
        return changed

    async def _folded_wallets(self, at: Timestamp) -> AsyncIterator[Fields]:
        fixed = dict.fromkeys(WALLET_FIXED, 1)
        stages: list[Fields] = [
            {"$match": {"wallet_sequence": {"$exists": True}}},
            {"$unwind": "$postings"},
            {"$match": {"$expr": {"$eq": ["$postings.account", "$wallet_id"]}}},
            {
                "$group": {
                    "_id": "$wallet_id",
                    "balance": {"$sum": decimal("$postings.amount")},
                    "sequence": {"$max": "$wallet_sequence"},
                    "currency": {"$max": "$currency"},
                }
            },
            {
                "$unionWith": {
                    "coll": WALLETS,
                    "pipeline": [{"$project": {"currency": 1, **fixed}}],
                }
            },
            {
                "$group": {
                    "_id": "$_id",
                    "balance": {"$max": "$balance"},
                    "sequence": {"$max": "$sequence"},
                    "currency": {"$max": "$currency"},
                    **{name: {"$max": f"${name}"} for name in WALLET_FIXED},
                }
            },
        ]
        async for row in aggregate_at(self._database, at, JOURNAL, stages):
            yield row

    async def _open_transfers(self, at: Timestamp) -> AsyncIterator[Fields]:
        stages = [{"$match": UNFINISHED}]
        async for row in aggregate_at(self._database, at, TRANSFERS, stages):
            with suppress(*NOT_AS_WRITTEN):
                carries = row["status"] in _CARRIES
                kept = TransferSum(
                    row["status"],
                    int(row["amount"]),
                    int(row["sequence"]),
                    int(row["amount"]) if carries else 0,
                    row["refunded"],
                    row["updated_at"] if carries else None,
                )
                yield self._transfer(row["_id"], kept)

    async def _without_place(self, at: Timestamp) -> AsyncIterator[Fields]:
        place = await first_at(self._database, at, RELAY, {"filter": {"_id": PLACE}})
        since = place["at"] - WINDOW if place and place.get("at") else None
        young = {"created_at": {"$gte": since}} if since else {}
        stages: list[Fields] = [{"$match": young}, {"$project": {"event": 1}}]
        waiting: list[Fields] = []
        async for row in aggregate_at(self._database, at, JOURNAL, stages):
            waiting.append(row.get("event") or {})
            if len(waiting) == CHUNK:
                async for one in self._unplaced(at, waiting):
                    yield one
                waiting = []
        async for one in self._unplaced(at, waiting):
            yield one

    async def _unplaced(self, at: Timestamp, events: list[Fields]) -> AsyncIterator[Fields]:
        by_id = {
            event["id"]: event
            for event in events
            if isinstance(event, dict) and isinstance(event.get("id"), str)
        }
        stages: list[Fields] = [
            {"$match": {"event_id": {"$in": sorted(by_id)}}},
            {"$project": {"event_id": 1}},
        ]
        placed = {row["event_id"] async for row in aggregate_at(self._database, at, FEED, stages)}
        for event_id in by_id.keys() - placed:
            with suppress(*NOT_AS_WRITTEN):
                yield self._event(event_id, digest_of(by_id[event_id]))


async def aggregate_at(
    database: Database, at: Timestamp, collection: str, stages: Sequence[Mapping[str, Any]]
) -> AsyncIterator[Fields]:
    """The rows of an aggregation over the books as they stood then (the last 300 s)."""
    command = {
        "aggregate": collection,
        "pipeline": list(stages),
        "cursor": {"batchSize": CHUNK},
        "allowDiskUse": True,
        "readConcern": {"level": "snapshot", "atClusterTime": at},
    }
    options = database.codec_options  # a command's answer has the driver's own otherwise
    async for row in await database.cursor_command(command, codec_options=options):
        yield row


async def first_at(
    database: Database, at: Timestamp, collection: str, query: Fields
) -> Fields | None:
    """The first document of a ``find`` over the books as they stood then."""
    command = {
        "find": collection,
        **query,
        "limit": 1,
        "singleBatch": True,
        "readConcern": {"level": "snapshot", "atClusterTime": at},
    }
    answer = await database.command(command)
    found: list[Fields] = answer["cursor"]["firstBatch"]
    return found[0] if found else None
