"""The ``ReceiptStore`` port over MongoDB."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING
from pymongo.errors import DuplicateKeyError

from payflow.domain.events import TERMINAL_TYPES
from payflow.domain.receipt_ports import Ends, Facts, SealedRoot, Tile, TransferEnd
from payflow.domain.receipts import LEGS, entry_said, facts_of
from payflow.storage.documents import FeedDocument, JournalDocument
from payflow.storage.reading import each_readable, read_from, readable
from payflow.storage.receipt_documents import ReceiptRootDocument
from payflow.storage.transactions import Client, translated
from payflow.storage.user_keys import sent_data

Fields = Mapping[str, Any]

_ENDS = {"event.type": {"$in": sorted(TERMINAL_TYPES)}}
_END = {"event.created_at": 1, "transfer_id": 1}


class MongoReceipts:
    """Reads feed and journal; writes nothing but roots."""

    def __init__(self, client: Client, database: str) -> None:
        kept = client[database]
        self._feed = kept[FeedDocument.Settings.name]
        self._journal = kept[JournalDocument.Settings.name]
        self._roots = kept[ReceiptRootDocument.Settings.name]

    async def ends_after(self, position: int, limit: int, without: Collection[int] = ()) -> Ends:
        """The next transfers' ends after ``position``, in the order of the feed."""
        query = ends_wanted(position)
        if without:
            query["_id"]["$nin"] = sorted(without)
        with translated():
            found = self._feed.find(query, _END, sort=[("_id", ASCENDING)], limit=limit)
            documents = await found.to_list()
        ends = readable(_to_end, documents)
        read = {end.position for end in ends}
        return Ends(ends, [int(one["_id"]) for one in documents if one["_id"] not in read])

    async def end_of(self, transfer_id: str) -> TransferEnd | None:
        """Where the transfer ended; None while the feed does not say so."""
        with translated():
            found = await self._feed.find_one(end_wanted(transfer_id), _END)
        return _to_end(found) if found else None

    async def facts(self, transfer_ids: Collection[str]) -> Mapping[str, Facts]:
        """What receipts of these ended transfers say; who has not ended is left out."""
        query = {"transfer_id": {"$in": sorted(transfer_ids)}, "leg": {"$in": LEGS}}
        by_transfer: defaultdict[str, list[Fields]] = defaultdict(list)
        with translated():
            async for fields in self._journal.find(query):
                by_transfer[fields["transfer_id"]].append(fields)
        return {
            name: facts
            for name, journal in by_transfer.items()
            if (entries := readable(_to_entry, journal)) and len(entries) == len(journal)
            if (facts := _facts(entries)) is not None
        }

    async def newest_root(self) -> SealedRoot | None:
        """The last root of the chain."""
        with translated():
            found = await self._roots.find_one({}, sort=[("_id", DESCENDING)])
        # whatever is wrong with its tiles, the next root follows it
        return _to_root({**found, "tiles": [], "left_out": []}) if found else None

    async def root_over(self, position: int) -> SealedRoot | None:
        """The root whose tree has the transfer that ended there; None before it is sealed."""
        order = [("through_position", ASCENDING), ("_id", ASCENDING)]
        with translated():
            found = await self._roots.find_one(root_wanted(position), sort=order)
        return _to_root(found) if found else None

    async def root(self, date: str) -> Mapping[str, Any] | None:
        """A root's statement by its period's name."""
        with translated():
            found = await self._roots.find_one({"_id": date}, {"statement": 1})
        return _statement(found) if found else None

    async def roots(self, limit: int, before: str | None) -> Sequence[Mapping[str, Any]]:
        """Statements, the newest first, from before a period's name on."""
        query = {} if before is None else {"_id": {"$lt": before}}
        order = [("_id", DESCENDING)]
        with translated():
            found = self._roots.find(query, {"statement": 1}, sort=order, limit=limit)
            return [one async for one in each_readable(_statement, found)]

    async def keep(self, root: SealedRoot) -> bool:
        """Write the root, unless its period has one; whether it was written."""
        document = {
            "_id": root.statement["date"],
            "statement": dict(root.statement),
            "ends_at": root.ends_at,
            "through_position": root.through_position,
            "left_out": list(root.left_out),
            "tiles": [{"after": one.after_position, "node": one.node} for one in root.tiles],
        }
        with translated():
            try:
                await self._roots.insert_one(document)
            except DuplicateKeyError:
                return False
        return True


def ends_wanted(position: int) -> dict[str, Any]:
    """The query for the transfers' ends that follow a position."""
    return {**_ENDS, "_id": {"$gt": position}}


def end_wanted(transfer_id: str) -> dict[str, Any]:
    """The query for a transfer's end."""
    return {**_ENDS, "transfer_id": transfer_id}


def root_wanted(position: int) -> dict[str, Any]:
    """The query for the roots that go as far as a position; the first of them covers it."""
    return {"through_position": {"$gte": position}}


@read_from(FeedDocument, "_id", "transfer_id")
def _to_end(fields: Fields) -> TransferEnd:
    at = datetime.fromisoformat(fields["event"]["created_at"])
    return TransferEnd(int(fields["_id"]), fields["transfer_id"], at)


@read_from(JournalDocument)
def _to_entry(fields: Fields) -> Fields:
    return fields


def _facts(journal: Sequence[Fields]) -> Facts | None:
    end = next((one for one in journal if one["event"]["type"] in TERMINAL_TYPES), None)
    if end is None:
        return None
    return facts_of(
        _plain(sent_data(end["event"]["data"])),
        [entry_said(one["_id"], one["leg"], one) for one in journal],
    )


@read_from(ReceiptRootDocument)
def _to_root(fields: Fields) -> SealedRoot:
    return SealedRoot(
        statement=_statement(fields),
        ends_at=fields["ends_at"],
        through_position=int(fields["through_position"]),
        tiles=tuple(Tile(int(one["after"]), bytes(one["node"])) for one in fields["tiles"]),
        left_out=tuple(int(one) for one in fields.get("left_out", ())),
    )


@read_from(ReceiptRootDocument, "statement")
def _statement(fields: Fields) -> dict[str, Any]:
    return _plain(fields["statement"])


def _plain(fields: Fields) -> dict[str, Any]:
    """The driver's 64-bit integers as plain ones."""
    return {
        name: int(value) if isinstance(value, int) and not isinstance(value, bool) else value
        for name, value in fields.items()
    }
